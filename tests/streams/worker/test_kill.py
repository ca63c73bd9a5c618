"""A worker killed ten times in mid-stream ends where an undisturbed one ends: nothing lost, no alert doubled."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from connectors.feeds.ward.ward import WARD_MODELS, SimulatedWard, named_models
from tests.streams.worker.fake_twin import MODEL
from tests.streams.worker.stage import FAKE_TWINS, Stage, WorkerProcess, digest_of, enrolment, lab, pump
from tests.streams.worker.undisturbed import said_in_order
from twin.alerts.rules import settings
from twin.events import Alert, Clock, Estimate, Forecast, InputEvent, Prediction, PumpDelivery, VitalSample, to_millis
from twin.patient.state_row import BeliefRow, TwinRow, unpack, unpack_history
from twin.record.history import History

REAL_TWINS = "streams.worker.twin_factory:LibraryTwins"
PARTICLES = 100
RATE = 200.0
"""Events a second while a worker waits to be killed."""

PATIENTS = [f"K{number:02d}" for number in range(12)]
START = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def stages(kafka: str) -> Iterator[tuple[Stage, Stage]]:
    calm, killed = Stage(kafka), Stage(kafka)
    yield calm, killed
    calm.close()
    killed.close()


def run_calm(stage: Stage, events: Iterable[InputEvent], log: Path, twins: str) -> None:
    """All events are there before the worker is, and it is left alone."""
    stage.play(events)
    with WorkerProcess(stage, log, twins=twins) as worker:
        stage.wait_until_committed()
        assert worker.stop() == 0


def run_killed(stage: Stage, events: list[InputEvent], log: Path, twins: str, kills: int) -> None:
    """A worker is killed soon after it has begun, again and again, each time while events are coming."""
    share = -(-len(events) // (kills + 1))
    feeder = threading.Thread(target=stage.play, args=(events[:share], RATE))
    feeder.start()
    chance = random.Random(4)
    for kill in range(1, kills + 1):
        with WorkerProcess(stage, log, twins=twins) as worker:
            worker.wait_ready()
            feeder.join()
            feeder = threading.Thread(target=stage.play, args=(events[kill * share : (kill + 1) * share], RATE))
            feeder.start()
            time.sleep(chance.uniform(0.05, 1.0))
            assert worker.process.poll() is None, f"ended before it was killed:\n{worker.text()}"
            worker.kill()
    feeder.join()
    with WorkerProcess(stage, log, twins=twins) as worker:
        stage.wait_until_committed()
        assert worker.stop() == 0


# --- twins of the library ---------------------------------------------------------------------------------------------


def ward_story() -> list[InputEvent]:
    """Four days of four patients as they arrive: with stored readings, results hours late, two of them corrected.

    To that every fiftieth event comes twice, and every thirtieth after its hundred successors.
    """
    dispatcher = SimulatedWard(named_models(WARD_MODELS), 4, START, seed=5, days=4, vitals_every=1800, pump_every=300)
    places: list[tuple[float, InputEvent]] = []
    for number, arrival in enumerate(dispatcher.arrivals()):
        held_up = number % 30 == 13
        places.append((number + 100.5 if held_up else number, arrival.event))
        if number % 50 == 7:
            places.append((number + 20.5, arrival.event))
    return [event for _, event in sorted(places, key=lambda place: place[0])]


def test_twins_of_a_worker_killed_ten_times_end_as_those_of_an_undisturbed_one(
    stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_PARTICLES", str(PARTICLES))
    events = ward_story()
    calm, killed = stages
    run_calm(calm, events, tmp_path / "calm.log", REAL_TWINS)
    run_killed(killed, events, tmp_path / "killed.log", REAL_TWINS, kills=10)

    undisturbed, restarted = twins_of(calm), twins_of(killed)
    patients = {event.patient_id for event in events}
    assert set(undisturbed) == set(restarted) == patients
    for patient in patients:
        one, other = undisturbed[patient], restarted[patient]
        assert newest_belief(one) == newest_belief(other)
        assert newest_belief(one).observations > 0
        assert [point.millis for point in one.points[-2:]] == [point.millis for point in other.points[-2:]]
        assert one.points[-1].book == other.points[-1].book
        theirs = [event for event in events if event.patient_id == patient]
        for twin in (one, other):
            assert lost(theirs, unpack_history(twin.history)) == []

    assert calm.rejected() == killed.rejected() == []
    for stage in stages:
        each_revision_says_one_thing(stage.alerts())
    assert standing(killed.alerts()) == standing(calm.alerts()) != {}
    finally_said = said_in_order(events, PARTICLES)
    assert {type(output) for output in finally_said.values()} == {Estimate, Forecast, Prediction}
    for stage in stages:
        known = {output.event_id: output for output in stage.estimates()}
        assert {identity: known.get(identity) for identity in finally_said} == finally_said
    assert len(killed.estimates()) > len(finally_said), "nothing was said again: the kills met an idle worker"


def twins_of(stage: Stage) -> dict[str, TwinRow]:
    """What the newest state rows hold of each twin; nothing in them still waits to be published."""
    rows = stage.rows()
    assert all(row.outbox == () and row.held == () for row in rows.values())
    return {patient: unpack(row.twin, row.model_hash) for patient, row in rows.items()}


def newest_belief(row: TwinRow) -> BeliefRow:
    """Eta and log weights as bytes, with the evidence and the number of observations behind them."""
    return row.beliefs[row.points[-1].belief]


def lost(events: Iterable[InputEvent], history: History) -> list[str]:
    """Ids of events that a twin's history does not hold."""
    sampled = {time for line in history.samples.values() for time in line.times}
    missing = []
    for event in events:
        if isinstance(event, PumpDelivery) and event.phase == "sample":
            found = to_millis(event.time) in sampled
        elif isinstance(event, VitalSample | Clock):  # nothing but the moment is kept of them
            found = history.newest is not None and to_millis(event.time) <= history.newest
        else:
            found = history.facts.get(event.event_id) is not None
        if not found:
            missing.append(event.event_id)
    return missing


def each_revision_says_one_thing(alerts: list[Alert]) -> None:
    """A transition may be sent again after a crash, but always as it was, and none is left out or told as another's."""
    said = {(alert.alert_id, alert.revision): alert for alert in alerts}
    assert all(said[alert.alert_id, alert.revision] == alert for alert in alerts), "one revision, two contents"
    lives: dict[str, list[Alert]] = {}
    for _, alert in sorted(said.items(), key=lambda item: item[0]):
        lives.setdefault(alert.alert_id, []).append(alert)
    for life in lives.values():
        assert [alert.revision for alert in life] == list(range(len(life)))
        assert life[0].state == "raised"
        assert not any(
            now.state == "raised" and before.state in ("raised", "updated") for before, now in pairwise(life)
        )


def standing(alerts: list[Alert]) -> dict[tuple[object, ...], tuple[object, ...]]:
    """What the alerts say that stand in the end, by whom and what they are about.

    How often they were told before, and under which id first, depends on what came when; and whether a silence was
    told, on when the topics were level.
    """
    newest = {alert.alert_id: alert for alert in sorted(alerts, key=lambda alert: alert.revision)}
    found = [alert for alert in newest.values() if alert.state in ("raised", "updated")]
    by_subject = {
        (alert.patient_id, alert.rule, alert.subject): (
            alert.severity,
            alert.onset,
            alert.time,
            alert.probability,
            alert.text,
        )
        for alert in found
        if not settings()[alert.rule].of_silence
    }
    assert len(by_subject) == sum(not settings()[alert.rule].of_silence for alert in found), "two alerts of one thing"
    return by_subject


# --- a flood of alerts ------------------------------------------------------------------------------------------------


def flood() -> list[InputEvent]:
    """Ticks and counts of twelve patients: every fourth event raises an alert, every tenth is late, some come again."""
    chance = random.Random(3)
    events: list[InputEvent] = [enrolment(patient) for patient in PATIENTS]
    while len(events) < 1600:
        number = len(events)
        patient = chance.choice(PATIENTS)
        minute = number / 4 - (chance.uniform(20, 60) if number % 10 == 0 else 0)
        if number % 30 == 7:
            events.append(events[-chance.randrange(1, 20)])
        elif chance.random() < 0.5:
            events.append(lab(patient, minute, value=round(chance.uniform(0, 1), 3), number=number))
        else:
            events.append(pump(patient, minute))
    return events


def test_no_alert_of_a_flood_is_lost_or_doubled_by_kills(stages: tuple[Stage, Stage], tmp_path: Path) -> None:
    events = flood()
    calm, killed = stages
    run_calm(calm, events, tmp_path / "calm.log", FAKE_TWINS)
    run_killed(killed, events, tmp_path / "killed.log", FAKE_TWINS, kills=4)

    rows_calm, rows_killed = calm.rows(), killed.rows()
    assert set(rows_calm) == set(rows_killed) == set(PATIENTS)
    for patient in PATIENTS:
        assert rows_killed[patient].twin == rows_calm[patient].twin
        assert rows_killed[patient].model_id == MODEL
        assert rows_killed[patient].outbox == ()
        assert offsets(rows_killed[patient].applied) == offsets(rows_calm[patient].applied)
    assert len({digest_of(row) for row in rows_calm.values()}) == len(PATIENTS)

    assert transitions(killed) == transitions(calm)
    assert len(transitions(calm)) > 300
    assert {estimate.event_id for estimate in killed.estimates()} == {e.event_id for e in calm.estimates()}


def transitions(stage: Stage) -> set[tuple[str, int, str]]:
    """Alert transitions as a consumer knows them that keeps one of each (alert, revision)."""
    alerts = stage.alerts()
    each_revision_says_one_thing(alerts)
    return {(alert.alert_id, alert.revision, alert.state) for alert in alerts}


def offsets(applied: Iterable[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Applied offsets without the run's topic prefix."""
    return [(topic.partition(".")[2], partition, offset) for topic, partition, offset in applied]
