"""Readings of a cuff as data: any order, repetition or restart gives the same bytes, and weeks of them cost the same.

The posterior is held against quadrature with likelihoods worked out by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from tests.twin import toys
from tests.twin.bedside import PATIENT, at, bind, clock, cuff, dose, in_clinic, vital
from tests.twin.longrun import moments, quadrature
from tests.twin.patient.test_twin import assert_same_belief, groups_of, standing
from twin import PatientTwin
from twin.arrays import Floats
from twin.events import Estimate, Forecast, InputEvent, Prediction, VitalSample, Withdrawn
from twin.patient import live_record

pytestmark = pytest.mark.slow

MODEL = toys.pressure()


def twin_of(*groups: Sequence[InputEvent], particles: int = 48) -> PatientTwin:
    twin = PatientTwin(PATIENT, MODEL, particles)
    for group in groups:
        assert twin.observe(group).rejected == ()
    return twin


def streamed(events: Sequence[InputEvent], particles: int = 48) -> PatientTwin:
    """As a worker tells them: one by one, at the cost of microseconds where nothing follows."""
    twin = PatientTwin(PATIENT, MODEL, particles)
    for event in events:
        if not twin.take(event):
            assert twin.observe([event]).rejected == ()
    return twin


def readings(hours: int, every: float, seed: int, pressure: float = 132.0) -> list[VitalSample]:
    """Readings about a pressure, of which half of the scatter is shared within the hour."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(hours)
    times = np.arange(0.0, hours, every)
    scatter = np.sqrt(0.5) * (shared[times.astype(int)] + rng.standard_normal(len(times)))
    return [cuff(t, float(round(pressure + 10.0 * z))) for t, z in zip(times.tolist(), scatter.tolist(), strict=True)]


# --- any order -------------------------------------------------------------------------------------------------------

quarters = st.integers(0, 4 * 14).map(lambda quarter: quarter / 4)


@st.composite
def stories(draw: st.DrawFn) -> list[InputEvent]:
    """Half a day with a cuff: readings, some taken back or corrected, a count in between, and what closes windows."""
    hours = draw(st.lists(quarters, min_size=1, max_size=14, unique=True))
    events: list[InputEvent] = [dose(0.0)]
    for hour in hours:
        told = cuff(hour, draw(st.sampled_from([95.0, 128.0, 131.0, 220.0])))
        events.append(told)
        mend = draw(st.sampled_from(["", "", "", "retracted", "corrected"]))
        if mend:
            value = told.value.model_copy(update={"value": 126.0 if mend == "corrected" else told.value.value})
            changes = {"event_id": f"mend {hour}", "status": mend, "replaces": told.event_id, "value": value}
            events.append(told.model_copy(update=changes))
    events += [in_clinic(h, 134.0) for h in draw(st.sets(quarters, max_size=2))]
    events += [bind(0.0, "cuff-1"), vital(draw(quarters)), clock(draw(quarters)), clock(15)]
    return events


@settings(max_examples=8, deadline=None)
@given(stories(), st.randoms(use_true_random=False))
def test_any_order_repetition_and_restart_end_in_the_same_bytes(events: list[InputEvent], random: Random) -> None:
    shuffled = [*events, *events[::3]]
    random.shuffle(shuffled)
    ordered, one = PatientTwin(PATIENT, MODEL, 48), PatientTwin(PATIENT, MODEL, 48)
    known = standing([ordered.observe(events)])
    updates = []
    for number, group in enumerate(groups_of(shuffled, random)):
        if len(group) > 1 or not one.take(group[0]):
            updates.append(one.observe(group))
        if number % 4 == 3:
            one = PatientTwin.from_row(one.row(), MODEL)
    assert_same_belief(ordered, one)
    assert standing(updates) == known
    assert one.history.readings == ordered.history.readings


def test_a_window_is_observed_when_something_is_told_of_a_time_after_it() -> None:
    twin = streamed([dose(0.0), *readings(1, 0.25, 1)])
    assert twin.belief.observations == 0
    assert not twin.take(clock(1.0))
    outputs = twin.observe([clock(1.0)]).outputs
    (met,) = (output for output in outputs if isinstance(output, Prediction))
    assert (met.output, met.time, twin.belief.observations) == ("pressure", at(0.375), 1)
    (estimate,) = (output for output in outputs if isinstance(output, Estimate) and output.time == at(0.375))
    assert [band.name for band in estimate.outputs] == ["pressure"]
    assert not [o for o in outputs if isinstance(o, Forecast) and o.time == at(0.375)], "a wearable brings no forecast"


def test_a_late_reading_is_folded_in_like_any_late_datum_and_one_taken_back_is_withdrawn() -> None:
    told = readings(6, 0.5, 2)
    twin = twin_of([dose(0.0), *told[:4], *told[5:], clock(6)])
    assert not twin.take(told[4])
    late = twin.observe([told[4]]).outputs
    moved = [output.time for output in late if isinstance(output, Withdrawn) and output.measured]
    assert moved == [at(2.5)], "with the reading of 2 h its window stands at another time"
    again = [output for output in late if isinstance(output, Prediction)]
    assert [output.time for output in again] == [at(2.25), at(3.25), at(4.25), at(5.25)]
    assert_same_belief(twin, twin_of([dose(0.0), *told, clock(6)]))
    gone = [t.model_copy(update={"event_id": f"gone {t.event_id}", "status": "retracted", "replaces": t.event_id})
            for t in told[4:6]]  # fmt: skip
    withdrawn = [output for output in twin.observe(gone).outputs if isinstance(output, Withdrawn)]
    assert [series.name for output in withdrawn if output.time == at(2.25) for series in output.measured] == [
        "pressure"
    ]
    assert_same_belief(twin, twin_of([dose(0.0), *told[:4], *told[6:], clock(6)]))


def test_readings_of_other_channels_and_of_models_without_the_output_are_a_sign_of_life_only() -> None:
    twin = twin_of([dose(0.0), vital(0.2), clock(3)])
    assert twin.belief.observations == 0
    assert twin.history.readings == {}
    other = PatientTwin(PATIENT, toys.bolus(), 48)
    other.observe([dose(0.0), *readings(2, 0.25, 1), clock(3)])
    assert other.belief.observations == 0
    assert other.history.readings == {}


# --- the posterior ---------------------------------------------------------------------------------------------------


def by_hand(told: Sequence[VitalSample], eta: Floats) -> Floats:
    """Log-likelihood (N,) of the hours' medians for eta (N, 2)."""
    base, rise = 120.0 * np.exp(eta[:, 0]), 0.1 * np.exp(eta[:, 1])
    total = np.zeros(len(eta))
    by_hour: dict[int, list[float]] = {}
    for event in told:
        by_hour.setdefault(int((event.time - at(0)).total_seconds() // 3600), []).append(event.value.value)
    for hour, values in by_hour.items():
        median, n = float(np.median(values)), len(values)
        spread = 1.4826 * float(np.median(np.abs(np.array(values) - median))) / 10.0
        own = max(0.5, spread**2) if n > 2 else 0.5
        size = 10.0 * np.sqrt(0.5 + own * np.pi / (2 * n + np.pi - 2))
        z = (median - base * (1 + rise * -np.expm1(-0.1 * (hour + 0.375)))) / size
        constant = special.gammaln(2.5) - special.gammaln(2.0) - 0.5 * np.log(4.0 * np.pi) - np.log(size)
        total += constant - 2.5 * np.log1p(z * z / 4.0)
    return total


def test_hours_of_readings_give_the_posterior_of_a_reference() -> None:
    told = [event for event in readings(24, 0.25, 5) if int(event.event_id.split()[-1].split(".")[0]) not in (3, 9)]
    twin = streamed([dose(0.0), *told, clock(24)], particles=1000)
    assert twin.belief.observations == 22
    reference = quadrature(lambda eta: by_hand(told, eta), np.diag([0.01, 0.25]))
    mean, sd = moments(reference.eta, reference.weight)
    found_mean, found_sd = moments(twin.belief.eta, twin.belief.weight)
    np.testing.assert_allclose((found_mean - mean) / sd, 0.0, atol=0.12)
    np.testing.assert_allclose(found_sd / sd, 1.0, atol=0.12)
    assert twin.belief.log_evidence == pytest.approx(reference.log_evidence, abs=0.15)


def test_artefacts_of_the_cuff_hardly_move_the_belief() -> None:
    clean = readings(12, 1 / 12, 7)
    high = [e.value.model_copy(update={"value": 1.5 * e.value.value}) for e in clean]
    spoilt = [
        event.model_copy(update={"value": high[i]}) if i % 6 == 0 or i // 12 == 8 else event
        for i, event in enumerate(clean)
    ]
    means, sds = [], []
    for told in (clean, spoilt):
        belief = streamed([dose(0.0), *told, clock(12)], particles=400).belief
        pressure = 120.0 * np.exp(belief.eta[:, 0]) * (1 + 0.1 * np.exp(belief.eta[:, 1]))
        mean = belief.weight @ pressure
        means.append(float(mean))
        sds.append(float(np.sqrt(belief.weight @ (pressure - mean) ** 2)))
    raw = np.mean([e.value.value for e in spoilt]) - np.mean([e.value.value for e in clean])
    assert raw > 12.0, "an average of all readings would be far off"
    assert abs(means[1] - means[0]) < min(raw / 4, sds[0])


def test_a_patient_whom_the_model_does_not_describe_is_called_surprising_by_its_output() -> None:
    told = [cuff(hour / 2, 60.0 if (hour // 2) % 2 else 220.0) for hour in range(60)]
    alerts = PatientTwin(PATIENT, MODEL, 200).observe([dose(0.0), *told, clock(31)]).outputs
    surprised = [a for a in alerts if a.kind == "alert" and a.rule == "twin.surprise"]
    assert surprised
    assert "pressure" in surprised[-1].text


# --- cost ------------------------------------------------------------------------------------------------------------


def test_weeks_of_readings_cost_the_same_each_week(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted is what is done and kept, not how long it takes."""
    rebuilt: list[int] = []
    build = live_record.build
    monkeypatch.setattr(live_record, "build", lambda *args: rebuilt.append(1) or build(*args))
    twin = PatientTwin(PATIENT, toys.pressure(window=12), 24)
    twin.observe([dose(0.0)])
    weeks = []
    for week in range(3):
        observed, before, kept, rebuilt[:] = 0, twin.belief.observations, _kept(twin), []
        for minute in range(0, 7 * 24 * 60, 20):
            event = cuff(week * 168 + minute / 60, 130.0 + (minute * 7919) % 17)
            if not twin.take(event):
                observed += 1
                twin.observe([event])
        weeks.append((observed, len(rebuilt), twin.belief.observations - before, _kept(twin) - kept))
    for found in weeks[1:]:
        np.testing.assert_allclose(found, weeks[1], atol=2)
    told = 7 * 24 * 3
    observed, builds, data, kept = weeks[1]
    assert observed <= 14 + 42 + 2 < 0.15 * told, "windows and estimates"
    assert builds <= data + 2
    assert (data, kept) == (14, 14 * 12)


def _kept(twin: PatientTwin) -> int:
    return sum(len(windows.times) for windows in twin.history.readings.values())
