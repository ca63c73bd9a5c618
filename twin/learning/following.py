"""A patient's finished record folded under a version: what was expected of each value, and the message in the end.

The same assimilation as a running twin's, without estimates and forecasts on the way.
"""

from __future__ import annotations

from typing import NamedTuple

from twin.filter.belief import prior
from twin.filter.learning import learn
from twin.filter.trunk import Trunk
from twin.kernel.arguments import StepSizes
from twin.kernel.kernel import Kernel
from twin.learning.messages.message import Message, message_of
from twin.patient.accounts.initial_effects import InitialEffects, residuals_of
from twin.population.mixture.mixing import members_of
from twin.timeline.covariates import widened
from twin.timeline.timeline import Timeline


class Foreseen(NamedTuple):
    """One value and what was expected of it: output, value, predictive median, log score."""

    output: int
    value: float
    median: float
    log_score: float


def followed(
    kernel: Kernel, patient_id: str, timeline: Timeline, particles: int, step_sizes: StepSizes | None = None
) -> tuple[Message, tuple[Foreseen, ...]]:
    """The message of a patient whose record is ``timeline``, and every value as it was foreseen just before.

    Of a model with drift it is that before the past of the first particles was left behind.

    Raises:
        NoMessage: nothing varies in the model.
    """
    believed, foreseen = _believed(kernel, patient_id, timeline, particles, step_sizes)
    return message_of(patient_id, kernel.model, believed), foreseen


def message_from(
    kernel: Kernel, patient_id: str, timeline: Timeline, particles: int, step_sizes: StepSizes | None = None
) -> Message:
    """The message of a patient whose record is ``timeline``; of a mixture it is followed as one of each class.

    Raises:
        NoMessage: nothing varies in the model.
    """
    each = [_believed(kernel, patient_id, one, particles, step_sizes)[0] for one in members_of(kernel.model, timeline)]
    return message_of(patient_id, kernel.model, *each)


def _believed(
    kernel: Kernel, patient_id: str, timeline: Timeline, particles: int, step_sizes: StepSizes | None
) -> tuple[InitialEffects, tuple[Foreseen, ...]]:
    model, trunk = kernel.model, Trunk(kernel, patient_id, step_sizes=step_sizes)
    belief = prior(widened(model, timeline.widening), particles, patient_id)
    position = trunk.begin(timeline, belief)
    foreseen = []
    for observation in timeline.observations:
        position, met = learn(trunk, position, timeline, observation)
        if position.belief.layout.since is None:
            belief = position.belief
        foreseen.append(
            Foreseen(observation.output, observation.value, float(met.expected.quantiles[2]), met.log_evidence)
        )
    # The effects of a model that drifts, as they were before the past was left behind.
    eta = belief.eta[:, : len(model.eta_names)]
    rows = timeline.covariates
    known = timeline.widening, rows[-1], belief.log_evidence, belief.observations, rows.min(axis=0), rows.max(axis=0)
    residuals = residuals_of(trunk, timeline, belief)
    return InitialEffects(eta, belief.log_weight, *known, residuals), tuple(foreseen)
