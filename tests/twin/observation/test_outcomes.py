"""Grades, events and counts in a patient's record: read from a file, weighed as on paper, in any order of arrival."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from tests.twin import toys
from tests.twin.bedside import dose, finding, level, quantity
from twin import PatientTwin
from twin.events import Forecast, InputEvent, Prediction
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.randomness import generator

OUTCOMES = """
[parameters.harm]
value = 0.6
unit = "L/mg"
assumed = "a test"

[parameters.h0]
value = 0.02
unit = "1/h"
assumed = "a test"

[outputs.neuropathy]
kind = "ordinal"
aliases = ["CIPN"]
categories = [
    "1 / (1 + exp(-1 + harm*A/V + 0.8*previous(neuropathy)))",
    "1 / (1 + exp(-3 + harm*A/V + 0.8*previous(neuropathy))) - 1 / (1 + exp(-1 + harm*A/V + 0.8*previous(neuropathy)))",
    "1 - 1 / (1 + exp(-3 + harm*A/V + 0.8*previous(neuropathy)))",
]

[outputs.infection]
kind = "event"
hazard = "h0*exp(harm*A/V)"

[outputs.lesions]
kind = "count"
expression = "6*exp(-harm*A/V)"
error = { negative_binomial = 0.2, assumed = "a test" }

[cadence]"""

TEXT = toys.BOLUS.replace("[cadence]", OUTCOMES, 1).replace("iiv = 0.09\n", "", 1)
MODEL = parse_model(TEXT, "outcomes.toml")
CLEARANCE, VOLUME, HARM, HAZARD, IIV = 5.0, 20.0, 0.6, 0.02, 0.16

RECORD: list[InputEvent] = [
    dose(0, 60.0),
    finding(1, "infection", 0),
    level(2, 2.1),
    finding(3, "CIPN", 1),
    finding(4, "lesions", 2),
    finding(8, "CIPN", 2),
    finding(10, "infection", 1),
    finding(14, "infection", 0),
    finding(20, "neuropathy", 0),
    finding(21, "lesions", 4, below_lloq=True, lloq=quantity(4, "1")),
]


def concentration(hours: float, eta: float) -> float:
    return 60 / VOLUME * math.exp(-CLEARANCE * math.exp(eta) / VOLUME * hours)


def hazard_between(begin: float, end: float, eta: float) -> float:
    return float(integrate.quad(lambda t: HAZARD * math.exp(HARM * concentration(t, eta)), begin, end)[0])


def graded(grade: int, hours: float, before: int, eta: float) -> float:
    pull = HARM * concentration(hours, eta) + 0.8 * before
    upto = [0.0, 1 / (1 + math.exp(-1 + pull)), 1 / (1 + math.exp(-3 + pull)), 1.0]
    return math.log(upto[grade + 1] - upto[grade])


def log_likelihood(eta: float) -> float:
    """Of `RECORD`, from the closed form of the concentration."""

    def lesions(hours: float) -> stats.rv_discrete:
        mean = 6 * math.exp(-HARM * concentration(hours, eta))
        return stats.nbinom(5, 1 / (1 + 0.2 * mean))

    total = float(stats.norm.logpdf(2.1, concentration(2, eta), 0.2 * concentration(2, eta)))
    total += graded(1, 3, 0, eta) + graded(2, 8, 1, eta) + graded(0, 20, 2, eta)
    total += float(lesions(4).logpmf(2)) + float(lesions(21).logcdf(3))
    total += math.log(HAZARD) + HARM * concentration(10, eta) - hazard_between(0, 14, eta)
    return total


def posterior_by_quadrature() -> tuple[float, float, float]:
    """Mean and SD of eta, and the log evidence."""
    eta = np.linspace(-2.0, 2.0, 401)
    log_density = np.array([log_likelihood(x) for x in eta]) + stats.norm.logpdf(eta, 0, math.sqrt(IIV))
    density = np.exp(log_density - log_density.max())
    evidence = density.sum() * (eta[1] - eta[0])
    weight = density / density.sum()
    mean = float(weight @ eta)
    return mean, float(np.sqrt(weight @ (eta - mean) ** 2)), float(np.log(evidence) + log_density.max())


def told(*batches: list[InputEvent]) -> PatientTwin:
    twin = PatientTwin("P-1", MODEL, 1000)
    for batch in batches:
        assert not twin.observe(batch).rejected
    return twin


@pytest.mark.slow
def test_the_posterior_of_grades_events_and_counts_is_that_of_quadrature() -> None:
    mean, sd, evidence = posterior_by_quadrature()
    belief = told(RECORD).belief
    eta = belief.eta[:, MODEL.eta_names.index("CL")]
    found = float(belief.weight @ eta)
    assert found == pytest.approx(mean, abs=0.1 * sd)
    assert float(np.sqrt(belief.weight @ (eta - found) ** 2)) == pytest.approx(sd, rel=0.1)
    assert belief.log_evidence == pytest.approx(evidence, abs=0.12)


@pytest.mark.slow
def test_the_mode_of_grades_events_and_counts_is_where_the_density_is_highest() -> None:
    eta = np.linspace(-1.0, 1.0, 2001)
    best = max(eta, key=lambda x: log_likelihood(float(x)) - 0.5 * x * x / IIV)
    mode = told(RECORD).mode()
    assert mode is not None
    assert mode.converged
    assert mode.eta[0] == pytest.approx(best, abs=2e-3)


@pytest.mark.slow
def test_grades_events_and_counts_may_come_in_any_order() -> None:
    ordered = told(RECORD)
    shuffled = [RECORD[i] for i in generator("outcomes").permutation(len(RECORD))]
    other = told(*([event] for event in shuffled))
    assert other.belief.eta.tobytes() == ordered.belief.eta.tobytes()
    assert other.belief.log_weight.tobytes() == ordered.belief.log_weight.tobytes()
    assert other.belief.log_evidence == ordered.belief.log_evidence


@pytest.mark.usefixtures("whole_hours")
def test_the_chance_of_an_event_is_counted_from_the_last_look() -> None:
    twin = told(RECORD[:1])
    before = twin.observe([finding(6, "infection", 0)]).outputs
    seen = next(o for o in before if isinstance(o, Prediction))
    assert seen.observed == 0.0
    expected = 1 - math.exp(-hazard_between(0, 6, 0.0))
    assert seen.population_median == pytest.approx(expected, rel=1e-4)
    ahead = next(o for o in before if isinstance(o, Forecast))
    band = next(band for band in ahead.outputs if band.name == "infection")
    assert band.median[0] == pytest.approx(expected, rel=0.05)
    # The look of 6 h is over: a day later the chance is that of the time since.
    assert band.median[-1] == pytest.approx(1 - math.exp(-hazard_between(6, 30, 0.0)), rel=0.05)


def test_the_expected_grade_is_what_is_shown() -> None:
    outputs = told(RECORD[:1]).observe([finding(3, "CIPN", 1)]).outputs
    shown = next(o for o in outputs if isinstance(o, Prediction))
    chances = [math.exp(graded(k, 3, 0, 0.0)) for k in range(3)]
    assert shown.population_median == pytest.approx(chances[1] + 2 * chances[2], rel=1e-6)
    assert (shown.q05, shown.q95) == (0.0, 2.0)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (finding(1, "neuropathy", 3), ["'value'", "3 is no ordinal of neuropathy", "one of 0 to 2"]),
        (finding(1, "neuropathy", 0.5), ["0.5 is no ordinal"]),
        (finding(1, "infection", 2), ["one of 0 to 1"]),
        (finding(1, "infection", 1, above_uloq=True), ["send 1 or 0 without a limit"]),
        (finding(1, "lesions", 2.5), ["a whole number"]),
        (finding(1, "lesions", -1), ["must not be negative"]),
    ],
)
def test_what_is_no_grade_look_or_count_is_refused(event: InputEvent, words: list[str]) -> None:
    (rejected,) = PatientTwin("P-1", MODEL, 10).observe([event]).rejected
    assert rejected.reason in ("out_of_range", "negative_amount")
    assert all(word in rejected.detail for word in words)


# --- several assays, and limits --------------------------------------------------------------------------------------

ASSAYS = toys.BOLUS.replace(
    "[cadence]",
    """
[outputs.toxin_elisa]
unit = "mg/L"
expression = "A/V"
aliases = ["elisa"]
error = { additive = 0.8, assumed = "a test" }

[cadence]""",
    1,
).replace("iiv = 0.09\n", "", 1)


def clearance(model: Model, *events: InputEvent) -> tuple[float, float]:
    twin = PatientTwin("P-1", model, 1000)
    assert not twin.observe([dose(0, 60.0), *events]).rejected
    belief = twin.belief
    mean = float(belief.weight @ belief.eta[:, 0])
    return mean, float(np.sqrt(belief.weight @ (belief.eta[:, 0] - mean) ** 2))


@pytest.mark.slow
def test_two_assays_of_one_quantity_are_weighed_by_their_own_errors() -> None:
    model = parse_model(ASSAYS, "assays.toml")
    eta = np.linspace(-2, 2, 4001)
    at = 3.0 * np.exp(-0.25 * np.exp(eta) * 4)
    log_density = stats.norm.logpdf(0.5, at, 0.2 * at) + stats.norm.logpdf(2.0, at, 0.8) - 0.5 * eta**2 / IIV
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    mean = float(weight @ eta)
    sd = float(np.sqrt(weight @ (eta - mean) ** 2))
    found = clearance(model, level(4, 0.5), level(4, 2.0, analyte="elisa", event_id="elisa 4"))
    assert found == pytest.approx((mean, sd), abs=0.1 * sd)


def test_a_level_above_the_upper_limit_is_known_only_to_lie_there() -> None:
    eta = np.linspace(-2, 2, 4001)
    at = 3.0 * np.exp(-0.25 * np.exp(eta) * 4)
    log_density = stats.norm.logsf(1.5, at, 0.2 * at) - 0.5 * eta**2 / IIV
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    mean = float(weight @ eta)
    sd = float(np.sqrt(weight @ (eta - mean) ** 2))
    model = parse_model(toys.BOLUS.replace("iiv = 0.09\n", "", 1), "bolus.toml")
    limit = level(4, 1.5, above_uloq=True, uloq=quantity(1.5, "mg/L"))
    assert clearance(model, limit) == pytest.approx((mean, sd), abs=0.1 * sd)
    grams = level(4, 9.0, above_uloq=True, uloq=quantity(1.5e-3, "g/L"))
    assert clearance(model, grams) == clearance(model, limit)


def test_a_result_cannot_lie_on_both_sides() -> None:
    with pytest.raises(ValueError, match="cannot be 'below_lloq' and 'above_uloq' at once"):
        level(4, 1.5, above_uloq=True, below_lloq=True)
