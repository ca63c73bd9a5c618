"""What is learnt from messages is what maximum likelihood finds, whichever population the twins ran under."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.learning.known import CENTRES, OMEGA, anchor, exact_ml, message, natural, particles, ward
from twin.arrays import Floats
from twin.learning.contribution import reach
from twin.learning.estimation import Learnt, learnt
from twin.learning.messages.message import BadMessage
from twin.learning.population import Theta, particles_of
from twin.learning.sums import joined, sums_of

MEASURED, VARIANCE = ward(200)
SMALL = particles(MEASURED[:24], VARIANCE[:24], count=40)


@pytest.fixture(scope="module")
def wide() -> Learnt:
    """Learnt from twins that were enrolled under twice the published variance."""
    return learnt(anchor(), particles(MEASURED, VARIANCE, 1000, (np.zeros(2), 2 * OMEGA)))


@pytest.fixture(scope="module")
def best() -> tuple[Floats, Floats]:
    return exact_ml(MEASURED, VARIANCE)


def apart(found: Learnt, best: tuple[Floats, Floats]) -> float:
    """Largest difference in log typical values and covariances."""
    return max(float(np.abs(one - other).max()) for one, other in zip(natural(found.theta), best, strict=True))


def test_it_is_the_population_of_maximum_likelihood(best: tuple[Floats, Floats], wide: Learnt) -> None:
    few = learnt(anchor(), particles(MEASURED, VARIANCE, 100))
    assert few.settled
    assert apart(few, best) < 0.014
    assert apart(wide, best) < 0.002


def test_enrolled_under_a_wide_population_particles_reach_what_is_learnt(wide: Learnt) -> None:
    narrow = [reach(one, wide.theta) for one in particles(MEASURED, VARIANCE)]
    assert sum(not one.holds for one in narrow) > 3
    assert not wide.to_fold
    assert min(one.ess_share for one in wide.reached) > 0.15 > min(one.ess_share for one in narrow)


def test_messages_of_several_versions_are_used_together(best: tuple[Floats, Floats]) -> None:
    """Each patient is divided by the prior of the own twin: half of them ran under what was learnt before."""
    half = len(MEASURED) // 2
    later = np.array([0.2, -0.1]), np.array([[0.11, 0.0], [0.0, 0.04]])
    old = particles(MEASURED[:half], VARIANCE[:half], under=(np.zeros(2), 2 * OMEGA))
    new = [
        particles_of(message(f"Q{i}", m, v, 1000, later, i), anchor())
        for i, (m, v) in enumerate(zip(MEASURED[half:], VARIANCE[half:], strict=True))
    ]
    assert apart(learnt(anchor(), [*old, *new]), best) < 0.004


def test_a_characteristic_that_nobody_reported_widens_no_population() -> None:
    """Half of the patients differ by a weight that nobody knew; the population is that of the others."""
    rng = np.random.default_rng(8)
    phi = rng.standard_normal((400, 2)) @ np.linalg.cholesky(OMEGA).T
    unknown = np.where(np.arange(400) % 2 == 0, 0.16, 0.0)
    phi[:, 0] += np.sqrt(unknown) * rng.standard_normal(400)
    each = []
    for i, (row, widening) in enumerate(zip(phi, unknown, strict=True)):
        under = np.zeros(2), OMEGA + np.diag([widening, 0.0])
        said = message(f"P{i}", row, np.full(2, 0.01), 400, under, i)
        each.append(
            particles_of(type(said)(**{**vars(said), "omega": OMEGA, "widening": np.array([widening, 0.0])}), anchor())
        )
    omega = natural(learnt(anchor(), each).theta)[1]
    assert omega[0, 0] == pytest.approx(OMEGA[0, 0], rel=0.2)


def test_errors_are_those_of_the_likelihood(wide: Learnt) -> None:
    omega = natural(wide.theta)[1]
    information = sum(np.linalg.inv(omega + np.diag(v)) for v in VARIANCE)
    assert wide.errors.mean * anchor().sd == pytest.approx(np.sqrt(np.diag(np.linalg.inv(information))), rel=0.1)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(len(SMALL))), st.integers(0, len(SMALL)), st.integers(0, len(SMALL)))
def test_sites_in_any_order_and_split_learn_the_same_bits(order: list[int], one: int, two: int) -> None:
    theta = Theta(np.array([0.2, -0.1]), 1.2 * anchor().correlation)
    whole = sums_of(SMALL, theta)
    shuffled = [SMALL[i] for i in order]
    cuts = sorted((one, two))
    parts = [shuffled[: cuts[0]], shuffled[cuts[0] : cuts[1]], shuffled[cuts[1] :]]
    again = joined([sums_of(part, theta) for part in reversed(parts)])
    assert again.patients == whole.patients
    assert (again.total == whole.total).all()


def test_one_patient_counts_once() -> None:
    with pytest.raises(ValueError, match="patient P0: two messages; keep the latest"):
        learnt(anchor(), [SMALL[0], SMALL[0]])


def test_a_message_of_another_model_is_refused() -> None:
    said = message("P0", MEASURED[0], VARIANCE[0], 10, (np.zeros(2), OMEGA), 0)
    other = type(said)(**{**vars(said), "structure": "t"})
    with pytest.raises(BadMessage, match=r"patient P0: the message is of known .* no version of known"):
        particles_of(other, anchor())
    assert CENTRES.names == other.centres.names
