"""Peaks of a posterior are all found, near enough and with their weights, whether the cloud knows of them or not."""

from __future__ import annotations

import numpy as np
import pytest

from twin.arrays import Floats
from twin.filter.modes.descents import Response
from twin.filter.modes.peaks import LEAST_MASS, Peaks, seek
from twin.filter.modes.starts import starts_worth
from twin.randomness import generator

PRECISION = np.diag([1.0, 1.0])
SPREAD = 0.05


def two_rates(share: float) -> object:
    """Sum 0.5 and product -2 of two effects were measured, within `SPREAD`: which is which, only ``share`` tells.

    The peak at which the second is the larger has that part of the weight.
    """
    tilt = np.log(share / (1.0 - share)) / (0.5**2 + 8.0) ** 0.5

    def respond(eta: Floats) -> Response:
        seen = np.array([eta[:, 0] + eta[:, 1] - 0.5, eta[:, 0] * eta[:, 1] + 2.0]) / SPREAD
        loss = 0.5 * (seen**2).sum(axis=0) - 0.5 * tilt * (eta[:, 1] - eta[:, 0])
        return Response(loss, seen, np.ones_like(seen))

    return respond


def first_only(respond: object) -> tuple[Floats, Floats]:
    """A cloud (500, 2) of the peak at which the first effect is the larger, and its log densities."""
    centre = np.array([0.25 + 0.5 * 8.25**0.5, 0.25 - 0.5 * 8.25**0.5])
    eta = centre + 0.02 * generator("cloud").standard_normal((500, 2))
    return eta, -respond(eta).loss - 0.5 * (eta * eta).sum(axis=1)  # type: ignore[operator]


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01])
def test_a_peak_of_which_the_cloud_knows_nothing_is_found_with_its_weight(share: float) -> None:
    respond = two_rates(share)
    for key in range(10):
        found = seek(respond, PRECISION, *first_only(respond), generator("seek", key))  # type: ignore[arg-type]
        second = found.centre[:, 1] > found.centre[:, 0]
        assert len(found.mass) == 2
        assert found.mass[second].sum() == pytest.approx(share, rel=0.15)
        np.testing.assert_allclose(found.centre[second][0], [-1.186, 1.686], atol=0.05)


def test_the_heaviest_is_first_and_what_weighs_nothing_is_none() -> None:
    respond = two_rates(0.2)
    found = seek(respond, PRECISION, *first_only(respond), generator("seek"))  # type: ignore[arg-type]
    assert (np.diff(found.mass) < 0).all()
    assert found.mass.sum() == pytest.approx(1.0)
    lightest = two_rates(0.1 * LEAST_MASS)
    assert len(seek(lightest, PRECISION, *first_only(lightest), generator("seek")).mass) == 1  # type: ignore[arg-type]


def test_what_cannot_be_anywhere_has_no_peak() -> None:
    def impossible(eta: Floats) -> Response:
        nothing = np.zeros((1, len(eta)))
        return Response(np.full(len(eta), np.inf), nothing, nothing)

    eta = generator("cloud").standard_normal((50, 2))
    found = seek(impossible, PRECISION, eta, np.full(50, -np.inf), generator("seek"))
    assert (found.centre.shape, found.factor.shape, found.mass.shape) == ((0, 2), (0, 2, 2), (0,))


def test_particles_belong_to_the_peak_that_is_nearest_in_its_own_standard_deviations() -> None:
    peaks = Peaks(np.array([[0.0], [3.0]]), np.array([[[2.0]], [[0.1]]]), np.array([0.5, 0.5]))
    assert peaks.nearest(np.array([[-1.0], [2.0], [2.9], [5.0]])).tolist() == [0, 0, 1, 0]


def test_a_wide_prior_is_worth_more_starts_within_what_they_may_cost() -> None:
    narrow, wide = (starts_worth(np.eye(3) / variance, 96) for variance in (0.1, 1.0))
    assert narrow < wide <= 24
    assert starts_worth(np.eye(20), 96) == 4
    assert starts_worth(np.eye(200), 96) >= 2
