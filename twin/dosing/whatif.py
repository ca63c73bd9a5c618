"""What if: branches of the future side by side, from the same particles and the same random numbers.

A level that might be measured weighs the particles by its likelihood, as if it had been: nothing is resampled, so that
``ess`` says how much is left to speak of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.dosing.branches import Branch, branch
from twin.dosing.futures import Future, as_planned, changed
from twin.dosing.outlook import Odds, along, odds
from twin.events import Band, ForecastBand
from twin.filter.belief import effective_size, normalised
from twin.filter.quantiles import quantiles
from twin.model.spec import Model, ToxicitySpec
from twin.observation.likelihood import log_likelihood
from twin.observation.observation import Observation
from twin.patient.accounts.component import Component
from twin.patient.ahead.toxicities import ahead_of
from twin.patient.averaged import AveragedTwin
from twin.patient.bands import band, forecast_times
from twin.patient.twin import PatientTwin

AS_PLANNED = "as planned"


@dataclass(frozen=True)
class ToxicityThen:
    """A toxicity on a branch: its odds within its horizon, and its worst value then."""

    toxicity: ToxicitySpec
    odds: Odds
    worst: Band


@dataclass(frozen=True)
class Foreseen:
    """A branch as it is foreseen.

    Attributes:
        words: of the branch.
        times: (T,) ms.
        outputs: bands of every output along them, without residual error.
        toxicities: within their horizons from now on.
        ess: effective number of particles behind it.
    """

    words: str
    times: NDArray[np.int64]
    outputs: tuple[ForecastBand, ...]
    toxicities: tuple[ToxicityThen, ...]
    ess: float


def what_if(twin: PatientTwin | AveragedTwin, branches: Sequence[str], now: int | None = None) -> tuple[Foreseen, ...]:
    """The future as planned, and each branch beside it; the twin stays as it is.

    Args:
        twin: that has observed the patient.
        branches: in words, see `twin.dosing.branches`.
        now: ms, not before its newest event, which it is by default.

    Raises:
        BranchError: words that cannot be used.
        ValueError: ``now`` lies before what was observed.
    """
    components = twin.components(now)
    model, at = components[0].trunk.kernel.model, components[0].millis
    planned = [as_planned(component, at) for component in components]
    found = [Branch(AS_PLANNED, ()), *(branch(words, model, at) for words in branches)]
    times = forecast_times(at, components[0].trunk.rhythm.horizon)
    return tuple(_foreseen(one, components, planned, times) for one in found)


def _foreseen(
    one: Branch, components: Sequence[Component], planned: Sequence[Future], times: NDArray[np.int64]
) -> Foreseen:
    at, model = components[0].millis, components[0].trunk.kernel.model
    marks = np.union1d(times, np.array([at + measured.after for measured in one.measured], dtype=np.int64))
    rows, weights = [], []
    for component, plan in zip(components, planned, strict=True):
        out = along(component, changed(component, at, plan, one.changes), plan, marks)
        rows.append(out[:, : len(model.outputs)])
        weights.append(
            np.log(component.share) + component.position.belief.log_weight + _told(one, component, out, marks)
        )
    log_weight, _ = normalised(np.concatenate(weights))
    weight, seen = np.exp(log_weight), np.concatenate(rows, axis=2)[np.isin(marks, times)]
    return Foreseen(
        one.words,
        times,
        _bands(model, seen, weight),
        tuple(_toxicity(toxicity, model, times, seen, weight) for toxicity in model.toxicities),
        effective_size(log_weight),
    )


def _told(one: Branch, component: Component, out: Floats, marks: NDArray[np.int64]) -> Floats:
    """Log-likelihood (N,) of what might be measured."""
    model, kernel = component.trunk.kernel.model, component.trunk.kernel
    found = np.zeros(out.shape[2])
    for measured in one.measured:
        at = component.millis + measured.after
        observation = Observation(at, "what if", measured.output, measured.value)
        predicted = kernel.read(out[int(np.searchsorted(marks, at))], measured.output)
        found += log_likelihood(model.outputs[measured.output], observation, predicted)
    return found


def _bands(model: Model, seen: Floats, weight: Floats) -> tuple[ForecastBand, ...]:
    found = []
    for i, output in enumerate(model.outputs):
        q05, q25, middle, q75, q95 = (tuple(column) for column in quantiles(seen[:, i], weight).T.tolist())
        found.append(
            ForecastBand(name=output.name, unit=output.unit, q05=q05, q25=q25, median=middle, q75=q75, q95=q95)
        )
    return tuple(found)


def _toxicity(
    toxicity: ToxicitySpec, model: Model, times: NDArray[np.int64], seen: Floats, weight: Floats
) -> ToxicityThen:
    ahead = ahead_of(toxicity, model, times, seen)
    worst = band(toxicity.output, toxicity.unit, ahead.worst, weight)
    return ToxicityThen(toxicity, odds(ahead.suffered > 0.0, weight), worst)
