"""Draws depend on the patient and the seed alone, and have the moments that are asked for."""

from __future__ import annotations

import numpy as np
from scipy import stats

from twin.population.importance.draws import DF, SPREAD, Proposals, even_draws, moments, paired_draws


def test_a_patient_has_the_same_draws_in_any_company() -> None:
    for made in (even_draws, paired_draws):
        np.testing.assert_array_equal(made(["a", "b"], 1, 64, 2)[1], made(["b"], 1, 64, 2)[0])
        assert not np.array_equal(made(["a"], 1, 64, 2), made(["b"], 1, 64, 2))
        assert not np.array_equal(made(["a"], 1, 64, 2), made(["a"], 2, 64, 2))


def test_draws_are_those_of_student() -> None:
    draws = even_draws(["a"], 1, 4096, 2)[0]
    np.testing.assert_allclose(draws.mean(axis=0), 0.0, atol=0.01)
    np.testing.assert_allclose(draws.var(axis=0), DF / (DF - 2), rtol=0.05)
    assert stats.kstest(draws[:, 0], stats.t(DF).cdf).pvalue > 0.01


def test_pairs_lie_side_by_side() -> None:
    draws = paired_draws(["a"], 1, 10, 3)
    np.testing.assert_array_equal(draws[:, 0::2], -draws[:, 1::2])


def test_the_density_is_that_of_the_draws() -> None:
    covariance = np.array([[[0.4, 0.1], [0.1, 0.2]]])
    proposals = Proposals.around(np.array([[0.3, -0.2]]), covariance, np.eye(2))
    standard = even_draws(["a"], 1, 8, 2)
    law = stats.multivariate_t(proposals.mean[0], proposals.factor[0] @ proposals.factor[0].T, DF)
    np.testing.assert_allclose(proposals.log_density(standard)[0], law.logpdf(proposals.drawn(standard)[0]), rtol=1e-10)


def in_two_parts() -> Proposals:
    """Of three patients, the second in two parts."""
    whole = Proposals(np.zeros((3, 2)), np.repeat(np.eye(2)[None], 3, axis=0))
    means, factors = np.array([[1.0, 0.0], [-2.0, 1.0]]), np.array([[[0.5, 0.0], [0.2, 0.4]], [[2.0, 0.0], [0.0, 1.0]]])
    return whole.in_parts({1: (means, factors)})


def test_half_of_the_draws_are_of_each_part_with_the_density_of_both() -> None:
    proposals, standard = in_two_parts(), paired_draws(["a", "b", "c"], 1, 1000, 2)
    drawn = proposals.drawn(standard)
    np.testing.assert_array_equal(drawn[[0, 2]], standard[[0, 2]])
    for k, part in enumerate((slice(0, 500), slice(500, 1000))):
        mean, factor = (one[k] for one in proposals.parts()[1])
        np.testing.assert_allclose(drawn[1, part], mean + standard[1, part] @ factor.T)
    laws = [stats.multivariate_t(m, f @ f.T, DF) for m, f in zip(*proposals.parts()[1], strict=True)]
    both = np.logaddexp(*(law.logpdf(drawn[1]) for law in laws)) - np.log(2.0)
    np.testing.assert_allclose(proposals.log_density(standard)[1], both, rtol=1e-10)
    np.testing.assert_array_equal(
        proposals.log_density(standard)[0], proposals.of(np.array([0])).log_density(standard[:1])[0]
    )


def test_both_parts_make_the_covariance() -> None:
    means, factors = in_two_parts().parts()[1]
    each = factors @ factors.swapaxes(1, 2) / SPREAD**2
    middle = means.mean(axis=0)
    whole = sum(0.5 * (one + np.outer(m - middle, m - middle)) for one, m in zip(each, means, strict=True))
    np.testing.assert_allclose(in_two_parts().covariance[1], whole)


def test_parts_go_with_their_patient() -> None:
    proposals = in_two_parts()
    assert list(proposals.of(np.array([1, 2])).parts()) == [0]
    back = proposals.replaced(np.array([0, 1]), proposals.of(np.array([1, 2])))
    assert list(back.parts()) == [0]
    np.testing.assert_array_equal(back.parts()[0][0], proposals.parts()[1][0])
    assert proposals.replaced(np.array([1]), proposals.of(np.array([0]))).others is None


def test_what_is_no_covariance_is_replaced_by_the_prior() -> None:
    broken = np.array([[[1.0, 2.0], [2.0, 1.0]], [[np.nan, 0.0], [0.0, 1.0]]])
    proposals = Proposals.around(np.zeros((2, 2)), broken, np.diag([4.0, 9.0]))
    np.testing.assert_allclose(proposals.factor[0] / proposals.factor[0, 0, 0], np.diag([1.0, 1.5]))
    np.testing.assert_allclose(proposals.factor[0], proposals.factor[1])


def test_moments_are_weighted() -> None:
    draws, share = np.array([[[1.0], [3.0]]]), np.array([[0.25, 0.75]])
    mean, square = moments(draws, share)
    assert (mean[0, 0], square[0, 0, 0]) == (2.5, 0.25 + 6.75)
