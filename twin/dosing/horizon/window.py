"""Model predictive control of an output: the doses that keep it in its window, as far ahead as it is looked.

    max_{a, b}  mean_t sum_i w_i P(low < y(t) < high | particle i, a, b)     subject to   P(toxicity) <= limit

a is the dose now, b what every later one is multiplied by, y what would be measured at `POINTS` times over the time
ahead: so the errors of measuring, and of the model, round the edges of the window, and the middle is aimed at. Only a
is given: at the next dose all is worked out anew from what was measured meanwhile (receding horizon: Mayne et al. 2000,
Automatica 36:789). It is certain of later doses, as they are of the belief of today; what follows a dose for days, as
an INR does, is not told by one sample, and so little is lost by that. Of one patient in place of a belief, such as the
posterior mode, it is what mode-guided dosing does.

Doses are tried by a pattern search over the allowed ones (Hooke and Jeeves 1961, J ACM 8:212), from the plan on: some
twenty futures, each solved for `THINNED` particles with the same random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from twin.dosing.decision import TOGETHER_MS, Decision, NoAdvice, decision
from twin.dosing.futures import Future, Upcoming, changed
from twin.dosing.outlook import Odds, along, outlook
from twin.dosing.protocol import Protocol, Window
from twin.model.spec import output_index
from twin.observation.likelihood import level
from twin.observation.observation import Observation
from twin.patient.accounts.component import Component
from twin.patient.accounts.thinned import thinned

POINTS = 10
"""Times at which the output is held against the window, evenly over the time ahead, the last at its end."""

THINNED = 96
"""Particles: the errors of measuring smooth what each says, and all doses are tried on the same ones."""

FINER = 1.1
"""Ratio of neighbouring doses that are tried, where the protocol's step is finer (assumed: less than what a posterior
tells apart)."""

STRIDE = 4
"""Doses by which the search begins to move: half as much again, or two thirds."""

ABLE = 1e-6
"""By how much more of the time in the window a dose must bring than another."""


@dataclass(frozen=True)
class WindowPlan:
    """Doses that keep an output in its window.

    Attributes:
        doses: the one to give now, or those that are given together.
        later: what all later ones are multiplied by, as far as it can be seen now.
        within: share of the time ahead that a measured value is in the window.
        kept: every limit is. Where none of the doses keeps them, the least is chosen.
    """

    doses: tuple[Upcoming, ...]
    later: float
    within: Odds
    kept: bool


class _Tried(NamedTuple):
    """What doses bring: `excess` is by how much the worst limit is passed."""

    within: Odds
    excess: float


Place = tuple[int, int]
"""Number of the level of the dose now, and of the later ones."""


def keep_in_window(components: Sequence[Component], protocol: Protocol) -> WindowPlan:
    """The dose now for a belief that is a mixture of ``components``.

    Raises:
        ProtocolError: the protocol has no window, or does not fit the model.
        NoAdvice: nothing runs, is planned or is usual.
    """
    window = protocol.window_of(components[0].trunk.kernel.model)
    fewer = thinned(components, THINNED)
    decided, planned = decision(fewer, fewer[0].millis, protocol)
    return _Search(fewer, planned, decided, protocol, window).best()


class _Search:
    def __init__(
        self,
        components: Sequence[Component],
        planned: Sequence[Future],
        decided: Decision,
        protocol: Protocol,
        window: Window,
    ) -> None:
        self._components, self._planned, self._protocol, self._window = components, planned, protocol, window
        self._now = components[0].millis
        first = decided.doses[0].step.start_ms
        together = sum(up.step.start_ms - first <= TOGETHER_MS for up in decided.doses)
        self._decided = decided
        self._stages = (decided.doses[:together], decided.doses[together:])
        self._levels = tuple(self._allowed(stage) for stage in self._stages)
        spacing = window.ahead // POINTS
        self._marks = self._now + spacing * np.arange(1, POINTS + 1, dtype=np.int64)
        self._tried: dict[Place, _Tried] = {}

    def best(self) -> WindowPlan:
        """The best doses that keep the limits."""
        at = self._as_planned()
        stride = STRIDE
        while stride:
            near = [place for place in self._around(at, stride) if self._better(place, at)]
            if near:
                at = max(near, key=self._worth)
            else:
                stride //= 2
        found = self._seen(at)
        now, later = self._ratios(at)
        return WindowPlan(
            tuple(up.scaled(ratio) for up, ratio in zip(self._stages[0], now, strict=True)),
            float(np.mean(later)) if later else 1.0,
            found.within,
            found.excess <= 0.0,
        )

    def _allowed(self, stage: tuple[Upcoming, ...]) -> list[tuple[float, ...]]:
        """What the doses of a stage may be multiplied by, the smallest first; nothing where there is none."""
        if not stage:
            return [()]
        protocol, of = self._protocol, replace(self._decided, doses=stage)
        lowest, highest = protocol.lowest, protocol.highest_of(self._decided.aims)
        step = FINER - 1.0 if protocol.step is None else protocol.step / of.largest.step.amount
        factors, factor = [highest], max(lowest, step)
        while factor < highest:
            factors.append(factor)
            factor = max(factor + step, factor * FINER)
        found = {of.rounded(one, protocol) for one in (lowest, 1.0, *factors)}
        usable = sorted((one for one in found if of.allowed(one, protocol)), key=sum)
        if not usable:
            raise NoAdvice(f"{self._decided.drug}: no doses are allowed by protocol '{protocol.id}'")
        return usable

    def _as_planned(self) -> Place:
        def nearest(levels: list[tuple[float, ...]]) -> int:
            return min(range(len(levels)), key=lambda i: abs(sum(levels[i]) - len(levels[i])))

        return nearest(self._levels[0]), nearest(self._levels[1])

    def _around(self, at: Place, stride: int) -> list[Place]:
        """Neighbours: one stage more or less, or what is given now taken from what is given later."""
        moves = ((stride, 0), (-stride, 0), (0, stride), (0, -stride), (stride, -stride), (-stride, stride))
        tops = [len(levels) - 1 for levels in self._levels]
        clipped = {(min(max(at[0] + i, 0), tops[0]), min(max(at[1] + j, 0), tops[1])) for i, j in moves}
        return sorted(clipped - {at})

    def _better(self, place: Place, than: Place) -> bool:
        (less, more), (excess, within) = self._worth(place), self._worth(than)
        return less > excess + ABLE or (less == excess and more > within + ABLE)

    def _worth(self, place: Place) -> tuple[float, float]:
        """Limits come first: what passes one is worth more the less it does."""
        seen = self._seen(place)
        return (-seen.excess, 0.0) if seen.excess > 0.0 else (0.0, seen.within.p)

    def _ratios(self, place: Place) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return self._levels[0][place[0]], self._levels[1][place[1]]

    def _seen(self, place: Place) -> _Tried:
        if place not in self._tried:
            now, later = self._ratios(place)
            change = replace(self._decided, doses=self._stages[0] + self._stages[1]).change(now + later)
            futures = [
                (c, changed(c, self._now, p, [change]), p) for c, p in zip(self._components, self._planned, strict=True)
            ]
            self._tried[place] = _Tried(self._within(futures), self._excess(futures))
        return self._tried[place]

    def _within(self, futures: Sequence[tuple[Component, Future, Future]]) -> Odds:
        """Share of the time in the window, and its standard error over particles."""
        shares, weights = [], []
        for component, future, planned in futures:
            kernel, window = component.trunk.kernel, self._window
            number = output_index(kernel.model, window.output)
            assert number is not None, "the protocol was checked against the model"
            output, outs = kernel.model.outputs[number], along(component, future, planned, self._marks)
            count = outs.shape[-1]
            # All times at once: what is looked up of each is little beside what a look costs.
            rows = kernel.read(outs.transpose(1, 0, 2).reshape(outs.shape[1], -1), number)
            low, high = (
                level(output, Observation(self._now, "ahead", number, limit), rows, 0.5)
                for limit in (window.low, window.high)
            )
            inside = ((high - low) / POINTS).reshape(-1, count).sum(axis=0)
            shares.append(inside)
            weights.append(component.share * component.position.belief.weight)
        share, weight = np.concatenate(shares), np.concatenate(weights)
        p = float(weight @ share)
        return Odds(p, float(np.sqrt((weight**2 * (share - p) ** 2).sum())))

    def _excess(self, futures: Sequence[tuple[Component, Future, Future]]) -> float:
        limits = self._protocol.limits
        if not limits:
            return 0.0
        since = self._now if self._decided.begun else self._decided.begins
        seen = outlook(futures, self._decided.drug, since, begun=self._decided.begun)
        reached = {name: float(seen.weight[seen.toxicities[name].reached].sum()) for name in limits}
        return max(0.0, *(reached[name] - limit for name, limit in limits.items()))
