"""What is held of a record, said as alerts: what it is, why it does not count, and how to let it.

One alert stands for each device, and for the patient, of which something is held in the same way, so that a pump that
goes on with a wrong clock is one alert; and one for each amount that is asked about. It ends when all of it
counts, or was corrected or retracted. Which alerts stand follows from the record alone. They are no part of the fold,
which does not come to what is held.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from twin.alerts.care import attended
from twin.alerts.ledger import AlertLedger, Published, Revision, reconcile
from twin.alerts.lifecycle import AlertBook, Condition, Transition
from twin.alerts.settings import Severity
from twin.events import (
    MOST_DECIDING,
    AlertAction,
    AlertEvidence,
    ClinicalEnvelope,
    DeviceAssociation,
    DoseGiven,
    PumpDelivery,
    PumpTotals,
    RegimenPlanned,
    Subject,
    event_id,
    from_millis,
    to_millis,
)
from twin.record.held.far import AHEAD, BEFORE, Stretch
from twin.record.history import History
from twin.record.origins import deciding
from twin.wording import Said, say

RULE = "record.held"

NAMED = 5
"""Ids of held events that a text names."""

OfDevice = PumpDelivery | PumpTotals | DeviceAssociation
"""Facts that a device tells, or that are told of it."""


class HeldPart(NamedTuple):
    """Something that is held: of whom, in which way, from when on the record lacks it (ms), what to say, and
    which facts they are."""

    subject: Subject
    way: str
    severity: Severity
    millis: int
    text: Said
    facts: Sequence[ClinicalEnvelope] = ()


def standing(history: History, patient_id: str, model_hash: str) -> dict[str, Transition]:
    """The alerts about what is held of a record, by their ids."""
    found = {}
    for part in (*_far(history, patient_id), *_asked(history)):
        name = event_id(patient_id, RULE, part.subject.kind, part.subject.name, part.way, model_hash)
        found[name] = Transition(
            alert_id=name,
            rule=RULE,
            subject=part.subject,
            state="active",
            phase="start",
            severity=part.severity,
            onset_ms=part.millis,
            time_ms=part.millis,
            started_ms=part.millis,
            text=str(part.text),
            said=part.text.wording,
            evidence=AlertEvidence(
                judged=from_millis(part.millis), decided_by=tuple(map(deciding, part.facts[:MOST_DECIDING]))
            ),
        )
    return found


def judged(
    ledger: AlertLedger, stands: Mapping[str, Transition], now: int, actions: Sequence[AlertAction] = ()
) -> tuple[AlertLedger, tuple[Revision, ...]]:
    """What to publish where these alerts stand ``now`` (ms), after all that the ledger says was published.

    Of one subject there may be several such alerts, so an action is about the one that it names.
    """
    if not stands and not ledger.live:
        return ledger, ()
    conditions: list[Condition] = []
    for name, one in stands.items():
        alone = AlertBook((Condition(one.rule, one.subject, "active", one.time_ms, one),))
        own = [action for action in actions if action.alert_id == name]
        conditions += attended(alone, alone, (), own, {}, now, now).book.conditions
    book = AlertBook(tuple(conditions))
    ended = [_cleared(entry, now) for entry in ledger.live if entry.fold_id not in stands]
    until = max([now, *(one.time_ms for one in stands.values()), *(entry.time_ms for entry in ledger.published)])
    return reconcile(ledger, book, ended, until, until, {})


def _cleared(entry: Published, now: int) -> Transition:
    text = say("held.over", "Nothing of it is held any more: it counts, or was corrected or retracted.")
    return Transition(
        alert_id=entry.fold_id,
        rule=entry.rule,
        subject=entry.subject,
        state="resolved",
        phase="end",
        severity=entry.severity,
        onset_ms=entry.onset_ms,
        time_ms=max(entry.time_ms, now),
        text=str(text),
        said=text.wording,
    )


def _far(history: History, patient_id: str) -> Iterator[HeldPart]:
    """What is held because it lies too far from the rest."""
    holding = history.holding
    begin, patient = holding.oldest, Subject("patient", patient_id)
    before = tuple(stretch for stretch in holding.now.far if begin is not None and stretch.last < begin)
    ahead = tuple(stretch for stretch in holding.now.far if stretch not in before)
    for where, stretches in ((BEFORE, before), (AHEAD, ahead)):
        if begin is None or not stretches:
            continue
        days = _days(stretches)
        facts = [fact for fact in holding.held_facts() if any(_holds(s, fact) for s in stretches)]
        devices = {d for d, heard in history.contact.items() if any(heard.speaks_within(*s) for s in stretches)}
        for device in sorted(devices | {fact.device_id for fact in facts if isinstance(fact, OfDevice)}):
            own = [fact for fact in facts if isinstance(fact, OfDevice) and fact.device_id == device]
            said = say(
                "held.device",
                "What {device} says of {days} is held and not counted: it lies {where}. Set its clock and correct it; "
                "{release}",
                device=device,
                days=days,
                where=_where(where),
                release=_release(own),
            )
            yield HeldPart(Subject("device", device), where, "medium", begin, said, own)
        others = [fact for fact in facts if not isinstance(fact, OfDevice)]
        if others:
            kinds = ", ".join(sorted({fact.kind for fact in others}))
            said = say(
                "held.facts",
                "{kinds} of {days}, {n} in all, held and not counted: they lie {where}. Correct the time; {release}",
                kinds=kinds,
                days=days,
                n=len(others),
                where=_where(where),
                release=_release(others),
            )
            severity: Severity = "medium" if any(isinstance(fact, DoseGiven) for fact in others) else "low"
            yield HeldPart(patient, where, severity, begin, said, others)
        if not devices and not facts:
            said = say(
                "held.time",
                "That it is {days} is not believed: it lies {where}. Set the clock of who says so.",
                days=days,
                where=_where(where),
            )
            yield HeldPart(patient, f"time {where}", "low", begin, said)


def _asked(history: History) -> Iterator[HeldPart]:
    """What is held for what it says."""
    for fact in history.holding.held_facts():
        if fact.event_id in history.holding.now.asked and isinstance(fact, DoseGiven | RegimenPlanned | PumpTotals):
            text = say(
                "held.asked",
                "{kind}: {why}; held and not counted. Correct it; {release}",
                kind=fact.kind,
                why=history.holding.asked[fact.event_id],
                release=_release([fact]),
            )
            yield HeldPart(Subject("drug", fact.drug), fact.event_id, "medium", to_millis(fact.time), text, [fact])


def _where(where: str) -> Said:
    if where == BEFORE:
        return say("held.before", "more than half a year before the rest of the record")
    return say("held.ahead", "more than two years after the rest of the record")


def _release(facts: Sequence[ClinicalEnvelope]) -> Said:
    """How to let facts count; without any, what a device repeats."""
    if not facts:
        return say("held.release", "if it is right, send a 'release' with 'begins' and 'ends' around it.")
    return say(
        "held.release_of",
        "if it is right, send a 'release' with 'events' ({ids}{more}), or one with 'begins' and 'ends' around it.",
        ids=", ".join(fact.event_id for fact in facts[:NAMED]),
        more=say("held.more", " and more") if len(facts) > NAMED else "",
    )


def _holds(stretch: Stretch, fact: ClinicalEnvelope) -> bool:
    return stretch.first <= to_millis(fact.time) <= stretch.last


def _days(stretches: Sequence[Stretch]) -> str:
    """The days from the first to the last of these stretches."""
    first, last = (from_millis(millis).date().isoformat() for millis in (stretches[0].first, stretches[-1].last))
    return first if first == last else say("held.days", "{first} to {last}", first=first, last=last)
