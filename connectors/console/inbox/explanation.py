"""An alert explained by what was published: what decided it, what was believed before and after that, what to check.

    before = newest estimate with t < datum          after = first estimate with t >= datum

Both are as the twin sees those times now: data that came late have changed them. It is told from what the board has,
at once and without a twin; what would have been believed *without* the datum is folded by ``dosetwin explain``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import msgspec

from connectors.console.board import Board, PatientFrame
from connectors.console.grounds import Decided
from connectors.console.views import AlertCard, AlertStep, Foreseen, Level, LowPoint, MeasuredPoint, Point, Quantiles

ORDERS = ("regimen_planned", "device_association")
"""Kinds of events that say what should be: what is held against them decided, not they themselves."""

T = TypeVar("T")

_decoder = msgspec.json.Decoder(Point)


class Either(msgspec.Struct, Generic[T], frozen=True):
    """Something just before the datum and from it on; ``None`` where nothing of that time is known."""

    before: T | None
    after: T | None


class At(msgspec.Struct, frozen=True):
    """The five quantiles of what was believed at ``t``."""

    t: int
    band: Quantiles


class Belief(msgspec.Struct, frozen=True):
    """What was believed of an output, or of an exposure at its end; ``about``: the alert is about this one."""

    name: str
    unit: str
    at_end: bool
    about: bool
    then: Either[At]


class Datum(msgspec.Struct, frozen=True):
    """An event that decided it, and what the twin had expected of it where it is a measured value.

    ``deciding``: it is the newest of those that are no orders, around which beliefs are told.
    """

    kind: str
    of: str
    t: int
    id: str | None
    deciding: bool
    measured: MeasuredPoint | None


class Explanation(msgspec.Struct, frozen=True):
    """An alert with all its history and why it stands. ``step`` are its own words before the datum and after it."""

    patient: str
    card: AlertCard
    data: tuple[Datum, ...]
    step: Either[AlertStep]
    beliefs: tuple[Belief, ...]
    nadir: Either[LowPoint]


class UnknownAlert(KeyError):
    """No alert of this id is shown."""


def explanation(board: Board, alert_id: str) -> Explanation:
    """Why an alert stands, or stood. Raises `UnknownAlert`."""
    patient_id = board.whose(alert_id)
    if patient_id is None:
        raise UnknownAlert(alert_id)
    frame = board.patient(patient_id)
    card = next((each for each in frame.alerts or () if each.id == alert_id), None)
    if card is None:  # it has ended, and newer ones are shown in its place
        raise UnknownAlert(alert_id)
    return explained(card, frame, board.foreseen(patient_id))


def explained(card: AlertCard, frame: PatientFrame, forecasts: Sequence[Foreseen]) -> Explanation:
    """Why an alert stands, from its card, its patient's frame and the forecasts that are kept."""
    decided = () if card.grounds is None else card.grounds.decided
    deciding = _deciding(decided)
    told = {(value.t, value.output): value for value in frame.measured}
    data = tuple(
        Datum(one.kind, one.of, one.time, one.id, one is deciding, told.get((one.time, one.of))) for one in decided
    )
    if deciding is None:
        return Explanation(frame.row.id, card, data, Either(None, card.steps[0]), (), Either(None, None))
    t = deciding.time
    points = around(((point.t, point) for point in map(_point, frame.points)), t)
    steps = around(((step.time, step) for step in card.steps), t)
    lows = around(((one.t, one.nadir) for one in forecasts if one.nadir is not None), t)
    return Explanation(frame.row.id, card, data, steps, tuple(_beliefs(card, frame, points)), lows)


def around(timed: Iterable[tuple[int, T]], t: int) -> Either[T]:
    """The newest before ``t``, and the first from ``t`` on.

    >>> around([(1, "a"), (2, "b"), (3, "c"), (4, "d")], 3)
    Either(before='b', after='c')
    """
    known = list(timed)
    before = max((each for each in known if each[0] < t), key=lambda each: each[0], default=None)
    after = min((each for each in known if each[0] >= t), key=lambda each: each[0], default=None)
    return Either(None if before is None else before[1], None if after is None else after[1])


def _deciding(decided: Sequence[Decided]) -> Decided | None:
    found = [one for one in decided if one.kind not in ORDERS] or list(decided)
    return max(found, key=lambda one: (one.time, one.kind in ("lab_result", "drug_level")), default=None)


def _point(raw: msgspec.Raw) -> Point:
    return _decoder.decode(raw)


def _beliefs(card: AlertCard, frame: PatientFrame, points: Either[Point]) -> list[Belief]:
    """Of every output and exposure that either point has; what the alert is about comes first."""
    levels = [(level, False) for level in frame.row.levels]
    ends = [(Level(target.name, target.unit, target.so_far), True) for target in frame.row.targets]
    found = []
    for level, at_end in (*levels, *ends):
        then = Either(_at(points.before, level.name, at_end=at_end), _at(points.after, level.name, at_end=at_end))
        if then != Either(None, None):
            about = card.subject.name == level.name and card.subject.kind in ("output", "target")
            found.append(Belief(level.name, level.unit, at_end, about, then))
    return sorted(found, key=lambda belief: not belief.about)


def _at(point: Point | None, name: str, *, at_end: bool) -> At | None:
    if point is None:
        return None
    if not at_end:
        return At(point.t, point.o[name]) if name in point.o else None
    _, *end = point.e.get(name, ())
    return At(point.t, (end[0], end[1], end[2], end[3], end[4])) if len(end) == 5 else None
