"""What if: branches of the future side by side, from the same particles and the same random numbers.

A level that might be measured weighs the particles by its likelihood, as if it had been: nothing is resampled, so that
``ess`` says how much is left to speak of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.dosing.branches import Branch, BranchError, branch, refused
from twin.dosing.futures import Change, Future, Upcoming, as_planned, changed
from twin.dosing.outlook import Odds, along, odds, stated_alike
from twin.events import Band, ForecastBand
from twin.filter.belief import effective_size, normalised
from twin.filter.quantiles import quantiles
from twin.model.spec import Model, OutputSpec, ToxicitySpec
from twin.observation.likelihood import log_likelihood
from twin.observation.observation import Observation
from twin.patient.accounts.component import Component
from twin.patient.accounts.thinned import affordable
from twin.patient.ahead.toxicities import ahead_of
from twin.patient.averaged import AveragedTwin
from twin.patient.bands import band, forecast_times
from twin.patient.twin import PatientTwin
from twin.wording import say

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
    plan = BesidePlan(twin.components(now))
    found = [plan.branch(words) for words in branches]
    return (plan.as_planned(), *map(plan.foresee, found))


class BesidePlan:
    """Branches beside the plan, of a belief that is a mixture of ``components``, each solved when it is asked for.

    Args:
        components: of the belief.
        most: particles by which each is foreseen, about; by default all.
    """

    def __init__(self, components: Sequence[Component], most: int | None = None) -> None:
        self._components = affordable(components, most)
        self._now = components[0].millis
        self._planned = [as_planned(component, self._now) for component in self._components]
        self.times = forecast_times(self._now, components[0].trunk.rhythm.horizon)

    def as_planned(self) -> Foreseen:
        """The future if nothing is changed."""
        return self.foresee(Branch(AS_PLANNED, ()))

    def branch(self, words: str) -> Branch:
        """A branch in words; raises `BranchError` where they cannot be used."""
        return branch(words, self._components[0].trunk.kernel.model, self._now)

    def foresee(self, one: Branch) -> Foreseen:
        """A branch; raises `BranchError` where there is nothing that it could change."""
        return _foreseen(one, self._components, self._planned, self.times)


def _foreseen(
    one: Branch, components: Sequence[Component], planned: Sequence[Future], times: NDArray[np.int64]
) -> Foreseen:
    at, first = components[0].millis, components[0].trunk.kernel.model
    marks = np.union1d(times, np.array([at + measured.after for measured in one.measured], dtype=np.int64))
    seen: list[Floats] = []
    weights: list[Floats] = []
    for component, future in zip(components, _ways(one, components, planned), strict=True):
        out = along(component, *future, marks)
        told = _told(one, component, out, marks)
        seen.append(out[np.isin(marks, times)])
        weights.append(np.log(component.share) + component.position.belief.log_weight + told)
    log_weight, _ = normalised(np.concatenate(weights))
    weight = np.exp(log_weight)
    return Foreseen(
        one.words,
        times,
        tuple(_bands(components, seen, weight)),
        tuple(_toxicities(components, first, times, seen, weight)),
        effective_size(log_weight),
    )


def _ways(one: Branch, components: Sequence[Component], planned: Sequence[Future]) -> list[tuple[Future, Future]]:
    """Of each account the branch and what is planned. A change that an account has nothing for (a pump that it takes to
    stand cannot be stopped) leaves it as it is; raises `BranchError` where none has anything for it."""
    missed = [0] * len(one.changes)
    why: list[BranchError] = []

    def where_it_can(number: int) -> Change:
        def apply(to_come: dict[str, tuple[Upcoming, ...]]) -> None:
            try:
                one.changes[number](to_come)
            except BranchError as error:
                missed[number] += 1
                why.append(error)

        return apply

    changes = [where_it_can(number) for number in range(len(one.changes))]
    found = [(changed(c, c.millis, plan, changes), plan) for c, plan in zip(components, planned, strict=True)]
    if len(components) in missed:
        raise why[0]
    return found


def _told(one: Branch, component: Component, out: Floats, marks: NDArray[np.int64]) -> Floats:
    """Log-likelihood (N,) of what might be measured."""
    kernel = component.trunk.kernel
    found = np.zeros(out.shape[2])
    for measured in one.measured:
        at, number = component.millis + measured.after, _number(kernel.model, measured.output)
        if number is None:
            raise refused(
                one.words,
                say(
                    "branch.other_output",
                    "{model} has no such output in this unit; ask each model alone",
                    model=kernel.model.id,
                ),
            )
        predicted = kernel.read(out[int(np.searchsorted(marks, at))], number)
        observation = Observation(at, "what if", number, measured.value)
        found += log_likelihood(kernel.model.outputs[number], observation, predicted)
    return found


def _number(model: Model, output: OutputSpec) -> int | None:
    """Which output of a model has this name and unit."""
    alike = [i for i, one in enumerate(model.outputs) if (one.name, one.unit) == (output.name, output.unit)]
    return alike[0] if alike else None


def _bands(components: Sequence[Component], seen: Sequence[Floats], weight: Floats) -> Iterator[ForecastBand]:
    """Bands of every output that all models have in the same unit."""
    models = [component.trunk.kernel.model for component in components]
    for output in models[0].outputs:
        numbers = [_number(model, output) for model in models]
        if None in numbers:
            continue
        values = np.concatenate([out[:, number] for out, number in zip(seen, numbers, strict=True)], axis=1)
        q05, q25, middle, q75, q95 = (tuple(column) for column in quantiles(values, weight).T.tolist())
        yield ForecastBand(name=output.name, unit=output.unit, q05=q05, q25=q25, median=middle, q75=q75, q95=q95)


def _toxicities(
    components: Sequence[Component], first: Model, times: NDArray[np.int64], seen: Sequence[Floats], weight: Floats
) -> Iterator[ToxicityThen]:
    """Every toxicity that all models state alike."""
    for toxicity in first.toxicities:
        models = [component.trunk.kernel.model for component in components]
        own = [next((t for t in model.toxicities if stated_alike(t, model, toxicity, first)), None) for model in models]
        ahead = [ahead_of(t, m, times, out) for t, m, out in zip(own, models, seen, strict=True) if t is not None]
        if len(ahead) == len(models):
            suffered = np.concatenate([one.suffered for one in ahead]) > 0.0
            worst = np.concatenate([one.worst for one in ahead])
            yield ToxicityThen(toxicity, odds(suffered, weight), band(toxicity.output, toxicity.unit, worst, weight))
