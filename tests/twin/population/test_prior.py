"""A prior is a penalty whose derivatives are right, and that holds numbers which the data do not tell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.twin.population.mixture.mixtures import eliminated, levels, measured
from tests.twin.population.test_objective import objective, oral
from twin.modelfile.reader import parse_model
from twin.population.importance.climbing import climb
from twin.population.importance.density import Density
from twin.population.laplace.methods import usual_objective
from twin.population.prior import Known, Prior, PriorError
from twin.population.sampling import saem
from twin.population.sampling.gibbs import sampled
from twin.population.search import State, bounds, search
from twin.population.theta import Theta

THETA = Theta.of(oral())

POWER = "power = { coefficient = 0.2, exponent = 0.7 }"

CONTENT: dict[str, Any] = {
    "source": "made up for a test",
    "numbers": {
        "ka": {"value": 1.0, "se": 0.2},
        "V": {"value": 10.0, "se": 1.0},
        "omega.k": {"value": 0.09, "se": 0.02},
        "omega.V": {"value": 0.06, "degrees": 30},
        "omega.k.V": {"value": 0.01},
        "error.plasma.proportional": {"value": 0.15, "se": 0.02},
    },
}

PRIOR = Prior.read(CONTENT)


def changed(name: str, **table: object) -> dict[str, Any]:
    return CONTENT | {"numbers": CONTENT["numbers"] | {name: table}}


def test_it_is_minus_two_log_density_of_what_was_published_but_for_a_constant() -> None:
    """Held against scipy's densities, at two vectors, since constants are left out."""
    first = THETA.pack(THETA.start)
    second = first + np.linspace(-0.2, 0.3, len(first))

    def expected(vector: np.ndarray) -> float:
        natural = dict(zip(THETA.names, THETA.natural(vector).tolist(), strict=True))
        omega = THETA.unpack(vector).omega
        s2 = natural["error.plasma.proportional"] ** 2
        nu = 0.5 * (0.15 / 0.02) ** 2 + 1
        log = stats.norm.logpdf(natural["ka"], 1.0, 0.2) + stats.norm.logpdf(natural["V"], 10.0, 1.0)
        log += stats.invwishart.logpdf(omega, 30, 30 * np.array([[0.09, 0.01], [0.01, 0.06]]))
        log += stats.invwishart.logpdf(s2, nu, nu * 0.15**2)
        return -2.0 * float(log)

    apart = PRIOR.at(THETA, second).value - PRIOR.at(THETA, first).value
    assert apart == pytest.approx(expected(second) - expected(first), rel=1e-9)


def test_its_derivatives_are_what_differences_say() -> None:
    vector = THETA.pack(THETA.start)
    found = PRIOR.at(THETA, vector)
    for at in range(len(vector)):
        step = 1e-5 * np.eye(len(vector))[at]
        difference = (PRIOR.at(THETA, vector + step).value - PRIOR.at(THETA, vector - step).value) / 2e-5
        assert found.gradient[at] == pytest.approx(difference, rel=1e-5, abs=1e-6)
    assert np.linalg.eigvalsh(found.curvature)[0] > -1e-9


def test_of_an_exponent_it_is_normal_and_a_narrow_one_holds_it() -> None:
    power = parse_model(oral().text.replace("proportional = 0.2", POWER), "made.toml")
    theta, name = Theta.of(power), "error.plasma.exponent"
    known = Prior.read({"source": "made up", "numbers": {name: {"value": -0.1, "se": 0.2}}})
    at, vector = theta.names.index(name), theta.pack(theta.start)
    found = known.at(theta, vector)
    assert found.value == pytest.approx(((0.7 + 0.1) / 0.2) ** 2)
    assert found.gradient[at] == pytest.approx(2 * 0.8 / 0.04)
    assert np.count_nonzero(found.gradient) == 1
    of, narrow = objective(power), Prior((Known(name, 0.4, se=1e-4),), "here")
    of.cohort.theta = of.cohort.theta.with_prior(narrow)
    _, here = search(of, State(vector), lambda *_: None, bounds(theta))
    assert theta.natural(here.vector)[at] == pytest.approx(0.4, abs=1e-3)
    with pytest.raises(PriorError, match="degrees are of a variance or the size of an error; write se"):
        Prior.read({"source": "made up", "numbers": {name: {"value": 0.5, "degrees": 20}}})
    heavy = Theta.of(parse_model(oral().text.replace("proportional = 0.2", "proportional = 0.2, df = 5"), "made.toml"))
    with pytest.raises(PriorError, match=r"error\.plasma\.df is 1\.5; it lies between 2 and inf"):
        heavy.with_prior(Prior((Known("error.plasma.df", 1.5, se=0.2),), "here"))


SHARE = {"share.slow": {"value": 0.3, "se": 0.05}}  # 0.3 * 0.7 / 0.05^2 = 84 patients


def test_shares_are_known_as_if_more_patients_had_been_told_apart() -> None:
    theta, known = Theta.of(eliminated()), Prior.read({"source": "made up", "numbers": SHARE})
    known.check(theta)
    np.testing.assert_allclose(known.shares(theta), [25.2, 58.8])
    vector = theta.pack(theta.start)
    (at,) = theta.shares
    found, other = (known.at(theta, vector + by * np.eye(len(vector))[at]) for by in (0.0, 0.7))
    share, there = (theta.unpack(vector + by * np.eye(len(vector))[at]).shares for by in (0.0, 0.7))
    law = stats.beta(25.2 + 1.0, 58.8 + 1.0)
    assert other.value - found.value == pytest.approx(-2.0 * (law.logpdf(there[0]) - law.logpdf(share[0])))
    up, down = (known.at(theta, vector + side * np.eye(len(vector))[at] * 1e-5) for side in (1.0, -1.0))
    assert found.gradient[at] == pytest.approx((up.value - down.value) / 2e-5, rel=1e-6)
    assert found.curvature[at, at] == pytest.approx((up.gradient - down.gradient)[at] / 2e-5, rel=1e-5)
    three = eliminated().text.replace("slow = 1, fast = 2", "slow = 1, fast = 2, none = 3")
    of_three = Theta.of(parse_model(three.replace("fast = 0.6", "fast = 0.5, none = 0.1"), "made.toml"))
    with pytest.raises(PriorError, match=r"share\.fast is missing; shares of classes are known together"):
        of_three.with_prior(known)
    with pytest.raises(PriorError, match="each is more than 0, and they leave some to the last"):
        theta.with_prior(Prior.read({"source": "made up", "numbers": {"share.slow": {"value": 1.2, "se": 0.1}}}))


@pytest.mark.parametrize("method", ["modes", "saem", "bayes"])
def test_a_share_that_is_all_but_certain_holds_by_every_method(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for steps, fewer in (("COOLED", 5), ("WINDOW", 20), ("MOST", 20), ("SMOOTHED", 40)):
        monkeypatch.setattr(saem, steps, fewer)
    cohort = measured(levels(), fixed=("k", "shift", "omega.shift", "error.plasma.additive"))
    certain = Prior.read({"source": "made up", "numbers": {"share.slow": {"value": 0.3, "se": 0.002}}})
    theta = cohort.theta = cohort.theta.with_prior(certain)
    start = theta.pack(theta.start)
    if method == "modes":
        share = theta.natural(search(usual_objective(cohort), State(start), lambda *_: None)[1].vector)[-1]
    elif method == "saem":
        share = theta.natural(saem.settle(Density(cohort), start).vector)[-1]
    else:
        found = sampled(Density(cohort), start, warm=5, kept=40, most=40)
        share = found.mean[-1]
        assert 0.001 < found.sd[-1] < 0.004
    assert share == pytest.approx(0.3, abs=0.003)


def test_a_standard_error_of_a_variance_says_its_degrees_of_freedom() -> None:
    assert Known("omega.CL", 0.09, 0.03).freedom == pytest.approx(19.0)
    # The square of a standard deviation has a standard error of 2 s SE.
    assert Known("error.plasma.additive", 0.3, 0.05).freedom == pytest.approx(Known("omega.CL", 0.09, 0.03).freedom)


def test_three_patients_learn_little_beyond_what_is_known_and_a_certain_prior_holds() -> None:
    of = objective(oral())
    certain = {one.name: replace(one, se=None if one.se is None else one.se / 50) for one in PRIOR.known}
    certain["omega.V"] = replace(certain["omega.V"], degrees=5000.0)
    prior = Prior(tuple(certain.values()), PRIOR.source)
    theta = of.cohort.theta = of.cohort.theta.with_prior(prior)
    state, here = search(of, State(theta.pack(theta.start)), lambda *_: None, bounds(theta))
    assert state.why == "converged"
    assert here.prior is not None
    assert here.total == pytest.approx(here.ofv.sum() + here.prior.value)
    found = dict(zip(theta.names, theta.natural(here.vector).tolist(), strict=True))
    for one in prior.known:
        assert found[one.name] == pytest.approx(one.value, rel=0.05, abs=1e-3)
    # By importance sampling too.
    climbed = climb(Density(of.cohort), here.vector)
    np.testing.assert_allclose(theta.natural(climbed.vector)[:3], theta.natural(here.vector)[:3], rtol=0.1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"numbers": CONTENT["numbers"]}, "source is missing"),
        ({"source": "x"}, "numbers is missing"),
        (CONTENT | {"sauce": 1}, "'sauce' is nothing that a prior says"),
        (CONTENT | {"CL": {"value": 5}}, r"it has source and numbers; write \[numbers.CL\], with value and se"),
        (changed("ka", value=1.0), "ka: se is missing"),
        (changed("ka", value="one", se=0.1), "ka: value is 'one'; write a number"),
        (changed("ka", value=1.0, se=0.1, degrees=4), "ka: degrees are of a variance or the size of an error"),
        (changed("omega.k", value=0.09, se=0.0), "omega.k: se is 0; it must be greater than 0"),
        (changed("omega.k", value=0.09, rse=10), "'rse' is nothing that is known of a number"),
    ],
)
def test_what_cannot_be_read_is_named(content: dict[str, Any], said: str) -> None:
    with pytest.raises(PriorError, match=said):
        Prior.read(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (changed("CL", value=1.0, se=0.1), "'CL' is no free number of made; it has ka"),
        (changed("omega.k", value=0.09, se=0.2), "have 1.4 degrees of freedom, less than 3"),
        (changed("omega.k.V", value=0.5), "is not positive definite"),
        ({"source": "x", "numbers": {"omega.k": {"value": 0.1, "degrees": 9}}}, "omega.V is missing"),
    ],
)
def test_what_does_not_suit_the_model_is_named(content: dict[str, Any], said: str) -> None:
    with pytest.raises(PriorError, match=said):
        THETA.with_prior(Prior.read(content))
