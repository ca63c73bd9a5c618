"""What must be the same after a fault: beliefs to the last bit, what stands of the alerts, every output.

Held against twins that were told everything once, in order of event time, by no stream at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from msgspec.structs import replace

from tests.faults.next_version import model_named
from tests.streams.worker.stage import Stage
from twin import PatientTwin
from twin.alerts.ledger import REMEMBERED_MS
from twin.alerts.lifecycle import AlertBook
from twin.alerts.rules import settings
from twin.events import (
    Alert,
    Clock,
    Enrolment,
    InputEvent,
    OutputEvent,
    PumpDelivery,
    VitalSample,
    Withdrawn,
    encode,
    to_millis,
)
from twin.patient.state_row import BeliefRow, TwinRow, unpack, unpack_books, unpack_history
from twin.record.history import History

Standing = dict[tuple[object, ...], tuple[object, ...]]


@dataclass(frozen=True)
class Undisturbed:
    """What twins believe, say and leave standing that no fault has touched.

    Attributes:
        events: that they were told, as they arrive: in any order, some of them more than once.
        models: the hash of each patient's model.
        outputs: estimates, forecasts and predictions by id; how alerts came about depends on what came when.
    """

    events: tuple[InputEvent, ...]
    rows: dict[str, TwinRow]
    models: dict[str, str]
    outputs: dict[str, OutputEvent]
    standing: Standing

    @classmethod
    def of(cls, events: Sequence[InputEvent], particles: int) -> Undisturbed:
        """Every patient among the events is enrolled, and nothing is refused."""
        once = sorted({encode(event): event for event in events}.values(), key=lambda event: event.time)
        rows, models, outputs, alerts = {}, {}, {}, list[Alert]()
        for enrolment in (event for event in once if isinstance(event, Enrolment)):
            model = model_named(enrolment.model)
            twin = PatientTwin(enrolment.patient_id, model, particles)
            update = twin.observe([event for event in once if event.patient_id == enrolment.patient_id])
            assert update.rejected == ()
            rows[enrolment.patient_id] = unpack(twin.row(), model.hash)
            models[enrolment.patient_id] = model.hash
            for output in update.outputs:
                if isinstance(output, Alert):
                    alerts.append(output)
                elif not isinstance(output, Withdrawn):  # it depends on what came when
                    outputs[output.event_id] = output
        return cls(tuple(events), rows, models, outputs, standing(alerts))


def differences(stage: Stage, expected: Undisturbed, refused: Counter[str]) -> list[str]:
    """Every respect in which the stage differs from what it should have come to; empty where all is well.

    ``refused`` says how many records should have been refused, by reason.
    """
    found: list[str] = []
    stored = stage.rows()
    if set(stored) != set(expected.rows):
        return [f"rows of {sorted(stored)}, not of {sorted(expected.rows)}"]
    for patient, row in stored.items():
        found += [f"{patient}: {what} wait in its row" for what, waits in
                  (("alerts", row.outbox), ("events", (*row.held, *row.late))) if waits]  # fmt: skip
        if row.model_hash != expected.models[patient]:
            found.append(f"{patient}: a twin of another model")
            continue
        mine, theirs = unpack(row.twin, row.model_hash), expected.rows[patient]
        if not mine.points:
            found.append(f"{patient}: no belief at all")
        elif newest_belief(mine) != newest_belief(theirs):
            found.append(f"{patient}: another belief")
        elif last_book(mine) != last_book(theirs):
            found.append(f"{patient}: other alerts under way")
        told = [event for event in expected.events if event.patient_id == patient]
        found += [
            f"{patient}: {count} of {sum(event.kind == kind for event in told)} {kind} are lost"
            for kind, count in Counter(event.kind for event in lost(told, unpack_history(mine.history))).items()
        ]
    letters = {(letter.topic, letter.partition, letter.offset): letter for letter in stage.rejected()}  # once each
    reasons = Counter(letter.reason for letter in letters.values())
    if reasons != refused:
        odd = [letter for letter in letters.values() if letter.reason not in refused]
        found.append(f"rejected: {reasons}, not {refused}: {[(each.reason, each.detail) for each in odd[:3]]}")
    alerts = stage.alerts()
    found += contradictions(alerts)
    if standing(alerts) != expected.standing:
        found.append(f"alerts stand that should not, or not as they should: {_apart(alerts, expected)}")
    said = {output.event_id: output for output in stage.estimates()}
    wrong = [identity for identity, output in expected.outputs.items() if said.get(identity) != output]
    found += [f"{len(wrong)} of {len(expected.outputs)} outputs missing or other than they should be"] * bool(wrong)
    return found


def newest_belief(row: TwinRow) -> tuple[BeliefRow, list[bytes]]:
    """Weights, the evidence and the number of observations behind them; and the columns of eta."""
    belief = row.beliefs[row.points[-1].belief]
    return replace(belief, columns=[]), [row.columns[column] for column in belief.columns]


def last_book(row: TwinRow) -> AlertBook:
    """How the alerts stood at the newest point."""
    return unpack_books(row.books, len(row.points))[-1]


def lost(events: Iterable[InputEvent], history: History) -> list[InputEvent]:
    """Events that a twin's history does not hold."""
    sampled = {time for line in history.samples.values() for time in line.times}
    missing: list[InputEvent] = []
    for event in events:
        if isinstance(event, PumpDelivery) and event.phase == "sample":
            found = to_millis(event.time) in sampled
        elif isinstance(event, VitalSample | Clock):  # nothing but the moment is kept of them
            found = history.newest is not None and to_millis(event.time) <= history.newest
        else:
            found = history.facts.get(event.event_id) is not None
        if not found:
            missing.append(event)
    return missing


def contradictions(alerts: Iterable[Alert]) -> list[str]:
    """A transition may be sent again after a crash, but always as it was, and none is left out or told as another's.

    What was told of months ago a twin has forgotten (`REMEMBERED_MS`); where it tells it again, it begins above that.
    """
    said: dict[tuple[str, int], Alert] = {}
    found = [
        f"alert {alert.alert_id} says two things as revision {alert.revision}"
        for alert in alerts
        if said.setdefault((alert.alert_id, alert.revision), alert) != alert
    ]
    lives: dict[str, list[Alert]] = {}
    for _, alert in sorted(said.items(), key=lambda item: item[0]):
        lives.setdefault(alert.alert_id, []).append(alert)
    newest: dict[str, int] = {}
    for alert in said.values():
        newest[alert.patient_id] = max(to_millis(alert.time), newest.get(alert.patient_id, 0))
    for identity, life in lives.items():
        forgotten = to_millis(life[0].onset) < newest[life[0].patient_id] - REMEMBERED_MS
        before = (-1, *(alert.revision for alert in life))
        skipped = [now for now, last in zip(life, before, strict=False) if now.revision != last + 1]
        if life[0].phase != "start" or any(now.phase != "start" or not forgotten for now in skipped):
            found.append(f"alert {identity} has revisions {[(alert.revision, alert.state) for alert in life]}")
        if any(now.phase == "start" and before.live for before, now in pairwise(life)):
            found.append(f"alert {identity} began twice")
    last = [life[-1] for life in lives.values() if life[-1].live]
    single = {rule for rule, of in settings().items() if not of.of_silence}  # those of an invented rule may be several
    things = Counter((a.patient_id, a.rule, a.subject) for a in last if a.rule in single)
    return found + [f"{count} alerts of one thing: {thing}" for thing, count in things.items() if count > 1]


def standing(alerts: Iterable[Alert]) -> Standing:
    """What the alerts say that stand in the end, by whom and what they are about.

    How often they were told before, and under which id first, depends on what came when; and whether a silence was
    told, on when the topics were level.
    """
    newest = {alert.alert_id: alert for alert in sorted(alerts, key=lambda alert: alert.revision)}
    return {
        (alert.patient_id, alert.rule, alert.subject): (alert.severity, alert.onset, alert.time, alert.probability,
                                                        alert.text)
        for alert in newest.values()
        if alert.live and not settings()[alert.rule].of_silence
    }  # fmt: skip


def _apart(alerts: Iterable[Alert], expected: Undisturbed) -> list[tuple[object, ...]]:
    now = standing(alerts)
    keys = now.keys() | expected.standing.keys()
    return sorted((key for key in keys if now.get(key) != expected.standing.get(key)), key=str)
