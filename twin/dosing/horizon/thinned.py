"""Fewer particles of the same belief, drawn evenly by weight: for what is asked many times over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twin.patient.accounts.component import Component
from twin.randomness import generator
from twin.solver.cloud import Cloud


def thinned(components: Sequence[Component], particles: int) -> tuple[Component, ...]:
    """Components of about so many particles together, each as many as its share, with even weights.

    Chance is keyed by the patient and the time, so that the same twin gives the same ones.
    """
    return tuple(_fewer(one, max(1, round(one.share * particles)), number) for number, one in enumerate(components))


def _fewer(component: Component, particles: int, number: int) -> Component:
    position = component.position
    belief = position.belief
    if len(belief.eta) <= particles:
        return component
    rng = generator(component.trunk.patient_id, "fewer particles", component.millis, number)
    places = (np.arange(particles) + rng.random()) / particles
    index = np.minimum(np.searchsorted(np.cumsum(belief.weight), places), len(belief.eta) - 1)
    fewer = replace(belief, eta=belief.eta[index], log_weight=np.full(particles, -np.log(particles)))
    position = replace(
        position,
        belief=fewer,
        cloud=_taken(position.cloud, index),
        past=None if position.past is None else position.past[index],
        grid_cloud=_taken(position.grid_cloud, index),
    )
    return replace(component, position=position)


def _taken(cloud: Cloud | None, index: NDArray[np.int64]) -> Cloud | None:
    return None if cloud is None else replace(cloud, z=cloud.z[index], y=cloud.y[index])
