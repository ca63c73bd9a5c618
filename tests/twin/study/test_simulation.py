"""Simulated records: values scatter about the truth as the model says, also where they depend on one another."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.twin.observation.test_outcomes import TEXT
from tests.twin.population.joint import pairs
from tests.twin.toys import LEVELS, SOURCE
from twin.clock import HOUR_MS
from twin.events import DoseGiven, Quantity, from_millis
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.study.calibration import follow, summarise
from twin.study.design import Design, design
from twin.study.prediction import Predictor
from twin.study.simulation import sample_of, simulate
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
    successive = [
        (before.value, now.value)
        for timeline in records(OUTCOMES, np.zeros(1), 60, plan)
        for before, now in zip(timeline.observations, timeline.observations[1:], strict=False)
    ]
    for grade in (0.0, 1.0):
        after = [now for before, now in successive if before == grade]
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


EVENT = '[outputs.relapse]\nkind = "event"\nhazard = "0.000001*k"\n'


@pytest.mark.parametrize("besides", ["", EVENT], ids=["all at once", "value by value"])
def test_residuals_of_values_that_are_measured_together_correlate(besides: str) -> None:
    """Of a value that was measured twice the first goes with the other output; what stands alone stays as it was."""
    model = pairs.model(pairs.correlated() + besides)
    given = DoseGiven(
        event_id="dose", patient_id="P-1", time=from_millis(ORIGIN), source="a test", drug="toxin", route="iv",
        amount=Quantity(value=pairs.DOSE, unit="mg"),
    )  # fmt: skip
    hours = (1.0, 2.0, 4.0)
    plan = Design((given,), tuple((ORIGIN + round(hour * HOUR_MS), output) for hour in hours for output in (0, 0, 1)))
    z = np.empty((3, 0))
    for timeline in records(model, np.zeros(2), 250, plan):
        values = [o.value for o in sorted(timeline.observations, key=sample_of)]
        for n, hour in enumerate(hours):
            first, again, excreted = values[3 * n : 3 * n + 3]
            left = np.exp(-0.2 * hour)
            level, gone = pairs.DOSE / 11.0 * left, 0.4 * pairs.DOSE * (1.0 - left)
            row = [(first / level - 1.0) / 0.2, (again / level - 1.0) / 0.2, np.log(excreted / gone) / 0.3]
            z = np.column_stack([z, row])
    assert np.corrcoef(z) == pytest.approx(np.array([[1, 0, 0.6], [0, 1, 0], [0.6, 0, 1]]), abs=0.1)
    assert z.std(axis=1) == pytest.approx(np.ones(3), rel=0.1)
