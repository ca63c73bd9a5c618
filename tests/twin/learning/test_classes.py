"""Shares of classes that nobody sees, and what differs between them, are learnt as maximum likelihood has them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import optimize, special, stats

from tests.twin.population.mixture import mixtures
from twin.arrays import Floats
from twin.learning.contribution import reach
from twin.learning.draft import learnt_draft
from twin.learning.estimation import Learnt, learnt
from twin.learning.judgement import gains
from twin.learning.messages.message import BadMessage, Message, NoMessage, arrays_of, from_arrays, message_of, thinned
from twin.learning.messages.structure import centres_of, sizes_of, structure_of
from twin.learning.population import Particles, anchor_of, particles_of
from twin.learning.sums import as_json, from_json, joined, sums_of
from twin.model.spec import Model
from twin.patient.accounts.initial_effects import InitialEffects, Residuals

MODEL = mixtures.eliminated()
"""Clearance 2 L/h, three times as high in those 60 % who are fast; variances 0.06 and 0.04."""

PATIENTS, PARTICLES = 100, 400
SLOW, RATIO, SHIFT, OMEGA = 0.55, 2.6, np.array([0.1, -0.05]), np.diag([0.07, 0.035])
"""Of the ward."""

WEIGHT = np.array([[0.02, 0.05], [0.06, 0.02]])
"""Variances of what is measured of a patient's log clearance and volume: of every other one."""


@cache
def measured() -> Floats:
    """Log clearance and volume (n, 2) as they were measured, from the published ones of a slow patient."""
    rng = np.random.default_rng(11)
    fast = rng.random(PATIENTS) >= SLOW
    phi = SHIFT + rng.standard_normal((PATIENTS, 2)) @ np.sqrt(OMEGA)
    phi[fast, 0] += np.log(RATIO)
    return phi + np.sqrt(error(np.arange(PATIENTS))) * rng.standard_normal((PATIENTS, 2))


def error(number: object) -> Floats:
    """Variances of a patient's measurements, or of many."""
    return np.asarray(WEIGHT[np.asarray(number) % 2])


def numbers_of(model: Model) -> tuple[Floats, Floats, Floats]:
    """Means in each class (2, 2) from the published ones of a slow patient, Omega, and shares of a version."""
    shift = centres_of(model).at - centres_of(MODEL).at
    ratio = next(p.value for p in model.parameters if p.name == "ratio")
    assert model.mixture is not None
    return np.stack([shift, shift + np.array([np.log(ratio), 0.0])]), model.omega, np.array(model.mixture.shares)


def message(number: int, model: Model = MODEL, particles: int = PARTICLES) -> Message:
    """What a twin by a version says, whose posterior in each class is normal."""
    means, omega, _ = numbers_of(model)
    rng, noise, each = np.random.default_rng([number, 5]), np.diag(error(number)), []
    for mean in means:
        gain = omega @ np.linalg.inv(omega + noise)
        at, left = gain @ (measured()[number] - mean), omega - gain @ omega
        eta = at + rng.standard_normal((particles, 2)) @ np.linalg.cholesky(left).T
        evidence = stats.multivariate_normal.logpdf(measured()[number], mean, omega + noise)
        said = Residuals.none(particles, len(sizes_of(model).names))
        nothing = np.zeros(particles), np.zeros(2), np.ones(1), float(evidence), 2, np.ones(1), np.ones(1), said
        each.append(InitialEffects(eta, *nothing))
    return message_of(f"P{number}", model, *each)


@cache
def patients() -> list[Particles]:
    anchor = anchor_of(MODEL, learn=["ratio"])
    return [particles_of(message(number), anchor) for number in range(PATIENTS)]


def log_likelihood(means: Floats, omega: Floats, shares: Floats) -> Floats:
    """Of each patient (n,)."""
    whole = np.stack([omega + np.diag(one) for one in error(np.arange(PATIENTS))])
    away = measured()[:, None] - means
    inverse = np.linalg.inv(whole)
    terms = -0.5 * np.einsum("nki,nij,nkj->nk", away, inverse, away) - 0.5 * np.linalg.slogdet(whole)[1][:, None]
    return np.asarray(special.logsumexp(terms + np.log(shares), axis=1))


@cache
def exact() -> Floats:
    """Maximum likelihood by a general optimiser: two shifts, log ratio, two log variances, logit of the slow share."""

    def loss(x: Floats) -> float:
        means = np.stack([x[:2], x[:2] + np.array([x[2], 0.0])])
        slow = special.expit(x[5])
        return -float(log_likelihood(means, np.diag(np.exp(x[3:5])), np.array([slow, 1.0 - slow])).sum())

    begin = np.array([0.0, 0.0, np.log(3.0), np.log(0.06), np.log(0.04), np.log(2.0 / 3.0)])
    return np.asarray(optimize.minimize(loss, begin, method="BFGS", options={"gtol": 1e-3}).x)


@cache
def found() -> Learnt:
    return learnt(anchor_of(MODEL, learn=["ratio"]), patients())


def test_what_is_learnt_is_maximum_likelihood() -> None:
    """But for the error of 400 particles in each class: a tenth of a standard error or so."""
    one, anchor, best = found(), anchor_of(MODEL, learn=["ratio"]), exact()
    assert one.settled
    means, omega, shares = numbers_of(learnt_draft(MODEL, anchor, one.theta, "ward", "learnt"))
    assert means[0] == pytest.approx(best[:2], abs=0.01)
    assert means[1, 0] - means[0, 0] == pytest.approx(best[2], abs=0.02)
    assert np.diag(omega) == pytest.approx(np.exp(best[3:5]), abs=0.006)
    assert shares[0] == pytest.approx(special.expit(best[5]), abs=0.012)
    exactly = np.stack([best[:2], best[:2] + np.array([best[2], 0.0])]), np.diag(np.exp(best[3:5]))
    slow = special.expit(best[5])
    most = log_likelihood(*exactly, np.array([slow, 1.0 - slow])).sum()
    assert 0.0 <= most - log_likelihood(means, omega, shares).sum() < 0.05
    for of_share in one.errors.shares:
        assert 0.04 < of_share < 0.1, "some more than of 100 patients whose class is seen, 0.05"
    assert abs(shares[0] - SLOW) < 3 * one.errors.shares[0]
    assert len(one.to_fold) < 4


def test_the_gain_is_that_of_the_likelihood() -> None:
    anchor, best = anchor_of(MODEL, learn=["ratio"]), found().theta
    draft = learnt_draft(MODEL, anchor, best, "ward", "learnt")
    wanted = log_likelihood(*numbers_of(draft)) - log_likelihood(*numbers_of(MODEL))
    assert gains(patients(), best, anchor.published) == pytest.approx(wanted, abs=0.25)
    assert found().gain == pytest.approx(wanted.sum(), abs=0.5)


def test_messages_of_several_versions_are_used_together() -> None:
    """Two patients of three by the learnt version, where classes have other odds: what is learnt is the same."""
    anchor = anchor_of(MODEL, learn=["ratio"])
    draft = learnt_draft(MODEL, anchor, found().theta, "ward", "learnt")
    assert structure_of(draft) == structure_of(MODEL)
    mixed = [particles_of(message(n, draft), anchor) if n % 3 else one for n, one in enumerate(patients())]
    again = learnt(anchor, mixed)
    for one, other, near in zip(again.theta, found().theta, (0.04, 0.08, 0.01, 0.0, 0.01), strict=True):
        assert one == pytest.approx(other, abs=near)


def test_sites_that_share_sums_learn_the_same_to_the_last_bit() -> None:
    anchor, theta = anchor_of(MODEL, learn=["ratio"]), found().theta
    whole = sums_of(patients(), theta)
    parts = [sums_of(patients()[first::3], theta) for first in (2, 0, 1)]
    assert np.array_equal(joined(parts).total, whole.total)
    assert whole.of_classes.sum() == pytest.approx(PATIENTS)
    read, at, _ = from_json(as_json(whole, anchor.structure, theta, PATIENTS), anchor)
    assert (read.of_classes == whole.of_classes).all()
    assert (at.shares == theta.shares).all()


def test_shares_stay_as_published_where_that_is_asked_for() -> None:
    anchor = anchor_of(MODEL, hold=["SORT"], learn=["ratio"])
    held = learnt(anchor, [replace(one, anchor=anchor) for one in patients()[:40]])
    assert held.theta.shares.tolist() == [0.4, 0.6]
    assert held.errors.shares.tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="hold: SEX has no iiv in made; name some of CL, V, SORT"):
        anchor_of(MODEL, hold=["SEX"])


def test_a_message_says_the_class_of_each_particle_and_how_probable_it_is() -> None:
    said = message(3)
    again = from_arrays(arrays_of(said))
    assert (again.of_class == said.of_class).all()
    assert again.shares.names == ("slow", "fast")
    assert "SORT" not in again.covariates, "nobody knows it"
    terms = [
        stats.multivariate_normal.logpdf(measured()[3], mean, MODEL.omega + np.diag(error(3)))
        for mean in numbers_of(MODEL)[0]
    ]
    joint = np.log([0.4, 0.6]) + terms
    assert said.log_evidence == pytest.approx(np.logaddexp(*joint))
    probable = np.exp(said.log_weight)[said.of_class == 0].sum()
    assert probable == pytest.approx(np.exp(joint[0] - np.logaddexp(*joint)))
    fewer = thinned(said, 100)
    assert len(fewer.eta) <= 100
    assert np.exp(fewer.log_weight)[fewer.of_class == 0].sum() == pytest.approx(probable)
    with pytest.raises(BadMessage, match="of_class: names a class that is none"):
        from_arrays({**arrays_of(said), "message_of_class": np.full(len(said.eta), 2, np.uint8)})
    with pytest.raises(NoMessage, match="no value was measured yet"):
        message_of("P3", MODEL, None, None)


def test_an_improbable_class_needs_no_particles_that_reach() -> None:
    far = learnt_draft(
        MODEL, anchor_of(MODEL), anchor_of(MODEL).published._replace(shares=np.array([0.999999, 1e-6])), "far", "x"
    )
    theta = anchor_of(MODEL).theta_of(far)
    assert theta.shares[0] == pytest.approx(0.999999)
    clearly_slow = min(range(PATIENTS), key=lambda n: measured()[n, 0])
    assert reach(patients()[clearly_slow], theta).holds
