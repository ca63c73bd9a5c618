"""Fewer particles of the same belief, drawn evenly by weight: for what is asked many times over, or takes long.

Who is drawn several times is one particle of as much weight, so that an effective size, and with it every Monte-Carlo
error that is told, is of what is really there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twin.patient.accounts.component import Component
from twin.randomness import generator
from twin.solver.cloud import Cloud
from twin.solver.step_control import long_step_sizes

STIFF_PARTICLES = 320
"""Most particles by which the future of a stiff model is asked: 1,000 take 0.6 to 0.8 s of a core for six ways on. A
probability of one half has a standard error of 0.028 then, which is told beside it."""


def thinned(components: Sequence[Component], particles: int) -> tuple[Component, ...]:
    """Components of at most about so many particles together, each as many as its share.

    Chance is keyed by the patient and the time, so that the same twin gives the same ones.
    """
    return tuple(_fewer(one, max(1, round(one.share * particles)), number) for number, one in enumerate(components))


def affordable(components: Sequence[Component], most: int | None = None) -> tuple[Component, ...]:
    """The components by which a future is asked: of about ``most`` particles, by default all; of a stiff model of
    `STIFF_PARTICLES` at most."""
    kernels = [(component.trunk.kernel, component.trunk.step_sizes) for component in components]
    if any(long_step_sizes(kernel, step_sizes) is not None for kernel, step_sizes in kernels):
        most = min(STIFF_PARTICLES, most or STIFF_PARTICLES)
    return tuple(components) if most is None else thinned(components, most)


def _fewer(component: Component, particles: int, number: int) -> Component:
    position = component.position
    belief = position.belief
    if len(belief.eta) <= particles:
        return component
    rng = generator(component.trunk.patient_id, "fewer particles", component.millis, number)
    places = (np.arange(particles) + rng.random()) / particles
    drawn = np.minimum(np.searchsorted(np.cumsum(belief.weight), places), len(belief.eta) - 1)
    index, times = np.unique(drawn, return_counts=True)
    fewer = replace(belief, eta=belief.eta[index], log_weight=np.log(times / particles))
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
