"""What is held is said, counts for nothing, and once it counts is as if it had never been held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.bedside import PATIENT, at, clock, dose, level, ms, sample, start, stop, vital
from tests.twin.record.held.test_holding import LOST, YEAR, enrolment, release
from twin import PatientTwin
from twin.clock import DAY_MS
from twin.events import Alert, InputEvent, to_millis
from twin.patient.averaged import AveragedTwin
from twin.patient.rivals import rivals
from twin.patient.twin import PatientTwin as Twin

MODEL = toys.absorption()
KNOWN = enrolment(), dose(1), level(3, 1.5), clock(6)
LAST_YEAR = start(-YEAR, 100.0, "pump-2"), stop(1 - YEAR, "pump-2")


def observed(*groups: Iterable[InputEvent]) -> tuple[Twin, list[Any]]:
    """A twin that was told the groups one after the other, and all that it said."""
    twin = PatientTwin(PATIENT, MODEL, 32)
    said: list[Any] = []
    for group in groups:
        update = twin.observe(list(group))
        assert update.rejected == ()
        said += update.outputs
    return twin, said


def held(said: Sequence[Any]) -> dict[tuple[str, str], Alert]:
    """The newest word on each subject of which something was held."""
    alerts = [one for one in said if isinstance(one, Alert) and one.rule == "record.held"]
    return {(one.subject.kind, one.subject.name): one for one in alerts}


def same_belief(one: Twin, other: Twin) -> bool:
    same = np.array_equal(one.belief.eta, other.belief.eta) and one.belief.log_evidence == other.belief.log_evidence
    return same and one.points[-1].millis == other.points[-1].millis


@pytest.mark.usefixtures("whole_hours")
def test_a_pump_that_lost_its_clock_is_said_and_moves_nothing() -> None:
    """Folded hour by hour over 25 years the one message gave 440,000 outputs."""
    plain, _ = observed(KNOWN)
    for groups in ([KNOWN[:1], LOST, KNOWN[1:]], [KNOWN, LOST], [[*KNOWN, *LOST]]):
        twin, said = observed(*groups)
        assert same_belief(twin, plain)
        assert {one.time for one in said} <= {at(hour / 2) for hour in range(13)}
        alert = held(said)["device", "pump-2"]
        assert alert.live
        assert alert.severity == "medium"
        assert "What pump-2 says of 2001-03-08 is held and not counted" in alert.text
        assert LOST[0].event_id in alert.text


@pytest.mark.slow
def test_a_released_event_counts_as_if_it_had_never_been_held() -> None:
    early = dose(-10 * 24 * 30, 60.0)
    never, _ = observed([enrolment(-10 * 24 * 30), *KNOWN, early])
    for groups in ([KNOWN, [early], [release(early.event_id)]], [[release(early.event_id)], [early], KNOWN]):
        twin, said = observed(*groups)
        assert same_belief(twin, never)
        assert all(alert.phase == "end" for alert in held(said).values())
    assert observed(KNOWN, [early])[0].belief.observations == 1
    assert observed(KNOWN, [early])[0].points[0].millis > ms(0)


def test_a_clock_of_the_future_does_not_carry_the_twin_there() -> None:
    twin, said = observed(KNOWN, [clock(40 * YEAR)])
    assert same_belief(twin, observed(KNOWN)[0])
    assert "That it is 2066-02-20 is not believed" in held(said)["patient", PATIENT].text
    _, said = observed(KNOWN, [clock(40 * YEAR)], [dose(40 * YEAR)])
    assert "dose_given of 2066-02-20, 1 in all, held" in held(said)["patient", PATIENT].text
    assert held(said)["patient", PATIENT].severity == "medium"


@pytest.mark.slow
def test_alerts_of_a_time_that_is_held_now_are_withdrawn() -> None:
    """Three results two years on made a history; one of them was a mistake."""
    later = [level(3 * YEAR + day, 1.5) for day in (0, 24, 48)]
    twin, _ = observed(KNOWN, later)
    assert twin.points[-1].millis > ms(3 * YEAR + 40)
    gone = level(3 * YEAR, 1.5, event_id="gone", status="retracted", replaces=later[0].event_id)
    update = twin.observe([gone])
    assert held(update.outputs)["patient", PATIENT].phase == "start"
    assert same_belief(twin, observed(KNOWN)[0])
    assert {entry.alert_id for entry in twin.ledger.live} == {a.alert_id for a in twin.points[-1].book.live}


def test_the_row_keeps_what_is_held_and_what_was_said_of_it() -> None:
    twin, _ = observed(KNOWN, LAST_YEAR)
    again = PatientTwin.from_row(twin.row(), MODEL)
    assert again.row() == twin.row()
    assert held(again.observe([clock(7)]).outputs) == {}
    word = release(begins=at(-YEAR), ends=at(1 - YEAR))
    assert held(again.observe([word]).outputs)["device", "pump-2"].phase == "end"


@pytest.mark.slow
def test_rival_models_hold_alike() -> None:
    models = rivals([toys.absorption(), toys.bolus()])
    twin = AveragedTwin(PATIENT, models, 32)
    assert held(twin.observe([*KNOWN, *LAST_YEAR]).outputs)["device", "pump-2"].revision == 0
    again = AveragedTwin.from_row(twin.row(), models)
    assert held(again.observe([clock(7)]).outputs) == {}
    assert held(again.observe([release(LAST_YEAR[0].event_id)]).outputs)["device", "pump-2"].phase == "end"


days = st.integers(0, 3).map(lambda hour: hour + 0.5)
near = st.one_of(
    st.builds(lambda h: level(h, 1.5), days), st.builds(dose, days), st.builds(clock, days), st.builds(vital, days)
)
far = st.sampled_from([-3.0, -2.9, 2.5, 3.0]).flatmap(
    lambda year: st.one_of(
        st.builds(lambda h: level(year * YEAR + h, 1.5), days), st.builds(lambda h: dose(year * YEAR + h), days),
        st.builds(lambda h: clock(year * YEAR + h), days), st.builds(lambda h: start(year * YEAR + h), days),
        st.builds(lambda h: stop(year * YEAR + h), days), st.builds(lambda h: sample(year * YEAR + h), days),
        st.builds(lambda h: release(f"dose {year * YEAR + h:g}"), days),
    )
)  # fmt: skip
records = st.tuples(
    st.lists(near, min_size=1, max_size=4, unique_by=lambda event: event.event_id),
    st.lists(far, min_size=1, max_size=4, unique_by=lambda event: event.event_id),
)


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records, st.randoms(use_true_random=False))
def test_belief_and_alerts_are_the_same_in_any_order(
    record: tuple[list[InputEvent], list[InputEvent]], random: Random
) -> None:
    events = [enrolment(), *record[0], *record[1]]
    one, _ = observed(sorted(events, key=lambda event: (event.time, event.event_id)))
    random.shuffle(events)
    other, said = observed(*([event] for event in events))
    assert one.belief.observations == other.belief.observations
    assert np.array_equal(one.belief.eta, other.belief.eta)
    assert one.belief.log_evidence == other.belief.log_evidence
    assert [p.millis for p in one.points[-1:]] == [p.millis for p in other.points[-1:]]
    live = [{(e.alert_id, e.digest) for e in twin._fold.held.live} for twin in (one, other)]
    assert live[0] == live[1]
    assert all(to_millis(output.time) < ms(0) + 5 * 366 * DAY_MS for output in said)
