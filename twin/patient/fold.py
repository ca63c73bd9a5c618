"""The fold over a patient's history: step by step to the newest event, and the alerts that follow.

    while due <= newest event:
        step to what is due: assimilate, estimate, judge
    publish what the folded history now supports of alerts, and withdraw what it no longer does

What comes in order moves the fold on. What comes late, corrected or retracted sets it back to the newest point before
the change, from where it is folded again. So any order of arrival ends in the same points, bit for bit.

Folded is one model's belief (`twin.patient.model_fold`), or the average of several (`twin.patient.average_fold`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from twin.alerts.care import Attended, attended
from twin.alerts.evidence import evidence_of
from twin.alerts.ledger import AlertLedger, Revision, reconcile, withheld
from twin.alerts.lifecycle import AlertBook, Transition, to_alert
from twin.alerts.rules import assess, rules_hash, settings
from twin.alerts.snapshot import AdviceView, Snapshot
from twin.alerts.thresholds import DEFAULT, Thresholds
from twin.events import (
    MOST_DECIDING,
    Alert,
    AlertAction,
    AlertEvidence,
    ClinicalEnvelope,
    Clock,
    Deciding,
    Estimate,
    Forecast,
    InputEvent,
    OutputEvent,
    Prediction,
    Rejected,
    Release,
    Subject,
    from_millis,
    to_millis,
)
from twin.patient.accounts.component import Component
from twin.patient.advising.desk import Desk
from twin.patient.held_alerts import judged
from twin.record.history import History
from twin.record.orders import Orders
from twin.record.origins import deciding, unknown
from twin.steps import Steps
from twin.timeline.timeline import Timeline
from twin.wording import Said, say

PARTICLES = 1000
"""Default size of a cloud."""

NAMED = 3
"""Events that a withdrawal names."""


class Because(NamedTuple):
    """Why a fold goes back, in words and by the events that let it."""

    text: str
    decided_by: tuple[Deciding, ...] = ()


NO_EVENT = Because(say("because.late", "late, corrected or retracted data"))
"""Why a fold goes back, where no event is named."""

BEFORE_ALL = -(2**62)
"""Before any event (ms): a fold without points begins with the history."""


@dataclass(frozen=True)
class Update:
    """What a twin makes of some events: outputs in event-time order, and events that it could not use.

    ``withheld``: an alert stands that is not published yet, because the input topics were not level; to observe
    nothing, once they are, publishes it.
    """

    outputs: tuple[OutputEvent, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    withheld: bool = False


@dataclass(frozen=True)
class Step:
    """One step of a fold: what is published of the belief, the transitions of alerts, and what the rules judged."""

    published: tuple[Estimate | Forecast | Prediction, ...]
    transitions: tuple[Transition, ...]
    snapshot: Snapshot


Advising = Callable[[int, Callable[[], Sequence[Component]]], tuple[AdviceView, ...]]
"""What is advised at a moment (ms), given what is believed then; asked once all of that moment was assimilated."""


class FoldPoint(Protocol):
    """Where a fold stands after everything at or before ``millis``."""

    @property
    def millis(self) -> int: ...

    @property
    def book(self) -> AlertBook: ...


class Folded(Protocol):
    """What a fold moves along a history."""

    @property
    def points(self) -> Sequence[FoldPoint]:
        """The points it has passed and still knows, in order of time."""

    @property
    def newest(self) -> int | None:
        """Time (ms) of the newest event that is not held."""

    @property
    def history(self) -> History:
        """Every fact, whatever the order of arrival."""

    @property
    def orders(self) -> Orders:
        """Plans and device bindings."""

    @property
    def timelines(self) -> Iterable[Timeline | None]:
        """The record as each model has it."""

    def held(self, patient_id: str, model_hash: str) -> Mapping[str, Transition]:
        """The alerts about what is held of the record, by their ids."""

    def components(self, millis: int) -> Sequence[Component]:
        """What is believed at ``millis``, not before the newest point, as particles that can be carried on."""

    def due(self) -> int | None:
        """The next time (ms) at which there is something to publish; ``None`` while there is no record to rest on."""

    def settles(self, event: InputEvent) -> bool:
        """Whether an event is the word of a pump while one is silent, so that what the silence left open is known."""

    def set_back(self, since: int) -> None:
        """Forget the points from ``since`` (ms) on."""

    def step(self, due: int, *, ahead: bool | None = None, advising: Advising | None = None) -> Step:
        """Fold on to ``due`` and add a point there, with a forecast ``ahead`` (by default if there is reason)."""


class Fold:
    """A fold of one patient and the alerts published of it.

    Args:
        folded: what is moved.
        patient_id, model, model_hash: whom and what the alerts are of.
        desk: where causes for advice are answered.
        ledger: alerts that were published before, and ``held`` those about what is held.
        thresholds: that the rules are judged by.

    Attributes:
        withheld: whether an alert stands that is not published yet.
        deadline: when (ms) an alert escalates or is shelved no more, if nobody does anything.
    """

    def __init__(
        self,
        folded: Folded,
        patient_id: str,
        model: str,
        model_hash: str,
        desk: Desk,
        ledger: AlertLedger | None = None,
        held: AlertLedger | None = None,
        thresholds: Thresholds = DEFAULT,
    ) -> None:
        self.ledger = AlertLedger() if ledger is None else ledger
        self.held = AlertLedger() if held is None else held
        self.desk = desk
        self._folded = folded
        self._patient_id = patient_id
        self._model = model
        self._model_hash = model_hash
        self._thresholds = thresholds
        self._settings, self._rules_hash = settings(thresholds), rules_hash(thresholds)
        self.withheld = self._withholds()
        self.deadline: int | None = None
        self._acted = 0
        self._met: frozenset[str] = frozenset()
        if folded.points:  # of a fold that is taken up again: what comes if nobody does anything comes all the same
            book, reached = folded.points[-1].book, max(folded.points[-1].millis, folded.newest or BEFORE_ALL)
            self._attended(book, book, (), reached, reached)

    def run(
        self, since: int | None, *, level: bool = True, because: Because = NO_EVENT
    ) -> Steps[tuple[OutputEvent, ...]]:
        """Fold again from ``since`` (ms), or on to what is due by now, an estimate a step; all there is to publish.

        ``level``: the input topics are, ``because``: of which data it is folded again (see
        `twin.alerts.ledger.reconcile`).
        """
        newest, due = self._folded.newest, self._folded.due()
        if newest is None:
            return ()
        if since is None and (due is None or due > newest):
            if not self._folded.points or not ((level and self.withheld) or self._stirred(newest)):
                return ()
            return tuple(self.alerts((), self._folded.points[-1].millis, newest, level=level))
        points = self._folded.points
        reached = max(newest, points[-1].millis) if points else newest
        if since is not None:
            self._folded.set_back(min(since, newest + 1))
            self.desk.set_back(min(since, newest + 1))
        points = self._folded.points
        begun = points[-1].millis if points else BEFORE_ALL
        before = points[-1].book if points else AlertBook()
        published, transitions = yield from self._on_to(newest)
        # All of the history is folded, up to its newest event (or the newest before some were held): what was published
        # after the last point has no reason.
        return (*published, *self.alerts(transitions, begun, reached, before, level=level, because=because))

    def begin_again(self, because: Because, *, level: bool = True) -> Steps[list[Alert]]:
        """Fold a history of which no point is known, and tell what stands now: of the past nothing is said again.

        ``because``: why what was published as standing may not stand any more.
        """
        newest = self._folded.newest
        if newest is None:
            return []
        yield from self._on_to(newest)
        if not self._folded.points:
            return []
        reached = max(newest, self._folded.points[-1].millis)
        return self.alerts((), reached, reached, level=level, because=because)

    def _on_to(self, newest: int) -> Steps[tuple[list[OutputEvent], list[Transition]]]:
        """Fold on to ``newest`` (ms): what is published on the way, and the transitions of alerts."""
        published: list[OutputEvent] = []
        transitions: list[Transition] = []
        while (due := self._folded.due()) is not None and due <= newest:
            self.desk.answer(self._folded, due - 1, self._folded.components)
            step = self._folded.step(due, advising=self._advised)
            published += step.published
            transitions += step.transitions
            yield
        self.desk.answer(self._folded, newest, self._folded.components)
        published += self.desk.close()
        return published, transitions

    def judged(self, now: int) -> dict[tuple[str, Subject], AlertEvidence]:
        """What every rule finds of each subject at ``now`` (ms), not before the newest event; the fold goes on to it.

        Raises:
            ValueError: there is no record to fold along.
        """
        points = self._folded.points
        known = bool(points) and points[-1].millis == now
        self._folded.set_back(now)
        snapshot = self._folded.step(now, ahead=None if known else True, advising=self._advised).snapshot
        return {
            (one.rule, one.subject): evidence_of(one, one.settings or self._settings[one.rule], snapshot, unknown)
            for one in assess(snapshot, self._thresholds)
        }

    def _advised(self, millis: int, believed: Callable[[], Sequence[Component]]) -> tuple[AdviceView, ...]:
        """What is advised at a moment whose values were assimilated."""
        self.desk.answer(self._folded, millis, lambda _: believed())
        return self.desk.views(millis)

    def reaches_back(self, event: InputEvent) -> bool:
        """Whether an event may change what is folded: it corrects another, lets what was held count, ends the silence
        of a pump, or is late."""
        points = self._folded.points
        if not points or isinstance(event, Clock | AlertAction):
            return False
        corrects = isinstance(event, ClinicalEnvelope) and event.replaces is not None
        late = to_millis(event.time) <= points[-1].millis
        return corrects or late or isinstance(event, Release) or self._folded.settles(event)

    def alerts(
        self,
        transitions: Iterable[Transition],
        since: int,
        until: int,
        before: AlertBook | None = None,
        *,
        level: bool = True,
        because: Because = NO_EVENT,
    ) -> list[Alert]:
        """Alerts to publish now that what lies in ``(since, until]`` (ms) was judged, for the first time or again.

        ``before`` is the book at ``since``, by default that of the point there.
        """
        points = self._folded.points
        book = points[-1].book if points else AlertBook()
        if before is None:
            before = next((point.book for point in reversed(points) if point.millis <= since), AlertBook())
        until = max(until, self._folded.newest or until)
        found = self._attended(before, book, transitions, since, until)
        self.ledger, revisions = reconcile(
            self.ledger,
            found.book,
            found.transitions,
            since,
            until,
            self._settings,
            level=level,
            because=because.text,
            decided_by=because.decided_by,
        )
        self.withheld = self._withholds()
        return self._said(revisions)

    def _attended(
        self, before: AlertBook, book: AlertBook, transitions: Iterable[Transition], since: int, until: int
    ) -> Attended:
        """What the fold says of alerts, with what people did; noted is what comes next of them."""
        history = self._folded.history
        found = attended(before, book, transitions, history.actions(), self._settings, since, until)
        self.deadline, self._met, self._acted = found.deadline, found.met, len(history.acted)
        return found

    def waits_until(self, millis: int) -> bool:
        """Whether no alert changes by ``millis``, if nobody does anything."""
        return self.deadline is None or millis < self.deadline

    def because(self, events: Iterable[InputEvent]) -> Because:
        """Which of these events, that come now, let the fold go back."""
        back = [event for event in events if self.reaches_back(event)]
        if not back:
            return NO_EVENT
        named = _joined([_named(event) for event in back[:NAMED]])
        if len(back) > NAMED:
            named = say("because.more", "{named} and {n} more", named=named, n=len(back) - NAMED)
        clinical = [event for event in back if isinstance(event, ClinicalEnvelope)]
        return Because(named, tuple(deciding(event) for event in clinical[:MOST_DECIDING]))

    def unmet(self, actions: Iterable[AlertAction]) -> list[Rejected]:
        """What is said of actions that came just now and are about no alert that stands."""
        return [self._refusal(action) for action in actions if action.status != "retracted" and not self._meets(action)]

    def _meets(self, action: AlertAction) -> bool:
        return action.event_id in self._met or action.alert_id in {entry.alert_id for entry in self.held.live}

    def _refusal(self, action: AlertAction) -> Rejected:
        over = next((e for e in self.ledger.published if e.alert_id == action.alert_id and not e.live), None)
        if over is None:
            why = f"no alert of {action.rule} about {action.subject.name} stood at {action.seen.isoformat()}"
        else:
            why = f"that alert is {over.state} since {from_millis(over.time_ms).isoformat()}"
        detail = f"field 'alert_id': {action.alert_id!r}: {why}; kept, and counted if data that come late show one"
        return Rejected(reason="no_such_alert", detail=detail, patient_id=action.patient_id, event_id=action.event_id)

    def _stirred(self, newest: int) -> bool:
        """Whether people did something, or did nothing for too long."""
        late = self.deadline is not None and self.deadline <= newest
        return late or len(self._folded.history.acted) != self._acted

    def held_alerts(self) -> list[Alert]:
        """Alerts to publish now about what is held of the record, and what is no longer."""
        newest = self._folded.newest
        if newest is None:
            return []
        stands = self._folded.held(self._patient_id, self._model_hash)
        self.held, revisions = judged(self.held, stands, newest, self._folded.history.actions())
        return self._said(revisions)

    def _withholds(self) -> bool:
        points = self._folded.points
        return bool(points) and withheld(self.ledger, points[-1].book)

    def _said(self, revisions: Iterable[Revision]) -> list[Alert]:
        names = {"patient_id": self._patient_id, "model": self._model, "model_hash": self._model_hash}
        return [
            to_alert(revision.transition, revision.number, rules_hash=self._rules_hash, **names)
            for revision in revisions
        ]


def _named(event: InputEvent) -> Said:
    """An event that lets a fold go back, in words."""
    replaces = event.replaces if isinstance(event, ClinicalEnvelope) else None
    kind, name, time = event.kind, str(event.event_id), event.time.isoformat()
    if replaces is None:
        return say("because.came", "{kind} '{id}' of {time}, which came late,", kind=kind, id=name, time=time)
    return say(
        "because.replaced",
        "{kind} '{id}' of {time}, which replaces '{replaced}',",
        kind=kind,
        id=name,
        time=time,
        replaced=str(replaces),
    )


def _joined(names: Sequence[Said]) -> Said:
    first, *others = names
    for other in others:
        first = say("because.and", "{one} {other}", one=first, other=other)
    return first


def earliest(times: Iterable[int | None]) -> int | None:
    """The earliest of some times; ``None`` when there is none."""
    return min((millis for millis in times if millis is not None), default=None)
