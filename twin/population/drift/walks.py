"""Effects that drift, as a fit has them: increments that stay.

A drift adds N(0, drift * grid) to an effect at each point of its grid in event time (`twin.timeline.segments`). To a
fit these steps are what occasions are, each with a kappa of everything that drifts, but for two things: a kappa holds
from its step on, together with all before it, and counts by the root of the grid, so that its variance is the drift of
the model file, gained per unit of time.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twin.model.spec import Model
from twin.population.values import Level
from twin.timeline.segments import Segment, Segments


def walking(model: Model) -> Model:
    """The model whose kappas are those of its drift; the same model where nothing drifts.

    Raises:
        ValueError: it has occasions too.
    """
    if model.drift is None or (model.iov_names == model.eta_names and model.occasions is None):
        return model
    if model.occasions is not None:
        raise ValueError(
            f"{model.id} has occasions and a drift, and a fit takes one of them; leave [occasions] with iov, or [drift]"
            " with drift, out of the model file"
        )
    parameters = tuple(p if p.drift is None else replace(p, iov=p.drift) for p in model.parameters)
    gained = {p.name: p.drift for p in model.parameters if p.drift is not None}
    omega = np.diag([gained[name] for name in model.eta_names])
    omega.flags.writeable = False
    return replace(model, parameters=parameters, iov_names=model.eta_names, omega_iov=omega)


def root_of_grid(model: Model) -> float:
    """By which kappas of a drift count; 0 of occasions, whose kappas hold for themselves alone."""
    return 0.0 if model.drift is None else float(np.sqrt(model.drift.grid))


def begins_before(segments: Segments, millis: int) -> tuple[int, ...]:
    """When kappas begin (ms) that hold before an instant: those of a drift's steps, or of occasions."""
    return segments.occasions_before(millis) if segments.grid is None else segments.steps_before(millis)


def begin_of(segments: Segments, segment: Segment) -> int:
    """When the newest kappa of a segment began; `segments.EVER` before a drift's first step."""
    return segment.occasion if segments.grid is None else segment.step


def word_of(model: Model, level: Level) -> str:
    """What the names of a level's variances and covariances begin with, one of `values.VARIANCES`."""
    return "drift" if level == "iov" and model.drift is not None else level
