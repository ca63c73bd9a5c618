"""Values measured together, in a linear normal model: the belief, its evidence and what it foresees are on paper."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.twin.bedside import follow_up, ms, quantity
from tests.twin.observation.together import PLACE, VARIANCES, design_of, measured, model, scatter_of
from tests.twin.timeline.records import history_of
from twin.arrays import Floats
from twin.filter.belief import prior
from twin.filter.learning import Assimilated, learn
from twin.filter.modes.objective import LEAST_LOG_LIKELIHOOD
from twin.filter.posthoc import post_hoc, posterior_mode
from twin.filter.trunk import Trunk, TrunkPosition
from twin.kernel.kernel import compile_model
from twin.observation.observation import by_themselves, in_turn
from twin.solver.step_control import step_sizes_for
from twin.timeline.timeline import Timeline, build

KERNEL = compile_model(model())
ERRORS = [output.error for output in KERNEL.model.outputs]
HOURS = (1.0, 3.0, 8.0)
EVERY = [0, 1, 2]
ORDERS = list(itertools.permutations(EVERY))

Value = tuple[float, int, float]
"""Hour, output and value."""


def drawn(seed: int = 4) -> list[Value]:
    """Of somebody who lies well off the typical patient."""
    rng, found, who = np.random.default_rng(seed), list[Value](), PLACE + np.array([0.9, -2.5])
    for hour in HOURS:
        values = rng.multivariate_normal(design_of(hour, EVERY) @ who, scatter_of(EVERY))
        found += [(hour, output, float(values[output])) for output in EVERY]
    return found


def line(values: list[Value], order: tuple[int, ...] = (0, 1, 2)) -> Timeline:
    """A record; those of one instant in this order of outputs."""
    found = build(history_of([follow_up(0.0), *(measured(*one) for one in values)]), KERNEL)
    assert found is not None
    ordered = sorted(found.observations, key=lambda o: (o.millis, order.index(o.output)))
    return replace(found, observations=in_turn(ordered, ERRORS))


def exact(values: list[Value], correlation: float = 0.8) -> tuple[Floats, Floats, float]:
    """Mean (2,) and covariance (2, 2) of eta, and log p(values)."""
    design = np.vstack([design_of(hour, [output]) for hour, output, _ in values])
    scatter = np.array(
        [[scatter_of([o, p], correlation)[0, 1] if h == g else 0.0 for g, p, _ in values] for h, o, _ in values]
    ) if values else np.zeros((0, 0))  # fmt: skip
    y = np.array([value for *_, value in values]) - design @ PLACE
    whole = design @ np.diag(VARIANCES) @ design.T + scatter
    covariance = np.linalg.inv(np.diag(1.0 / VARIANCES) + design.T @ np.linalg.inv(scatter) @ design)
    mean = covariance @ design.T @ np.linalg.inv(scatter) @ y
    return mean, covariance, float(stats.multivariate_normal(cov=whole).logpdf(y))


def followed(timeline: Timeline, particles: int = 2000) -> tuple[TrunkPosition, list[Assimilated]]:
    trunk = Trunk(KERNEL, "P-1")
    position, met = trunk.begin(timeline, prior(KERNEL.model, particles, "P-1")), []
    for observation in timeline.observations:
        position, one = learn(trunk, position, timeline, observation)
        met.append(one)
    return position, met


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_belief_and_its_evidence_are_exact_whichever_of_them_came_first(order: tuple[int, ...]) -> None:
    mean, covariance, evidence = exact(drawn())
    position, met = followed(line(drawn(), order))
    belief = position.belief
    found = belief.weight @ belief.eta
    apart = belief.eta - found
    sd = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((found - mean) / sd, 0.0, atol=0.04)
    np.testing.assert_allclose((apart * belief.weight[:, None]).T @ apart / np.outer(sd, sd),
                               covariance / np.outer(sd, sd), atol=0.06)  # fmt: skip
    assert belief.log_evidence == pytest.approx(evidence, abs=0.03)
    assert sum(one.log_evidence for one in met) == pytest.approx(belief.log_evidence)


def test_each_taken_by_itself_they_would_say_something_else() -> None:
    """What is exact in these tests would not be without the correlation."""
    apart = replace(model(), outputs=tuple(replace(o, error=replace(o.error, beside=())) for o in model().outputs))
    timeline = line(drawn())
    alone = replace(timeline, observations=by_themselves(timeline.observations))
    found = post_hoc(compile_model(apart), step_sizes_for(KERNEL, {}), alone)
    mean, covariance, evidence = exact(drawn())
    assert np.abs((found.eta - mean) / np.sqrt(np.diag(covariance))).max() > 0.2
    assert np.abs(np.diag(found.covariance) / np.diag(covariance) - 1.0).max() > 0.2
    assert abs(found.ofv + 2.0 * evidence + len(alone.observations) * np.log(2 * np.pi)) > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_each_is_foreseen_given_those_before_it(order: tuple[int, ...]) -> None:
    """Quantiles, PIT and log score of the predictive normal: of a value given all that were met before."""
    timeline = line(drawn(), order)
    _, met = followed(timeline)
    before: list[Value] = []
    for one in met:
        o = one.observation
        hour, value = (o.millis - ms(0.0)) / 3.6e6, o.value
        expected = _foreseen(before, hour, o.output)
        before.append((hour, o.output, value))
        middle, sd = expected.mean(), expected.std()
        np.testing.assert_allclose((one.expected.quantiles[2] - middle) / sd, 0.0, atol=0.06)
        assert np.ptp(one.expected.quantiles) == pytest.approx(expected.ppf(0.95) - expected.ppf(0.05), rel=0.06)
        assert one.expected.pit == pytest.approx(expected.cdf(value), abs=0.03)
        assert one.expected.innovation == pytest.approx((value - middle) / sd, abs=0.1)
        assert one.log_evidence == pytest.approx(expected.logpdf(value), abs=0.05)


@pytest.mark.parametrize("order", ORDERS)
def test_the_mode_and_its_covariance_are_exact_in_any_order(order: tuple[int, ...]) -> None:
    mean, covariance, evidence = exact(drawn())
    timeline, sizes = line(drawn(), order), step_sizes_for(KERNEL, {})
    found = post_hoc(KERNEL, sizes, timeline)
    np.testing.assert_allclose(found.eta, mean, atol=1e-4)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-4)
    # -2 log p(values), as NONMEM leaves log(2 pi) of every value out.
    assert found.ofv == pytest.approx(-2.0 * evidence - len(timeline.observations) * np.log(2 * np.pi), abs=1e-4)


def test_one_alone_and_what_is_known_by_a_limit_count_by_themselves() -> None:
    values = drawn()
    without = [one for one in values if one[:2] not in {(1.0, 1), (1.0, 2)}]
    mean, _, _ = exact(without)
    found = post_hoc(KERNEL, step_sizes_for(KERNEL, {}), line(without))
    np.testing.assert_allclose(found.eta, mean, atol=1e-4)
    limited = measured(1.0, 1, 15.0, below_lloq=True, lloq=quantity(15.0, "mg/L"))
    history = history_of([follow_up(0.0), measured(*values[0]), limited, measured(*values[2])])
    timeline = build(history, KERNEL)
    assert timeline is not None
    assert {o.output: o.reads for o in timeline.observations} in (
        {0: (0,), 1: (1,), 2: (2, 0)},
        {0: (0, 2), 1: (1,), 2: (2,)},
    )


@pytest.mark.slow
def test_a_value_that_nobody_explains_takes_nothing_from_those_beside_it() -> None:
    """A parent level mistyped by a factor of a thousand: the metabolite counts as if it stood alone."""
    values = [(1.0, 0, 5000.0), (1.0, 1, 17.0)]
    position, (wrong, right) = followed(line(values))
    assert wrong.log_evidence == pytest.approx(LEAST_LOG_LIKELIHOOD)
    known = _foreseen([], 1.0, 1)
    assert right.log_evidence == pytest.approx(known.logpdf(17.0), abs=0.05)
    assert np.abs((right.expected.quantiles[2] - known.mean()) / known.std()) < 0.06
    mean, covariance, _ = exact(values[1:])
    belief = position.belief
    np.testing.assert_allclose((belief.weight @ belief.eta - mean) / np.sqrt(np.diag(covariance)), 0.0, atol=0.05)


@pytest.mark.slow
def test_the_mode_of_a_belief_is_that_of_its_values() -> None:
    timeline = line(drawn())
    position, _ = followed(timeline, 200)
    found = posterior_mode(KERNEL, step_sizes_for(KERNEL, {}), position.belief, timeline)
    mean, covariance, _ = exact(drawn())
    np.testing.assert_allclose(found.eta, mean, atol=1e-3)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-3)


def _foreseen(before: list[Value], hour: float, output: int) -> stats.rv_continuous:
    """The normal of a value given earlier ones, some perhaps of the same instant."""
    everything = [*before, (hour, output, 0.0)]
    design = np.vstack([design_of(h, [o]) for h, o, _ in everything])
    whole = design @ np.diag(VARIANCES) @ design.T
    whole += [[scatter_of([o, p])[0, 1] if h == g else 0.0 for g, p, _ in everything] for h, o, _ in everything]
    place = design @ PLACE
    y = np.array([value for *_, value in before]) - place[:-1]
    slope = np.linalg.solve(whole[:-1, :-1], whole[:-1, -1])
    return stats.norm(place[-1] + slope @ y, np.sqrt(whole[-1, -1] - slope @ whole[:-1, -1]))
