"""Fewer particles stand for the same belief."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.dosing.patients import infused
from twin.dosing.horizon.thinned import thinned


def test_fewer_particles_have_the_same_mean_and_even_weights() -> None:
    components = infused().components(None)
    fewer = thinned(components, 100)
    whole, part = components[0].position.belief, fewer[0].position.belief
    assert len(part.eta) == round(100 * components[0].share)
    assert part.weight == pytest.approx(1.0 / len(part.eta))
    apart = np.abs(part.weight @ part.eta - whole.weight @ whole.eta)
    assert (apart < 4 * whole.eta.std(axis=0) / np.sqrt(len(part.eta))).all()
    assert thinned(components, 100)[0].position.belief.eta.tobytes() == part.eta.tobytes()


def test_a_belief_that_is_small_already_stays_as_it_is() -> None:
    (component, *_) = infused().components(None)
    assert thinned([component], 100_000)[0] is component
