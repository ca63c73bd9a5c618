"""Of which events of a record a judgement is made, and how old the newest of each source is then.

What is found is a function of the events up to the moment that is judged, whatever came in which order. It is looked up
when an alert is told, not at each judgement.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from twin.clock import HOUR_MS
from twin.events import (
    MOST_DECIDING,
    ClinicalEnvelope,
    Covariate,
    Deciding,
    DeviceAssociation,
    DoseGiven,
    DrugLevel,
    FollowUpBegun,
    Freshness,
    LabResult,
    PumpDelivery,
    PumpTotals,
    RegimenPlanned,
    StateReset,
    Subject,
    from_millis,
    kind_of,
    to_millis,
)
from twin.record.contact import SPELL_MS
from twin.record.corrections import Superseded
from twin.record.facts import RANK, Key
from twin.record.history import History

Role = Literal["measured", "given", "planned", "bound", "known"]

_MEASURED: Final[tuple[Role]] = ("measured",)
_GIVEN: Final[tuple[Role]] = ("given",)

_ROLES: dict[type[ClinicalEnvelope], Role] = {
    LabResult: "measured",
    DrugLevel: "measured",
    DoseGiven: "given",
    PumpDelivery: "given",
    PumpTotals: "given",
    RegimenPlanned: "planned",
    DeviceAssociation: "bound",
    Covariate: "known",
    StateReset: "known",
    FollowUpBegun: "known",
}


_RANKS: dict[int, Role] = {RANK[kind_of(event)]: role for event, role in _ROLES.items()}
"""Roles by the rank of a fact's kind, which its key tells without a look at the fact."""


class Origins(NamedTuple):
    """The events that decided what was judged, in order of time, and the freshness of each source."""

    decided_by: tuple[Deciding, ...] = ()
    freshness: tuple[Freshness, ...] = ()


class Matter(NamedTuple):
    """What is judged: at ``millis``, of a ``subject``; by what is ``believed`` of the patient, or else by what devices
    and orders say. ``measured_ms`` is when the newest value was measured that the belief rests on."""

    millis: int
    subject: Subject
    believed: bool
    measured_ms: int | None


OriginsOf = Callable[[Matter], Origins]


def unknown(_: Matter) -> Origins:
    """Of something without a record."""
    return Origins()


def origins(history: History, matter: Matter) -> Origins:
    """Of which events of a record something is judged."""
    if matter.believed:
        decided = _of_belief(history, matter)
    elif matter.subject.kind == "drug":
        decided = _of_delivery(history, matter.millis, matter.subject.name)
    else:
        decided = list(_newest(history, matter.millis, ("bound",), matter.subject.name))
    return Origins(_in_order(decided), _freshness(history, matter.millis))


def together(each: Iterable[Origins]) -> Origins:
    """Of several records of the same patient, each as one model has it: all events, and the newest of each source."""
    found = list(each)
    ages: dict[Literal["laboratory", "pump", "wearable"], float] = {}
    for one in (fresh for origin in found for fresh in origin.freshness):
        ages[one.source] = min(one.age_hours, ages.get(one.source, one.age_hours))
    decided = dict.fromkeys(one for origin in found for one in origin.decided_by)
    return Origins(_in_order(list(decided)), tuple(Freshness(source, age) for source, age in sorted(ages.items())))


def deciding(fact: ClinicalEnvelope) -> Deciding:
    """An event as one that decides."""
    return Deciding(fact.kind, _of(fact), fact.time, fact.event_id)


def _of_belief(history: History, matter: Matter) -> list[Deciding]:
    """What came at that very moment, or else what was measured, given and planned last."""
    present = [deciding(fact) for _, _, fact in _back(history, matter.millis, tuple(_ROLES.values()), matter.millis)]
    measured = _reading(history, matter)
    if present or (measured is not None and to_millis(measured.time) == matter.millis):
        return [*present, *([] if measured is None else [measured])]
    found = _newest(history, matter.millis, ("measured", "given", "planned"))
    return [*found, *([] if measured is None else [measured])]


def _of_delivery(history: History, millis: int, drug: str) -> list[Deciding]:
    """The plan of a drug, what was said last of its delivery, and since when pumps repeat their present rate."""
    found = list(_newest(history, millis, ("planned", "given"), drug))
    for (device, of_drug), line in sorted(history.counted_samples().items()):
        at = bisect_right(line.times, millis)
        if of_drug != drug or not at:
            continue
        rates = np.array(line.rates[:at])
        others = np.flatnonzero(rates != rates[-1])
        since = line.times[int(others[-1]) + 1 if len(others) else 0]
        if all(one.kind != "pump_delivery" or to_millis(one.time) < since for one in found):
            found.append(Deciding("pump_delivery", device, from_millis(since)))
    return found


def _reading(history: History, matter: Matter) -> Deciding | None:
    """The readings that a belief rests on last, where they are newer than any single value."""
    measured = matter.measured_ms
    if measured is None or not history.readings:
        return None
    newest = next(_newest(history, matter.millis, ("measured",)), None)
    if newest is not None and to_millis(newest.time) >= measured:
        return None
    heard = {channel: bisect_right(windows.times, measured) for channel, windows in history.readings.items()}
    last = {channel: history.readings[channel].times[at - 1] for channel, at in heard.items() if at}
    if not last:
        return None
    return Deciding("vital_sample", max(sorted(last), key=last.__getitem__), from_millis(measured))


def _newest(history: History, millis: int, roles: Sequence[Role], name: str | None = None) -> Iterator[Deciding]:
    """The newest event in each of some roles, not after ``millis``: of everything, or of what has that name."""
    wanted = set(roles)
    for _, role, fact in _back(history, millis, wanted):  # which looks at no fact of a role that was found
        if name in (None, _of(fact)):
            wanted.remove(role)
            yield deciding(fact)
        if not wanted:
            return


def _back(
    history: History, millis: int, roles: Collection[Role], since: int | None = None
) -> Iterator[tuple[int, Role, ClinicalEnvelope]]:
    """Facts that count, of some roles, the newest first, not after ``millis`` and not before ``since`` (ms)."""
    after = Key(millis + 1, -2, 0, "", 0.0, "")
    for at in range(bisect_right(history.keys, after) - 1, -1, -1):
        key = history.keys[at]
        if since is not None and key.millis < since:
            return
        role = _RANKS.get(key.rank // 10)
        if role is None or role not in roles or key.event_id in history.superseded:
            continue
        fact = history.facts[key.event_id]
        if not (isinstance(fact, Superseded) or fact.status == "retracted" or history.holding.holds(fact)):
            yield key.millis, role, fact


def _freshness(history: History, millis: int) -> tuple[Freshness, ...]:
    ages: dict[Literal["laboratory", "pump", "wearable"], float] = {}
    for since, _, _ in _back(history, millis, _MEASURED):
        ages["laboratory"] = (millis - since) / HOUR_MS
        break
    pumps = _pumps(history, millis)
    for device, contact in history.contact.items():
        heard = contact.last_before(millis)
        if heard is not None:
            source: Literal["pump", "wearable"] = "pump" if device in pumps else "wearable"
            age = _step_above(millis - heard) / HOUR_MS
            ages[source] = min(age, ages.get(source, age))
    return tuple(Freshness(source, age) for source, age in sorted(ages.items()))


def _pumps(history: History, millis: int) -> set[str]:
    """The devices that spoke as pumps by ``millis``."""
    lines = {device for (device, _), line in history.samples.items() if line.times and line.times[0] <= millis}
    words = {device for (device, _), times in history.spoken.items() if times and times[0] <= millis}
    found = lines | words
    if history.contact.keys() <= found:
        return found
    return found | {fact.device_id for _, _, fact in _back(history, millis, _GIVEN) if isinstance(fact, PumpTotals)}


def _step_above(age: int) -> int:
    """The shortest of a spell, its double and so on that is not shorter than an age, ms: words of devices that come
    late change what is said only where they matter."""
    step = SPELL_MS
    while step < age:
        step *= 2
    return step


def _in_order(found: list[Deciding]) -> tuple[Deciding, ...]:
    """The newest of these, in order of time."""
    found.sort(key=lambda one: (one.time, one.kind, one.of, one.event_id or ""))
    return tuple(found[-MOST_DECIDING:])


def _of(fact: ClinicalEnvelope) -> str:
    """What an event is of: analyte, drug, device or characteristic."""
    for name in ("analyte", "drug", "device_id", "name"):
        said = getattr(fact, name, None)
        if said is not None:
            return str(said)
    return ""
