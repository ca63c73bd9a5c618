"""A patient who changes: the twin's belief is Kalman's where that is exact, its fixed lag costs little, and on real
children it predicts the next count better than the last one does."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from connectors.feeds.nmtran.reader import parse_columns, read_nmtran
from tests.places import REFERENCE
from tests.twin.bedside import PATIENT, clock, count, dose, ms
from twin import PatientTwin, load_model
from twin.arrays import Floats
from twin.clock import DAY_MS
from twin.events import Forecast, InputEvent, Prediction, to_millis
from twin.filter.posthoc import post_hoc
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.patient.twin import Posterior
from twin.solver.step_control import step_sizes_for
from twin.study.records import record_of
from twin.study.score import Score, score
from twin.timeline.timeline import build

pytestmark = pytest.mark.slow

SIX_MP = load_model("mercaptopurine_jost2020")
ALL_6MP = REFERENCE / "all_6mp_anc.csv"
DAY = 24.0

WANDERER = """
id = "toy_wanderer"
drug = "toxin"
title = "A count that is nothing but its own drifting level: linear and normal on the log scale"
time_unit = "d"

[[sources]]
citation = "none: made up for tests"

[parameters.Base]
value = 4
unit = "10*9/L"
iiv = 0.04
drift = 0.002
assumed = "a test"

[parameters.k]
value = 1
unit = "1/d"
assumed = "a test"

[states.A]
unit = "mg"
derivative = "input(toxin) - k*A"

[outputs.cells]
unit = "10*9/L"
expression = "Base"
aliases = ["ANC"]
error = { log_additive = 0.15, assumed = "a test" }

[drift]
grid = 7
lag = 28
assumed = "a test"

[cadence]
estimate = 7
forecast = 7
horizon = 28
"""


def moments(posterior: Posterior) -> tuple[Floats, Floats]:
    """Mean and standard deviation (d,) of eta as it has drifted."""
    weight = np.exp(posterior.log_weight)
    mean = weight @ posterior.eta
    return mean, np.sqrt(weight @ (posterior.eta - mean) ** 2)


# --- where the answer is known ---------------------------------------------------------------------------------------


def kalman(days: Floats, logs: Floats) -> tuple[float, float, float]:
    """Mean and SD of the level's effect at the last count, and the log evidence."""
    mean, variance, evidence = 0.0, 0.04, 0.0
    grid, noise = 7 * DAY, 0.15**2
    before = ms(0)
    for day, value in zip(days, logs, strict=True):
        millis = ms(day * DAY)
        # A step at the very moment of a count comes after it.
        steps = (millis - 1) // round(grid * 3_600_000) - before // round(grid * 3_600_000)
        variance, before = variance + 0.002 * 7 * steps, millis - 1
        total = variance + noise
        innovation = value - np.log(4) - mean
        # A density of the count, not of its logarithm.
        evidence += -0.5 * (innovation**2 / total + np.log(2 * np.pi * total)) - value
        mean, variance = mean + variance / total * innovation, variance * noise / total
    return mean, np.sqrt(variance), evidence


def test_a_year_of_drift_is_followed_as_the_kalman_filter_does() -> None:
    model = parse_model(WANDERER, "toy_wanderer.toml")
    rng = np.random.default_rng(11)
    deviations, ratios, gaps = [], [], []
    for number in range(2):
        days = np.sort(rng.choice(np.arange(1, 365), 60, replace=False)).astype(np.float64)
        level = 0.2 * rng.standard_normal() + np.cumsum(
            np.sqrt(0.002 * np.diff(days, prepend=0)) * rng.standard_normal(60)
        )
        logs = np.log(4) + level + 0.15 * rng.standard_normal(60)
        twin = PatientTwin(f"P-{number}", model, 300)
        events: list[InputEvent] = [dose(0, 1.0, patient_id=twin.patient_id)]
        events += [
            count(day * DAY, float(np.exp(log)), patient_id=twin.patient_id)
            for day, log in zip(days, logs, strict=True)
        ]
        assert twin.observe(events).rejected == ()
        assert twin.belief.layout.since is not None
        mean, sd = moments(twin.posterior())
        known, spread, evidence = kalman(days, logs)
        deviations.append((mean[0] - known) / spread)
        ratios.append(sd[0] / spread)
        gaps.append(twin.belief.log_evidence - evidence)
    assert np.abs(deviations).max() < 0.15
    assert abs(np.mean(deviations)) < 0.07
    assert np.abs(np.array(ratios) - 1).max() < 0.15
    assert np.abs(gaps).max() < 1.0


def test_the_post_hoc_estimate_ends_where_the_kalman_filter_does() -> None:
    model, rng = parse_model(WANDERER, "toy_wanderer.toml"), np.random.default_rng(11)
    days = np.sort(rng.choice(np.arange(1, 365), 60, replace=False)).astype(np.float64)
    logs = np.log(4) + 0.2 * rng.standard_normal(60)
    events: list[InputEvent] = [dose(0, 1.0)]
    events += [count(day * DAY, float(np.exp(log))) for day, log in zip(days, logs, strict=True)]
    kernel = compile_model(model)
    found = post_hoc(kernel, step_sizes_for(kernel), build(record_of(events, model)[0], kernel))
    known, spread, evidence = kalman(days, logs)
    assert len(found.steps) == int(days[-1]) // 7
    assert found.drifted[-1, 0] == pytest.approx(known, abs=1e-6)
    assert found.drifted_errors[-1, 0] == pytest.approx(spread, rel=1e-6)
    assert found.parameters[kernel.parameters.index("Base")] == pytest.approx(4.0 * np.exp(known), rel=1e-6)
    assert found.ofv == pytest.approx(-2.0 * evidence - 60 * np.log(2.0 * np.pi), abs=1e-4)


# --- the price of the lag --------------------------------------------------------------------------------------------


def child(days: int, patient_id: str = PATIENT) -> list[InputEvent]:
    """A child whose count falls by a half over the time."""
    rng = np.random.default_rng(5)
    events: list[InputEvent] = [
        dose(DAY * day, 40.0, route="oral", drug="mercaptopurine", patient_id=patient_id) for day in range(days)
    ]
    for day in range(5, days, 10):
        value = 2.0 * 0.5 ** (day / days) * np.exp(0.3 * rng.standard_normal())
        events.append(count(DAY * day + 3, float(value), patient_id=patient_id))
    return events


def with_lag(days: float) -> Model:
    return parse_model(SIX_MP.text.replace("lag = 56", f"lag = {days:g}"), "mercaptopurine.toml")


def test_what_the_fixed_lag_costs_is_small_beside_what_is_unknown() -> None:
    """Against the posterior that revises everything, by root mean squares over the four parameters.

    Five pairs of runs of 1,000 particles differed by 0.04 to 0.14 SD in the means and 4 to 8 % in the SDs, most of it
    chance: a mean by up to 0.21 SD, of either sign, and on average over the runs by 0.04 at most.
    """
    told = child(130)
    found = []
    for lag in (56, 1e5):
        twin = PatientTwin(PATIENT, with_lag(lag), 400)
        twin.observe(told)
        found.append(moments(twin.posterior()))
        assert (twin.belief.layout.since is None) == (lag == 1e5)
    (mean, sd), (exact, spread) = found
    assert np.sqrt(np.mean(((mean - exact) / spread) ** 2)) < 0.2
    assert np.sqrt(np.mean((sd / spread - 1) ** 2)) < 0.15


def test_years_of_daily_doses_leave_no_more_to_be_revised_than_a_few_months_do() -> None:
    twin = PatientTwin(PATIENT, SIX_MP, 100)
    told = child(420)
    for month in range(14):
        begin, end = ms(DAY * 30 * month), ms(DAY * 30 * (month + 1))
        twin.observe([event for event in told if begin <= to_millis(event.time) < end])
        layout, now = twin.belief.layout, twin.points[-1].millis
        # What is older than the lag is fixed with the next renewal, or when as much again has gathered.
        reach = now - (begin if layout.since is None else layout.since)
        assert reach <= (2 * 56 + 14 + 30) * DAY * 3_600_000
        assert twin.belief.eta.shape[1] <= 4 * (2 * 56 / 14 + 2) + 4 + 8
    assert layout.since is not None


def test_a_forecast_leaves_room_for_what_is_still_to_drift() -> None:
    widths = {}
    for name, model in (("drifting", SIX_MP), ("still", without_drift())):
        twin = PatientTwin(PATIENT, model, 400)
        said = twin.observe([*child(150), clock(DAY * 150)]).outputs
        *_, last = (o for o in said if isinstance(o, Forecast))
        band = last.outputs[0]
        widths[name] = np.log(np.array(band.q95) / np.array(band.q05))
    assert widths["drifting"][-1] > 1.1 * widths["drifting"][0]
    assert widths["drifting"][-1] > 1.3 * widths["still"][-1]


# --- real children ---------------------------------------------------------------------------------------------------


def without_drift() -> Model:
    text = "\n".join(line for line in SIX_MP.text.splitlines() if not line.startswith("drift = "))
    begin, end = text.index("[drift]"), text.index("# --- 6-mercaptopurine")
    return parse_model(text[:begin] + text[end:], "mercaptopurine.toml")


@cache
def records() -> dict[str, list[InputEvent]]:
    """The half of the children that was kept for the test: every second one, beginning with the second."""
    with ALL_6MP.open() as file:
        columns = parse_columns("TIME=TIME_DAYS,AMT=AMT_6MP,DV=ANC_G_PER_L")
        reading = read_nmtran(file, SIX_MP, columns)
    by_child: dict[str, list[InputEvent]] = {}
    for event in reading.events:
        by_child.setdefault(event.patient_id, []).append(event)
    return {name: by_child[name] for name in sorted(by_child)[1::2]}


def predicted(model: Model, children: int, days: int, particles: int) -> Score:
    said: list[Prediction] = []
    for name, events in list(records().items())[:children]:
        end = to_millis(events[0].time) + days * DAY_MS
        twin = PatientTwin(name, model, particles)
        told = [event for event in events if to_millis(event.time) < end]
        said += [o for o in twin.observe(told).outputs if isinstance(o, Prediction)]
    (found,) = score(said)
    return found


def ratio(found: Score) -> float:
    """Mean absolute log error, relative to the last count carried forward."""
    assert found.twin is not None
    assert found.last_value is not None
    return found.twin.mean / found.last_value.mean


needs_records = pytest.mark.skipif(not ALL_6MP.exists(), reason="needs ../shared/data/all_6mp_anc.csv")


@needs_records
def test_the_next_count_of_real_children_is_predicted_better_than_by_the_last() -> None:
    """Six children over 200 days, with few particles: 0.83 of the last count's mean log error and 87 % covered, where
    0.88 and 82 % are had without drift. The whole half with 1,000 gave 0.88 and 0.85 of its median and mean, and 89 %
    covered; `dosetwin replay all_6mp_anc.csv --model mercaptopurine_jost2020 --score --out DIR --columns
    TIME=TIME_DAYS,AMT=AMT_6MP,DV=ANC_G_PER_L` scores all 58."""
    drifting, still = predicted(SIX_MP, 6, 200, 100), predicted(without_drift(), 6, 200, 100)
    assert ratio(drifting) < min(0.89, ratio(still) - 0.02)
    assert drifting.coverage == pytest.approx(0.90, abs=0.05)
    assert still.coverage < drifting.coverage - 0.03
