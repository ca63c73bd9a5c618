"""Fewer particles stand for the same belief."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.dosing.patients import infused
from twin.patient.accounts.thinned import affordable, thinned


def test_fewer_particles_have_the_same_mean_and_who_is_drawn_twice_weighs_twice() -> None:
    components = infused().components(None)
    fewer = thinned(components, 100)
    whole, part = components[0].position.belief, fewer[0].position.belief
    drawn = round(100 * components[0].share)
    assert len(np.unique(part.eta, axis=0)) == len(part.eta) <= drawn
    assert part.weight * drawn == pytest.approx(np.rint(part.weight * drawn))
    assert part.weight.sum() == pytest.approx(1.0)
    apart = np.abs(part.weight @ part.eta - whole.weight @ whole.eta)
    assert (apart < 4 * whole.eta.std(axis=0) / np.sqrt(len(part.eta))).all()
    assert thinned(components, 100)[0].position.belief.eta.tobytes() == part.eta.tobytes()


def test_all_particles_are_asked_of_a_model_that_is_not_stiff() -> None:
    components = infused().components(None)
    assert affordable(components) == tuple(components)


def test_a_belief_that_is_small_already_stays_as_it_is() -> None:
    (component, *_) = infused().components(None)
    assert thinned([component], 100_000)[0] is component
