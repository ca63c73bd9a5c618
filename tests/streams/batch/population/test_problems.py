"""What speaks against a fit is said in words."""

from __future__ import annotations

import pytest

from streams.batch.population.fit import fit
from streams.batch.population.problems import (
    COVERED,
    kinked_in_words,
    laws_at_an_end,
    shares_at_an_end,
    uncovered_in_words,
)
from streams.bench.estimation.problems import COAGULATION
from tests.twin import toys
from tests.twin.population.simulated.sets import no_plateau
from twin.modelfile.reader import parse_model
from twin.population.importance.climbing import Exact
from twin.population.theta import Theta

OUTLIERS = "proportional = 0.2, outliers = { share = 0.1, widening = 5 }"


@pytest.mark.parametrize(("value", "end"), [(0.9997, "1"), (0.0003, "0")])
def test_a_share_that_runs_to_an_end_is_named(value: float, end: str) -> None:
    theta = Theta.of(COAGULATION.start)
    (said,) = shares_at_an_end(theta, theta.pack(theta.population({"Emax": value})))
    assert said.startswith(f"Emax runs to {end}, the end of what it can be")
    assert "--fix Emax" in said


def test_a_share_within_is_not() -> None:
    theta = Theta.of(COAGULATION.start)
    assert shares_at_an_end(theta, theta.pack(theta.population({"Emax": 0.97}))) == []


@pytest.mark.parametrize(
    ("error", "numbers", "said"),
    [
        ("power = { coefficient = 0.2, exponent = 1 }", {"exponent": -0.02}, "exponent is not above 0"),
        ("additive = 0.2, box_cox = 0.5", {"box_cox": -6.0}, "box_cox is of no scale that values are measured on"),
        ("proportional = 0.2, df = 5", {"df": 400.0}, "df runs to infinity: residuals are normal"),
        (OUTLIERS, {"outlier_share": 1e-5}, "outlier_share runs to 0"),
        (OUTLIERS, {"outlier_widening": 1.0001}, "outlier_widening runs to 1"),
        ("proportional = 0.2, replicate_correlation = 0.5", {"replicate_correlation": 0.9999}, "runs to 1, the end"),
    ],
)
def test_a_number_of_an_error_at_its_end_is_named(error: str, numbers: dict[str, float], said: str) -> None:
    plain = toys.made({"k": "0.1 1/h 0.1"}, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg: A"})
    theta = Theta.of(parse_model(plain.text.replace("proportional = 0.2", error), "made.toml"))
    assert laws_at_an_end(theta, theta.pack(theta.start)) == []
    there = theta.population({f"error.plasma.{name}": value for name, value in numbers.items()})
    (found,) = laws_at_an_end(theta, theta.pack(there))
    assert found.startswith("error.plasma.")
    assert said in found


def test_a_likelihood_that_a_few_draws_decide_is_told_and_another_is_not() -> None:
    (said,) = uncovered_in_words(Exact(10.0, 20.0, 0.1, 1000, 0.0021))
    assert said.startswith("of somebody 2.1 of 1000 draws carry all the weight: -2 log likelihood")
    assert uncovered_in_words(Exact(10.0, 20.0, 0.1, 1000, COVERED)) == []


def test_a_kink_in_what_patients_differ_in_is_told_and_where_to_go() -> None:
    model = toys.made({"Y": "8 1 0.1", "T": "3 h 0.1"}, {"A": "mg: input(toxin)"}, {"crop": "1: Y*min(t/T, 1)"})
    (said,) = kinked_in_words(model)
    assert said.startswith("predictions have a kink in what patients differ in, min(t / T, 1): ")
    assert "fit by imp or saem" in said
    assert kinked_in_words(COAGULATION.start) == []


def test_numbers_that_ran_off_without_an_end_are_no_end_of_a_search() -> None:
    found = fit(no_plateau(3).cohort(), "focei", lambda *_: None)
    assert not found.converged
    assert found.state.why == "as EM, EC ran away"
    said = "\n".join(found.problems)
    assert "EC went on as far as the search did: its logarithm has a standard error of " in said
    assert "a slope for an effect whose most nobody came near" in said
