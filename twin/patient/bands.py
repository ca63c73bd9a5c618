"""Particles summed up as they are published: bands of outputs and parameters, exposures and forecasts.

In come values of N particles with their weights; out go weighted quantiles and probabilities, with units. What was
expected of a measured value is in `twin.filter.expectation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.events import Band, Exposure, ForecastBand, OutputEvent, PriorRange, Series, Withdrawn, to_millis
from twin.filter.quantiles import quantiles
from twin.kernel.kernel import Kernel
from twin.model.spec import Model, OutputSpec, TargetSpec, ToxicitySpec
from twin.solver.linear_system import individual_parameters

FORECAST_POINTS = 96
"""Points of a forecast over its horizon; the worst value of a toxicity is looked for on these."""

Z95 = 1.6449
"""Standard deviations of a normal distribution to its 95 % quantile."""


def band(name: str, unit: str, values: Floats, weight: Floats) -> Band:
    """Weighted quantiles of values (N,) as a wire band."""
    q05, q25, median, q75, q95 = quantiles(values, weight).tolist()
    return Band(name=name, unit=unit, q05=q05, q25=q25, median=median, q75=q75, q95=q95)


def output_bands(model: Model, out: Floats, weight: Floats) -> tuple[Band, ...]:
    """Bands of every model output at one instant, out (O, N)."""
    return tuple(band(o.name, o.unit, out[i], weight) for i, o in enumerate(model.outputs))


def exposure_reading(
    target: TargetSpec, so_far: Floats, at_end: Floats | None, weight: Floats, *, known: bool
) -> Exposure:
    """Exposure (N,) now and at its end against the target window.

    ``known``: the doses until the end are; otherwise ``at_end`` is of those given so far, and only a lower limit.
    """
    low, high = target.low, target.high
    return Exposure(
        measure=target.measure,
        so_far=band(target.name, target.unit, so_far, weight),
        at_end=band(target.name, target.unit, at_end, weight) if at_end is not None and known else None,
        target_low=low,
        target_high=high,
        p_below=share_of(at_end < low, weight) if at_end is not None and known and low is not None else None,
        p_above=share_of(at_end > high, weight) if at_end is not None and high is not None else None,
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


def parameter_bands(model: Model, names: tuple[str, ...], par: Floats, weight: Floats) -> tuple[Band, ...]:
    """Bands of the individual parameters (N, P) that vary between patients."""
    specified = {p.name: p for p in model.parameters}
    return tuple(band(name, specified[name].unit, par[:, names.index(name)], weight) for name in model.effect_names)


def prior_ranges(kernel: Kernel, covariates: Floats, widening: Floats) -> dict[str, PriorRange]:
    """What patients with these characteristics have of each parameter that varies, before anything is measured.

    A parameter's own effect is taken at -1.645, 0 and 1.645 of its standard deviations, those of all others at 0:

        sd^2 = omega + widening + omega_iov,

    so that what differs from occasion to occasion is in it, and drift, which the beginning of a record does not have
    yet, is not. Four significant digits.

    Args:
        kernel: the model's, with E effects.
        covariates: (C,) as the kernel reads them.
        widening: (d,) variance added to each eta for characteristics that were never reported.
    """
    model = kernel.model
    eta = dict(zip(model.eta_names, np.diag(model.omega) + widening, strict=True))
    kappa = dict(zip(model.iov_names, np.diag(model.omega_iov), strict=True))
    deviation = np.sqrt([eta.get(name, 0.0) + kappa.get(name, 0.0) for name in model.effect_names])
    ends = np.concatenate([sign * np.diag(Z95 * deviation) for sign in (-1.0, 0.0, 1.0)])
    individual = individual_parameters(kernel, ends, covariates)
    found = {}
    for i, name in enumerate(model.effect_names):
        low, median, high = individual[i :: len(deviation), kernel.parameters.index(name)]
        q05, q95 = sorted((low, high))
        found[name] = PriorRange(q05=_four(q05), median=_four(median), q95=_four(q95))
    return found


class Priors:
    """`prior_ranges` of one patient, worked out again where characteristics changed."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._known: tuple[Floats, Floats, dict[str, PriorRange]] | None = None

    def of(self, covariates: Floats, widening: Floats) -> dict[str, PriorRange]:
        """The ranges for covariates (C,) and variances added to eta (d,)."""
        known = self._known
        if known is None or not (np.array_equal(known[0], covariates) and np.array_equal(known[1], widening)):
            known = self._known = covariates, widening, prior_ranges(self._kernel, covariates, widening)
        return known[2]


def _four(value: float) -> float:
    return float(f"{value:.4g}")


class Speaker(Protocol):
    """One model's fold, which says something of moments, and may lose the reason for it."""

    @property
    def model(self) -> Model: ...

    def shaken(self) -> dict[int, bool]:
        """The times (ms) at which what was said may have lost its reason, and whether there may have been a forecast;
        asked once."""

    def speaks_at(self, millis: int) -> bool:
        """Whether there is an estimate at ``millis``, as the record stands now."""

    def unmeasured(self, millis: int) -> tuple[OutputSpec, ...]:
        """Outputs of which a value was told to be measured at ``millis``, and none counts."""


def withdrawals(
    members: Sequence[Speaker], head: Callable[[str, int], dict[str, Any]], said: Iterable[OutputEvent]
) -> list[Withdrawn]:
    """What folds in step said and has no reason any more, each time once.

    Args:
        members: the folds.
        head: the envelope of a kind of event at a time (ms).
        said: outputs that were said since the reasons may have been lost.
    """
    shaken: dict[int, bool] = {}
    for member in members:
        for millis, ahead in member.shaken().items():
            shaken[millis] = shaken.get(millis, False) or ahead
    again = {(output.kind, to_millis(output.time)) for output in said} if shaken else set()
    found = []
    for millis, ahead in sorted(shaken.items()):
        estimated = any(member.speaks_at(millis) for member in members)
        # What was not said again this time stands as it did.
        untouched = not ahead or ("estimate", millis) not in again
        foreseen = estimated and (untouched or ("forecast", millis) in again)
        measured = [output for member in members for output in member.unmeasured(millis)]
        if measured or not foreseen:
            models = [member.model for member in members]
            made = withdrawn(head("withdrawn", millis), models, measured, estimated=estimated, foreseen=foreseen)
            found.append(made)
    return found


def withdrawn(
    head: dict[str, Any], models: Sequence[Model], measured: Iterable[OutputSpec], *, estimated: bool, foreseen: bool
) -> Withdrawn:
    """What is taken back of what was said of a time, as an event with the envelope ``head``.

    Args:
        head: with that time.
        models: that spoke; rival ones have no parameters of their own, classes of one model all the same.
        measured: outputs of which nothing was measured then after all.
        estimated, foreseen: there still is an estimate of that time, and a forecast from it on.
    """
    gone = () if estimated else models
    alone = gone[:1] if len({model.id for model in models}) == 1 else ()
    varying = {name for model in alone for name in model.effect_names}
    return Withdrawn(
        **head,
        estimated=estimated,
        foreseen=foreseen,
        outputs=_series((o.name, o.unit) for model in gone for o in model.outputs),
        parameters=_series((p.name, p.unit) for model in alone for p in model.parameters if p.name in varying),
        exposure=_series((t.name, t.unit) for model in gone for t in model.targets),
        nadir=_series((t.output, t.unit) for model in models for t in _charted(model) if not foreseen),
        drugs=tuple(dict.fromkeys(drug for model in gone for drug in model.drugs)),
        measured=_series((o.name, o.unit) for o in measured),
    )


def _charted(model: Model) -> list[ToxicitySpec]:
    """The toxicity whose nadir is published."""
    return [one for one in model.toxicities if one.side == "below" and not one.lasting][:1]


def _series(named: Iterable[tuple[str, str]]) -> tuple[Series, ...]:
    """Each name and unit once."""
    return tuple(Series(name=name, unit=unit) for name, unit in dict.fromkeys(named))


def share_of(condition: NDArray[np.bool_], weight: Floats) -> float:
    """The weight of the particles (N,) for which a condition holds."""
    return min(1.0, float(weight[condition].sum()))
