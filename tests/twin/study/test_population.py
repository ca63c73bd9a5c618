"""The population on a card: nine patients of ten in the band, along the regimen, for every output."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tests.twin.population.mixture.mixtures import treated
from tests.twin.toys import LEVELS
from twin.kernel.kernel import compile_model
from twin.modelfile.reader import parse_model
from twin.study.population import outlooks

TOY = parse_model(LEVELS, "toy.toml")


def test_levels_follow_their_courses_and_the_rest_the_whole_span() -> None:
    found = [(TOY.outputs[one.output].name, one.of_course) for one in outlooks(compile_model(TOY))]
    assert found == [("toxin_plasma", 1), ("toxin_plasma", 2), ("marker", 0)]


def test_the_typical_patient_is_the_closed_form_and_the_band_that_of_the_prior() -> None:
    first, last, marker = outlooks(compile_model(TOY))
    after = first.times > 1
    known = 90 / 6 * -np.expm1(-6 / 30) * np.exp(-6 / 30 * (first.times[after] - 1))
    np.testing.assert_allclose(first.typical[after], known, rtol=1e-6)
    assert last.times[0] == 840.0
    assert marker.times[[0, -1]].tolist() == [0.0, 1008.0]
    spread = stats.norm.ppf(0.95) * 0.2
    assert marker.low[0] == pytest.approx(5 * np.exp(-spread), rel=0.02)
    assert marker.high[0] == pytest.approx(5 * np.exp(spread), rel=0.02)
    for one in (first, last, marker):
        assert (one.low <= one.median).all()
        assert (one.median <= one.high).all()


def test_the_band_of_a_mixture_holds_all_its_classes() -> None:
    first, *_ = outlooks(compile_model(treated()))
    rng, at = np.random.default_rng(1), int(np.argmin(np.abs(first.times - 12.0)))
    slow = rng.random(200_000) < 0.4
    clearance = np.where(slow, 2.0, 6.0) * np.exp(rng.normal(0, 0.06**0.5, len(slow)))
    volume = 20.0 * np.exp(rng.normal(0, 0.2, len(slow)))
    drawn = np.quantile(100 / volume * np.exp(-clearance / volume * first.times[at]), [0.05, 0.5, 0.95])
    np.testing.assert_allclose([first.low[at], first.median[at], first.high[at]], drawn, rtol=0.1)
    assert first.typical[at] == pytest.approx(5.0 * np.exp(-0.1 * first.times[at]), rel=1e-6)


def test_without_a_regimen_everything_is_shown_along_the_span() -> None:
    text = LEVELS[: LEVELS.index("[[regimens]]")] + LEVELS[LEVELS.index("[cadence]") :]
    found = outlooks(compile_model(parse_model(text, "toy.toml")))
    assert [(one.output, one.of_course) for one in found] == [(0, 0), (1, 0)]
