"""Simulated records: values scatter about the truth as the model says, also where they depend on one another."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.twin.observation.test_outcomes import TEXT
from tests.twin.toys import LEVELS, SOURCE
from twin.clock import HOUR_MS
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.study.calibration import follow, summarise
from twin.study.design import Design, design
from twin.study.prediction import Predictor
from twin.study.simulation import simulate
from twin.timeline.regimen import ORIGIN
from twin.timeline.timeline import Timeline

TOY = parse_model(LEVELS, "toy.toml")
REGIMEN = f"""[[regimens]]
drug = "toxin"
amount = 60
amount_unit = "mg"
duration = 0
interval = 168
cycles = 3
route = "iv"
{SOURCE}

[cadence]"""
OUTCOMES = parse_model(TEXT.replace("[cadence]", REGIMEN, 1), "outcomes.toml")


def records(model: Model, eta: np.ndarray, count: int, plan: Design | None = None) -> list[Timeline]:
    kernel = compile_model(model)
    chosen = design(kernel) if plan is None else plan
    return [simulate(Predictor(kernel, f"P-{number}"), eta, chosen) for number in range(count)]


def test_values_scatter_about_the_closed_form() -> None:
    eta = np.array([0.2, 0.1, -0.2])
    clearance, volume = 6 * np.exp(0.2), 30 * np.exp(0.1)
    levels, markers = [], []
    for timeline in records(TOY, eta, 120):
        for o in timeline.observations:
            hours = (o.millis - ORIGIN) / HOUR_MS
            if o.output == 0 and hours < 168:
                known = 90 / clearance * -np.expm1(-clearance / volume) * np.exp(-clearance / volume * (hours - 1))
                levels.append((o.value / known - 1) / 0.2)
            elif o.output == 1 and hours == 0:
                markers.append(np.log(o.value / (5 * np.exp(-0.2))) / 0.2)
    assert len(levels) > 300
    assert stats.kstest(levels, "norm").pvalue > 0.01
    assert stats.kstest(markers, "norm").pvalue > 0.01


def test_a_record_is_the_same_for_the_same_patient() -> None:
    first, again = (records(OUTCOMES, np.zeros(1), 2) for _ in range(2))
    assert [t.observations for t in first] == [t.observations for t in again]
    assert first[0].observations != first[1].observations


@pytest.mark.slow
def test_an_event_happens_when_its_hazard_says_and_ends_the_looks() -> None:
    infection = [o.name for o in OUTCOMES.outputs].index("infection")
    plan = Design((), tuple((ORIGIN + hours * HOUR_MS, infection) for hours in (0, 24, 48, 2000)))
    times = []
    for timeline in records(OUTCOMES, np.zeros(1), 150, plan):
        *looks, last = timeline.observations
        assert last.value == 1.0
        assert all(o.value == 0.0 for o in looks)
        times.append((last.millis - ORIGIN) / HOUR_MS)
    assert stats.kstest(times, stats.expon(scale=1 / 0.02).cdf).pvalue > 0.01


@pytest.mark.slow
def test_grades_depend_on_the_grade_before() -> None:
    neuropathy = [o.name for o in OUTCOMES.outputs].index("neuropathy")
    plan = Design((), tuple((ORIGIN + hours * HOUR_MS, neuropathy) for hours in range(1, 13)))
    pairs = [
        (before.value, now.value)
        for timeline in records(OUTCOMES, np.zeros(1), 60, plan)
        for before, now in zip(timeline.observations, timeline.observations[1:], strict=False)
    ]
    for grade in (0.0, 1.0):
        after = [now for before, now in pairs if before == grade]
        expected = 1 / (1 + np.exp(-1 + 0.8 * grade))
        raised = sum(now == 0 for now in after)
        assert stats.binomtest(raised, len(after), expected).pvalue > 0.01


@pytest.mark.slow
def test_a_twin_of_grades_events_and_counts_is_calibrated() -> None:
    kernel = compile_model(OUTCOMES)
    plan = design(kernel)
    found = summarise(OUTCOMES, [follow(kernel, kernel, plan, n, 150, lambda: 0.0) for n in range(24)], 150)
    assert found.passed, {one.name: one.p_value for one in (*found.ranks, *found.pit)}
    assert {one.name for one in found.pit} == {o.name for o in OUTCOMES.outputs}


def test_simulated_values_are_never_censored() -> None:
    counts = [o.name for o in OUTCOMES.outputs].index("lesions")
    plan = Design((), tuple((ORIGIN + hours * HOUR_MS, counts) for hours in range(30)))
    (timeline,) = records(OUTCOMES, np.zeros(1), 1, plan)
    assert all(o.below is None and o.above is None for o in timeline.observations)
