"""Posteriors with a mode that weighs little, the weights by quadrature, and what twins keep of them.

One compartment after an oral dose: absorption and elimination change places (flip-flop), and the levels cannot tell.
Which is likelier says the prior alone, a wide one, so that the weight of the second mode is set by where that stands.

``python -m tests.twin.minor_modes 20`` prints a table over twenty keys.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from tests.twin.bedside import level
from tests.twin.longrun import Floats, log_normal
from tests.twin.shapes import given, written
from tests.twin.timeline.records import history_of
from twin.filter.belief import Belief, prior
from twin.filter.learning import learn
from twin.filter.trunk import Trunk
from twin.kernel.kernel import Kernel, compile_model
from twin.timeline.timeline import build

DOSE, CLEARANCE = 100.0, 5.0


@dataclass(frozen=True)
class Sampling:
    """``levels`` (h, mg/L) of a patient whose rates are 1/6 and 1 per hour, and their relative ``error``."""

    name: str
    levels: tuple[tuple[float, float], ...]
    error: float


USUAL = Sampling(
    "usual",
    ((0.5, 1.3208), (1.0, 2.1655), (2.0, 2.4429), (3.0, 1.8316), (4.0, 2.2685), (6.0, 1.5628), (8.0, 0.9716),
     (12.0, 0.5906), (16.0, 0.2936), (24.0, 0.0766)),
    0.15,
)  # fmt: skip
SPARSE = Sampling("sparse", ((1.0, 2.0163), (3.0, 2.5191), (6.0, 1.5359), (12.0, 0.4452), (24.0, 0.0839)), 0.15)
PRECISE = Sampling(
    "precise",
    ((0.5, 1.2892), (1.0, 2.0445), (2.0, 2.3871), (3.0, 2.0065), (4.0, 2.1292), (6.0, 1.5147), (8.0, 1.0088),
     (12.0, 0.5671), (16.0, 0.2862), (24.0, 0.075)),
    0.08,
)  # fmt: skip

POINTS = {2: 201, 3: 45}
"""Points of the quadrature along each axis."""


@dataclass(frozen=True)
class FlipFlop:
    """A posterior.

    Attributes:
        share: about what the second mode weighs, in which absorption is the slower.
        volume, absorption: typical values (L, 1/h).
        variances: of the random effects of volume and absorption, and of clearance where it has one.
        sampling: what was measured.
    """

    share: float
    volume: float
    absorption: float
    variances: tuple[float, ...]
    sampling: Sampling = USUAL

    @property
    def name(self) -> str:
        """Of its model."""
        return f"flip_flop_{self.sampling.name}_{len(self.variances)}_{round(100 * self.share)}"

    def weight(self) -> float:
        """What the second mode weighs, by quadrature over the logarithms of both rates, and of clearance."""
        points = POINTS[len(self.variances)]
        low = np.array([-6.0, -6.0, -3.0])[: len(self.variances)]
        high = -low
        for _ in range(5):  # over everything, and closer and closer to where there is something
            axes = np.meshgrid(*(np.linspace(a, b, points) for a, b in zip(low, high, strict=True)), indexing="ij")
            x = np.stack(axes, axis=-1).reshape(-1, len(low))
            # The posterior of the first mode and of its mirror image, which is the second.
            first, second = (self._log_density(x, swapped=swapped) for swapped in (False, True))
            both = np.logaddexp(first, second)
            inside = x[both > both.max() - 18.0]
            step = (high - low) / (points - 1)
            low, high = inside.min(axis=0) - step, inside.max(axis=0) + step
        odds = float(np.exp(second - both.max()).sum() / np.exp(first - both.max()).sum())
        return odds / (1.0 + odds)

    def _log_density(self, x: Floats, *, swapped: bool) -> Floats:
        """Log posterior of the logarithms of elimination, absorption and clearance, or with both rates ``swapped``."""
        elimination, absorption = np.exp(x[:, 0]), np.exp(x[:, 1])
        clearance = CLEARANCE * (np.exp(x[:, 2]) if len(self.variances) == 3 else np.ones(len(x)))
        apart = np.where(absorption > elimination, absorption - elimination, np.nan)
        scale = DOSE * absorption * elimination / (clearance * apart)
        total = np.zeros(len(x))
        with np.errstate(all="ignore"):
            for hours, value in self.sampling.levels:
                c = scale * (np.exp(-elimination * hours) - np.exp(-absorption * hours))
                total += log_normal(value, c, self.sampling.error * c)
        slow, fast = (absorption, elimination) if swapped else (elimination, absorption)
        effects = [np.log(clearance / slow / self.volume), np.log(fast / self.absorption)]
        effects += [np.log(clearance / CLEARANCE)] if len(self.variances) == 3 else []
        for effect, variance in zip(effects, self.variances, strict=True):
            total -= 0.5 * effect * effect / variance
        return np.where(np.isfinite(total), total, -np.inf)

    def kept(self, patient: str) -> tuple[float, int]:
        """The weight of the second mode after all levels, and the particles that stand for it."""
        kernel = compiled(self)
        events = [*given([(0.0, DOSE)], "oral"), *(level(hours, value) for hours, value in self.sampling.levels)]
        timeline = build(history_of(events), kernel)
        assert timeline is not None
        trunk = Trunk(kernel, patient)
        position = trunk.begin(timeline, prior(kernel.model, 1000, patient))
        for observation in timeline.observations:
            position, _ = learn(trunk, position, timeline, observation)
        second = self._second(position.belief)
        return float(position.belief.weight[second].sum()), int(second.sum())

    def _second(self, belief: Belief) -> NDArray[np.bool_]:
        eta = dict(zip(compiled(self).model.eta_names, belief.eta.T, strict=True))
        elimination = np.log(CLEARANCE / self.volume) + eta.get("CL", 0.0) - eta["V"]
        return np.asarray(np.log(self.absorption) + eta["KA"] < elimination)


@cache
def compiled(posterior: FlipFlop) -> Kernel:
    """The model of a posterior."""
    of_volume, of_absorption, *of_clearance = posterior.variances
    return compile_model(
        written(
            posterior.name,
            [
                ("CL", CLEARANCE, "L/h", of_clearance[0] if of_clearance else None),
                ("V", posterior.volume, "L", of_volume),
                ("KA", posterior.absorption, "1/h", of_absorption),
            ],
            {"Depot": "input(toxin, oral) - KA*Depot", "A": "KA*Depot - CL/V*A"},
            {"plasma": ("mg/L", "A/V", "toxin", f"proportional = {posterior.sampling.error}")},
        )()
    )


POSTERIORS = (
    FlipFlop(0.5, 11.964, 0.402, (1.0, 2.0)),
    FlipFlop(0.2, 19.419, 0.653, (1.0, 2.0)),
    FlipFlop(0.1, 25.727, 0.865, (1.0, 2.0)),
    FlipFlop(0.04, 35.998, 1.21, (1.0, 2.0)),
    FlipFlop(0.01, 59.351, 1.995, (1.0, 2.0)),
    FlipFlop(0.5, 11.871, 0.399, (1.0, 2.0, 1.0)),
    FlipFlop(0.2, 19.268, 0.648, (1.0, 2.0, 1.0)),
    FlipFlop(0.1, 25.727, 0.865, (1.0, 2.0, 1.0)),
    FlipFlop(0.04, 36.565, 1.229, (1.0, 2.0, 1.0)),
    FlipFlop(0.01, 60.285, 2.026, (1.0, 2.0, 1.0)),
    FlipFlop(0.5, 11.964, 0.402, (1.5, 1.5, 1.5), SPARSE),
    FlipFlop(0.2, 20.036, 0.673, (1.5, 1.5, 1.5), SPARSE),
    FlipFlop(0.1, 27.173, 0.913, (1.5, 1.5, 1.5), SPARSE),
    FlipFlop(0.04, 39.229, 1.318, (1.5, 1.5, 1.5), SPARSE),
    FlipFlop(0.01, 65.696, 2.208, (1.5, 1.5, 1.5), SPARSE),
    FlipFlop(0.5, 12.248, 0.412, (2.0, 1.0, 1.0), PRECISE),
    FlipFlop(0.2, 20.193, 0.679, (2.0, 1.0, 1.0), PRECISE),
    FlipFlop(0.1, 26.961, 0.906, (2.0, 1.0, 1.0), PRECISE),
    FlipFlop(0.04, 38.32, 1.288, (2.0, 1.0, 1.0), PRECISE),
    FlipFlop(0.01, 63.674, 2.14, (2.0, 1.0, 1.0), PRECISE),
)
"""Two random effects, and three; three with few levels, and with precise ones."""


def main(keys: Sequence[str]) -> None:
    """Print what each posterior's second mode weighs, and what twins of all keys keep of it."""
    for posterior in POSTERIORS:
        known = posterior.weight()
        ratio = np.array([posterior.kept(key)[0] / known for key in keys])
        missed = int((np.abs(ratio - 1.0) > 0.3).sum())
        told = f"{posterior.sampling.name}, {len(posterior.variances)} effects, {known:.4f}: "
        told += f"kept {ratio.min():.2f} to {ratio.max():.2f} of it"
        print(f"{told} in {len(keys)} keys, beyond 30 % in {missed}", flush=True)


if __name__ == "__main__":
    main([f"P-{key}" for key in range(int(sys.argv[1]))])
