"""What people do about alerts, and what becomes of an alert that nobody does anything about.

    active ──acknowledge──▶ acknowledged ──ack_timeout, and worse since──▶ active
    active ──condition gone, the rule latches──▶ latched ──acknowledge──▶ resolved

An alert that nobody acknowledges for ``escalate_after`` is told again, more severe by one. One that is shelved calls
nobody until its time is over, and escalates then.

All of this is worked out anew from what the fold says of an alert and from what people did, whenever there is
something to publish; it leaves no trace in the fold. So an action that comes late moves no belief, and the same actions
end in the same alerts in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec

from twin.alerts.lifecycle import AlertBook, Condition, Handled, Transition
from twin.alerts.settings import RANK, RETIRED, RuleSettings, Severity
from twin.events import AlertAction, AlertPhase, to_millis

_SEVERITIES: dict[int, Severity] = {rank: severity for severity, rank in RANK.items()}


class Attended(NamedTuple):
    """Alerts as they stand with what people did about them.

    Attributes:
        book: with each alert as it was told last.
        transitions: all that there are to tell, in order of time for each alert.
        deadline: when (ms) the next change comes if nobody does anything; ``None`` if there is none to come.
        met: ids of the actions that are about one of these alerts.
    """

    book: AlertBook
    transitions: tuple[Transition, ...]
    deadline: int | None
    met: frozenset[str]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an alert at ``millis``, and how it is handled from then on."""

    millis: int
    phase: AlertPhase
    acknowledged: bool
    shelved_until: int | None
    escalations: int
    handled: Handled | None


def attended(
    before: AlertBook,
    book: AlertBook,
    transitions: Iterable[Transition],
    actions: Sequence[AlertAction],
    settings: Mapping[str, RuleSettings],
    since: int,
    until: int,
) -> Attended:
    """What the fold says of alerts, with what people did.

    Args:
        before, book: of the fold, where it stood at ``since`` and where it stands.
        transitions: those of the fold in between, in order.
        actions: all that count, in event-time order.
        settings: by rule.
        since, until: of what lies between these times (ms) every change is told; of what lies before, the last.
    """
    last = {c.alert.alert_id: c.alert for c in book.conditions if c.alert is not None}
    begun = {c.alert.alert_id: c.alert for c in before.conditions if c.alert is not None}
    said: dict[str, list[Transition]] = {alert_id: [alert] for alert_id, alert in begun.items() if alert.live}
    for transition in transitions:
        said.setdefault(transition.alert_id, []).append(transition)
    told: dict[str, list[Transition]] = {}
    deadlines: list[int] = []
    met: set[str] = set()
    for alert_id, sequence in said.items():
        newest = last.get(alert_id) or sequence[-1]
        own = [action for action in actions if meant(newest, action)]
        changes, deadline = _changes(newest, own, settings.get(newest.rule, RETIRED), until, met)
        told[alert_id] = list(_interleaved(sequence, changes, until))
        deadlines += [] if deadline is None else [deadline]
    conditions = tuple(_with(c, told.get(c.alert.alert_id)) if c.alert is not None else c for c in book.conditions)
    found = [one for each in told.values() for one in each if one.time_ms > since]
    found.sort(key=lambda one: (one.time_ms, one.rule, one.subject))
    return Attended(AlertBook(conditions), tuple(found), min(deadlines, default=None), frozenset(met))


def _with(condition: Condition, told: Sequence[Transition] | None) -> Condition:
    return condition if told is None else msgspec.structs.replace(condition, alert=told[-1])


def meant(alert: Transition, action: AlertAction) -> bool:
    """Whether an action is about an alert: of its rule and subject, and it stood when the person looked."""
    if (alert.rule, alert.subject) != (action.rule, action.subject) or to_millis(action.seen) < alert.onset_ms:
        return False
    over = alert.ended_ms is not None and not alert.live
    return not over or to_millis(action.seen) <= (alert.ended_ms or 0)


def _interleaved(said: Sequence[Transition], changes: Sequence[Change], until: int) -> Iterable[Transition]:
    """What the fold says of an alert and what else became of it, by time; at one moment the fold speaks first."""
    at, change = 0, None
    while at < len(changes) and changes[at].millis < said[0].time_ms:
        change = changes[at]
        at += 1
    for number, transition in enumerate(said):
        yield _under(transition, change)
        end = said[number + 1].time_ms if number + 1 < len(said) else until + 1
        while at < len(changes) and changes[at].millis < end:
            change = changes[at]
            yield _under(transition.again(change.phase, max(change.millis, transition.time_ms)), change)
            at += 1


def _under(transition: Transition, change: Change | None) -> Transition:
    """What the fold says of an alert as it stands after a change."""
    if change is None:
        return transition
    state = transition.state
    if change.acknowledged and transition.live:
        state = "acknowledged" if transition.ended_ms is None else "resolved"
    severity = _SEVERITIES[min(RANK[transition.severity] + change.escalations, RANK["high"])]
    shelved = change.shelved_until if transition.live else None
    return msgspec.structs.replace(
        transition, state=state, severity=severity, shelved_until_ms=shelved, handled=change.handled
    )


def _changes(
    alert: Transition, actions: Sequence[AlertAction], settings: RuleSettings, until: int, met: set[str]
) -> tuple[list[Change], int | None]:
    """What became of an alert up to ``until`` (ms), beside what the fold says, and when the next change comes; ``met``
    takes the ids of actions that found it standing."""
    if alert.ended_ms is not None and alert.state != "latched":
        until = min(until, alert.ended_ms)
    care = _Care(alert, settings)
    for action in actions:
        millis = max(to_millis(action.time), alert.started_ms)
        if millis > until:
            break
        care.wait(millis)
        if care.take(action, millis):
            met.add(action.event_id)
    care.wait(until)
    return care.changes, care.deadline()


class _Care:
    """One alert from its start on, while its changes are worked out in order of time."""

    def __init__(self, alert: Transition, settings: RuleSettings) -> None:
        self.changes: list[Change] = []
        self._alert = alert
        self._settings = settings
        self._now = Change(alert.started_ms, "start", False, None, 0, None)
        self._since = alert.started_ms
        self._escalated = False

    def wait(self, until: int) -> None:
        """Let time pass until then (ms)."""
        while (due := self.deadline()) is not None and due <= until:
            if due == self._now.shelved_until:
                self._change(due, "unshelved", shelved_until=None)
            elif self._now.acknowledged:
                self._since, self._escalated = due, False
                self._change(due, "escalate", acknowledged=False)
            else:
                self._escalated = True
                self._change(due, "escalate", escalations=self._now.escalations + 1)

    def deadline(self) -> int | None:
        """When (ms) something happens if nobody does anything."""
        shelved = self._now.shelved_until
        due = self._active_again() if self._now.acknowledged else self._escalates()
        found = min((millis for millis in (shelved, due) if millis is not None), default=None)
        gone = self._alert.ended_ms
        if found is None or (gone is not None and found >= gone):
            return None
        return max(found, self._now.millis)

    def take(self, action: AlertAction, millis: int) -> bool:
        """Somebody does something at that time (ms); whether the alert stood then."""
        gone = self._alert.ended_ms is not None and millis >= self._alert.ended_ms
        done = Handled(action.action, action.by, to_millis(action.time), action.reason, action.event_id)
        if gone and self._now.acknowledged:
            return False
        match action.action:
            case "acknowledge" if not self._now.acknowledged:
                self._since = millis
                self._change(millis, "acknowledged", acknowledged=True, handled=done)
            case "shelve" if not gone and action.until is not None:
                until = min(to_millis(action.until), millis + self._settings.shelve_max_ms)
                if until > millis:
                    self._change(millis, "shelved", shelved_until=until, handled=done)
            case "unshelve" if not gone and self._now.shelved_until is not None:
                self._change(millis, "unshelved", shelved_until=None, handled=done)
            case "comment":
                self._change(millis, "commented", handled=done)
        return True

    def _escalates(self) -> int | None:
        after = self._settings.escalate_after_ms
        if after is None or self._escalated:
            return None
        return max(self._since + after, self._now.shelved_until or 0)

    def _active_again(self) -> int | None:
        timeout = self._settings.ack_timeout_ms
        worse = next((millis for millis in self._alert.worsened if millis > self._since), None)
        return None if timeout is None or worse is None else max(self._since + timeout, worse)

    def _change(self, millis: int, phase: AlertPhase, **moved: Any) -> None:
        self._now = replace(self._now, millis=millis, phase=phase, **moved)
        self.changes.append(self._now)
