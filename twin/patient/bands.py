"""Readings of a belief: what the twin says now, what it expected of a measurement, and what lies ahead.

Every reading is a branch: it starts from the trunk's cloud and leaves it untouched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from twin.events import Band, Exposure, ForecastBand, Nadir
from twin.filter.belief import QUANTILES, Belief, quantiles
from twin.kernel.kernel import Floats
from twin.modelfile.library import Model, OutputSpec, TargetSpec, ToxicitySpec
from twin.observation import likelihood, residual
from twin.timeline.timeline import UNIT_MS, Observation

FORECAST_POINTS = 96
"""Points of a forecast over its horizon; the nadir is looked for on these."""

SCATTER_POINTS = 16
"""Residual quantiles per particle that make a predictive distribution of a measurement."""

TAIL = 0.05
"""Share of a predictive distribution that its exponential tail is fitted to."""

DAY_MS = 24 * 3_600_000


def band(name: str, unit: str, values: Floats, weight: Floats) -> Band:
    """Weighted quantiles of values (N,) as a wire band."""
    q05, q25, median, q75, q95 = quantiles(values, weight).tolist()
    return Band(name=name, unit=unit, q05=q05, q25=q25, median=median, q75=q75, q95=q95)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What was expected of one measurement.

    Attributes:
        quantiles: (5,) of the predictive distribution, in the output's unit.
        pit: probability below the measured value.
        innovation: its distance from the middle in predictive standard deviations.
        score: normal score of the PIT; beyond what particles can resolve, that of an exponential tail.
        scattered, each: (S,) the predictive distribution itself, and its weights.
    """

    quantiles: Floats
    pit: float
    innovation: float
    score: float
    scattered: Floats
    each: Floats


def expectation(
    output: OutputSpec, observation: Observation, rows: Floats, weight: Floats, share: float = 0.5
) -> Expectation:
    """Predictive distribution of a measurement: a mixture over particles of what they predict, with its scatter.

    ``rows`` (R, N), or (K, R, N) of an uncertain time, are what the likelihood reads (see
    `twin.observation.likelihood`). The innovation is the distance of the value from the predictive median in predictive
    standard deviations, on the scale that the output's error is on; of counts, grades and events it is that from the
    mean. A particle whose solution overflowed expects nothing and is left out. Where the value stands for a range of
    probabilities (it is discrete, or known only by a limit) the PIT is taken at ``share`` of that range, and the
    innovation is that of the limit.
    """
    usable = np.isfinite(rows).reshape(-1, rows.shape[-1]).all(axis=0) & (weight > 0)
    if not usable.any():
        return Expectation(np.zeros(len(QUANTILES)), 0.5, 0.0, 0.0, np.zeros(1), np.ones(1))
    rows, weight = rows[..., usable], weight[usable] / weight[usable].sum()
    flat = likelihood.spread_out(output, observation, rows, SCATTER_POINTS).ravel()
    each = np.repeat(weight / SCATTER_POINTS, SCATTER_POINTS)
    # Sums, not inner products: long ones are cut among as many threads as there are, which shows in the last bits.
    pit = float((weight * likelihood.level(output, observation, rows, share)).sum())
    return expected_of(output, observation, flat, each, pit, resolved=0.5 * float((weight * weight).sum()))


def expected_of(
    output: OutputSpec, observation: Observation, flat: Floats, each: Floats, pit: float, *, resolved: float
) -> Expectation:
    """The expectation of a measurement whose predictive distribution is ``flat`` (S,) with weights ``each`` (S,).

    ``resolved`` is the least tail probability that the particles behind it can tell.
    """
    pit = min(1.0, max(0.0, pit))
    levels = quantiles(flat, each)
    limit = observation.above if observation.below is None else observation.below
    value = observation.value if limit is None else limit
    scaled, middle, observed = flat, levels[2], np.asarray(value)
    if output.kind != "continuous":
        levels, middle = np.rint(levels), (each * flat).sum()
    elif value > 0:
        scaled, middle, observed = (residual.on_scale(output.error, x) for x in (scaled, middle, observed))
    spread = float(np.sqrt((each * (scaled - (each * scaled).sum()) ** 2).sum()))
    gap = float(observed - middle)
    # Concentrations and counts are not negative, whatever a wide proportional error says.
    shown = np.maximum(levels, 0.0)
    score = _score(pit, float(observed), scaled, each, resolved=resolved)
    return Expectation(shown, pit, gap / spread if spread > 0 else 0.0, score, flat, each)


def _score(pit: float, value: float, draws: Floats, weight: Floats, *, resolved: float) -> float:
    """Normal score of a PIT; ``resolved`` is the least tail probability that particles can tell.

    Beyond that the tail of the predictive ``draws`` is continued as an exponential one from its 5 % quantile with its
    mean excess, the peaks-over-threshold method (Pickands 1975). A normal tail falls faster, so the score is cautious.
    """
    below = pit < 0.5
    tail = pit if below else 1.0 - pit
    if tail < resolved:
        away = -draws if below else draws
        threshold = float(quantiles(away, weight, (1.0 - TAIL,))[0])
        beyond = away > threshold
        excess = float((weight[beyond] * (away[beyond] - threshold)).sum() / max(weight[beyond].sum(), 1e-300))
        reach = (-value if below else value) - threshold
        continued = TAIL * float(np.exp(-reach / excess)) if excess > 0 and reach > 0 else resolved
        tail = min(resolved, max(tail, continued, 1e-15))
    score = float(special.ndtri(tail))
    return score if below else -score


def output_bands(model: Model, out: Floats, weight: Floats) -> tuple[Band, ...]:
    """Bands of every model output at one instant, out (O, N)."""
    return tuple(band(o.name, o.unit, out[i], weight) for i, o in enumerate(model.outputs))


def exposure_reading(target: TargetSpec, so_far: Floats, at_end: Floats, weight: Floats) -> Exposure:
    """Exposure of the running course (N,) now and at its end, against the target window."""
    return Exposure(
        so_far=band(target.name, target.unit, so_far, weight),
        at_end=band(target.name, target.unit, at_end, weight),
        target_low=target.low,
        target_high=target.high,
        p_below=_share(at_end < target.low, weight),
        p_above=_share(at_end > target.high, weight),
    )


def forecast_times(now: int, horizon: int) -> NDArray[np.int64]:
    """Times (ms) of a forecast: evenly over the horizon (ms), ``now`` included."""
    return now + np.arange(FORECAST_POINTS + 1, dtype=np.int64) * (horizon // FORECAST_POINTS)


def forecast_bands(model: Model, out: Floats, weight: Floats) -> tuple[ForecastBand, ...]:
    """Bands of every output along the forecast, out (T, O, N)."""
    found = []
    for i, output in enumerate(model.outputs):
        rows = quantiles(out[:, i], weight)
        q05, q25, median, q75, q95 = (tuple(column) for column in rows.T.tolist())
        found.append(
            ForecastBand(name=output.name, unit=output.unit, q05=q05, q25=q25, median=median, q75=q75, q95=q95)
        )
    return tuple(found)


def lowest_ahead(toxicity: ToxicitySpec, model: Model, times: NDArray[np.int64], out: Floats) -> tuple[Floats, Floats]:
    """Lowest value (N,) of the toxicity's output within its horizon, out (T, O, N), and its day (N,) from now."""
    horizon = times[0] + round(toxicity.horizon * UNIT_MS[model.time_unit])
    index = [o.name for o in model.outputs].index(toxicity.output)
    within = out[times <= horizon, index]
    return within.min(axis=0), (times[within.argmin(axis=0)] - times[0]) / DAY_MS


def nadir_reading(toxicity: ToxicitySpec, lowest: Floats, day: Floats, weight: Floats) -> Nadir:
    """Distributions of lowest values (N,) and their days (N,), and the probability of a value that is too low."""
    return Nadir(
        output=toxicity.output,
        value=band(toxicity.output, toxicity.unit, lowest, weight),
        day=band("nadir_day", "d", day, weight),
        p_grade4=_share(lowest < toxicity.below, weight),
    )


def parameter_bands(model: Model, names: tuple[str, ...], par: Floats, belief: Belief) -> tuple[Band, ...]:
    """Bands of the individual parameters (N, P) that vary between patients."""
    specified = {p.name: p for p in model.parameters}
    weight = belief.weight
    return tuple(band(name, specified[name].unit, par[:, names.index(name)], weight) for name in model.effect_names)


def _share(condition: NDArray[np.bool_], weight: Floats) -> float:
    return min(1.0, float(weight[condition].sum()))
