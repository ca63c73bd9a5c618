"""The alerts of one patient as they are kept: those that stand, and of those that ended the newest.

What has ended is kept as bytes, a fifth of the memory. A forgotten alert is forgotten whole; a partition of Kafka
keeps the order of an alert's transitions, so one that is read again ends again. The topic has it as long as topics are
kept.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from connectors.console import views as picture
from connectors.console.views import STEPS_SHOWN, AlertCard, AlertStep
from connectors.console.ward.urgency import SEVERITY_RANK
from twin.events import Alert

SHOWN = 100
"""Alerts shown per patient: the active ones, then the newest by onset; as many that have ended are kept."""

STANDING_KEPT = 500
"""Alerts per patient that stand. A twin has one of each rule and subject; were there more, the least severe and the
oldest of them are forgotten."""


class _History(msgspec.Struct):
    """An alert: ``last`` is the card of its newest transition alone, ``steps`` are its transitions by revision."""

    last: AlertCard
    steps: list[tuple[int, AlertStep]]

    def add(self, told: AlertCard) -> bool:
        """Take in a transition; True when something changed. The first is kept, and the newest `STEPS_SHOWN`."""
        (step,) = told.steps
        at = bisect.bisect_left(self.steps, step.revision, key=_revision)
        before = self.steps[:]
        if at < len(self.steps) and self.steps[at][0] == step.revision:
            self.steps[at] = (step.revision, step)
        else:
            self.steps.insert(at, (step.revision, step))
            del self.steps[1:-STEPS_SHOWN]
        newest = step.revision == self.steps[-1][0]
        changed = self.steps != before or (newest and told != self.last)
        if newest:
            self.last = told
        return changed

    def card(self) -> AlertCard:
        """With all steps that are kept."""
        return msgspec.structs.replace(self.last, steps=tuple(step for _, step in self.steps))

    def time(self) -> int:
        """When (ms) it was told last; 0 of one that is withdrawn."""
        step = self.last.steps[-1]
        return 0 if step.state == "withdrawn" else step.time


def _revision(step: tuple[int, AlertStep]) -> int:
    return step[0]


_WHOLE = msgspec.msgpack.Decoder(_History)


@dataclass(frozen=True, slots=True)
class _Ended:
    onset: int
    time: int
    whole: bytes


@dataclass(slots=True)
class AlertsKept:
    """The alerts of a patient."""

    standing: dict[str, _History] = field(default_factory=dict)
    ended: dict[str, _Ended] = field(default_factory=dict)

    def __contains__(self, alert_id: str) -> bool:
        return alert_id in self.standing or alert_id in self.ended

    def put(self, event: Alert) -> bool:
        """Take in a transition; True when something changed."""
        told = picture.alert_card([event])
        alert_id = told.id
        known, ended = alert_id in self, self.ended.get(alert_id)
        history = self.standing.get(alert_id) if ended is None else _WHOLE.decode(ended.whole)
        if history is None:
            (step,) = told.steps
            history = _History(told, [(step.revision, step)])
        elif not history.add(told):
            return False
        if history.last.active:
            self.ended.pop(alert_id, None)
            self.standing[alert_id] = history
            if len(self.standing) > STANDING_KEPT:
                del self.standing[max(self.standing, key=lambda each: reading_order(self.standing[each].last))]
        else:
            self.standing.pop(alert_id, None)
            self.ended[alert_id] = _Ended(history.last.onset, history.time(), msgspec.msgpack.encode(history))
            if len(self.ended) > SHOWN:
                del self.ended[min(self.ended, key=lambda each: (self.ended[each].onset, each))]
        return known or alert_id in self

    def active(self) -> list[AlertCard]:
        """Alerts that stand, the worst first; among equals the newest onset first."""
        return _in_order(history.card() for history in self.standing.values())

    def cards(self) -> tuple[AlertCard, ...]:
        """Alerts to show: the active ones, worst first, then the ended ones; among equals the newest onset first."""
        ended = _in_order(_WHOLE.decode(each.whole).card() for each in self.ended.values())
        return (*self.active(), *ended)[:SHOWN]

    def newest(self) -> int:
        """The newest time (ms) at which one was told that is not withdrawn; 0 where there is none."""
        times = [history.time() for history in self.standing.values()]
        return max([*times, *(each.time for each in self.ended.values())], default=0)


def _in_order(cards: Iterable[AlertCard]) -> list[AlertCard]:
    return sorted(cards, key=reading_order)[:SHOWN]


def reading_order(card: AlertCard) -> tuple[int, int, str]:
    """What is read first is smallest."""
    return (-SEVERITY_RANK[card.steps[-1].severity] if card.active else 0, -card.onset, card.id)
