"""What a normal residual adds to the objective of first-order conditional estimation, with all derivatives it needs.

With a value y and its prediction f on the logarithm where the error is written for that, and else as they are
(`held`), and variance R(f), a value adds

    u(f) = ((y - f)^2 / R + log R) / 2                     to the inner objective,
    W(f) f' f'^T,    W = 1/R + (R'/R)^2 / 2                to the information about eta.

Without interaction R is taken where eta = 0, at a prediction f0 that eta does not move: then W = 1/R.

The exponent L of a Box-Cox scale h moves while it is estimated, so that the density is one of y itself:

    u(f) = (h(y) - h(f))^2 / 2R + log R / 2 + (1 - L) log y,    W = h'(f)^2 / R,    h'(f) = f^(L - 1),

and where a line stands for the model (first-order estimation) it does so for h(f): h(f0) + h'(f0) (f - f0).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec
from twin.model.spec import OutputSpec
from twin.observation.deviation import slopes
from twin.observation.kinds import kind_of
from twin.observation.observation import Observation
from twin.observation.residual import SMALLEST, on_scale, transformed
from twin.population.cohort import Cohort
from twin.population.subjects import Subject
from twin.population.theta import FitError

LOG_2PI = float(np.log(2.0 * np.pi))

FAINT = 10.0 * SMALLEST
"""Values below this are next to where predictions end, in the output's unit."""

SIZE_STEP = 1e-4
"""Displacement of the logarithm of a size of an error, for derivatives by it: a central difference errs by 1e-9."""


class Terms(NamedTuple):
    """Of n values, (n,) each.

    Attributes:
        u, u_f, u_ff: what they add to the inner objective, and derivatives by f.
        w, w_f: their weight in the information, and its derivative by f.
        u_0, u_f0, w_0: derivatives of u, u_f and w by f0; 0 where nothing is taken there.
        f: the predictions.
    """

    u: Floats
    u_f: Floats
    u_ff: Floats
    w: Floats
    w_f: Floats
    u_0: Floats
    u_f0: Floats
    w_0: Floats
    f: Floats


def held(error: ErrorSpec, values: Floats) -> Floats:
    """Predictions (any shape) as they are kept while numbers of the population move: on the logarithm, of what scatters
    there, and else as they are."""
    return on_scale(error, values) if error.logarithmic else values


def held_values(error: ErrorSpec, values: Floats) -> Floats:
    """Measured values (any shape), likewise."""
    return transformed(error, values) if error.logarithmic else values


def terms(error: ErrorSpec, y: Floats, f: Floats, f0: Floats | None = None, *, line: bool = False) -> Terms:
    """Of values y (n,) and predictions f (n,), `held`; ``f0`` without interaction, f being a ``line`` through it.

    Of a prediction that overflowed they are no numbers.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if error.box_cox is None:
            return _terms(error, y, f, f0)
        return _bent(error, y, f) if f0 is None or not line else _straight(error, y, f, f0)


def placed(error: ErrorSpec, f: Floats) -> Floats:
    """Predictions that are `held` (any shape), on the error's scale."""
    with np.errstate(over="ignore", invalid="ignore"):
        return f if error.box_cox is None else on_scale(error, f)


def away(error: ErrorSpec, y: Floats, f: Floats) -> Floats:
    """How far values lie from their predictions, both `held`, on the error's scale."""
    return (y if error.box_cox is None else transformed(error, y)) - placed(error, f)


def iwres(error: ErrorSpec, y: Floats, f: Floats) -> Floats:
    """Residuals (n,) in units of their standard deviation."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.asarray(away(error, y, f) / np.sqrt(variance(error, f)))


def bend_of_scale(error: ErrorSpec, f: Floats) -> tuple[Floats, Floats]:
    """Derivatives of the error's scale by predictions, `held`: 1 and 0 but of a Box-Cox one."""
    if error.box_cox is None:
        return np.ones_like(f), np.zeros_like(f)
    x, power = np.maximum(f, SMALLEST), error.box_cox - 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        h1 = np.where(f < SMALLEST, 0.0, x**power)  # below it no prediction is taken
        return h1, power * h1 / x


def on_line(error: ErrorSpec, f: Floats, f0: Floats) -> Floats:
    """What a line through f0 stands for on the error's scale, at f, both `held`."""
    return placed(error, f0) + bend_of_scale(error, f0)[0] * (f - f0)


def _bent(error: ErrorSpec, y: Floats, f: Floats) -> Terms:
    a, (h1, h2) = error.additive, bend_of_scale(error, f)
    z, nothing, w = away(error, y, f) / a, np.zeros_like(f), (h1 / a) ** 2
    u = 0.5 * z * z + np.log(a) + _own(error, y)
    return Terms(u, -z * h1 / a, w - z * h2 / a, w, 2.0 * h1 * h2 / a**2, nothing, nothing, nothing, f)


def _straight(error: ErrorSpec, y: Floats, f: Floats, f0: Floats) -> Terms:
    a, (h1, h2) = error.additive, bend_of_scale(error, f0)
    z, nothing, w = (transformed(error, y) - on_line(error, f, f0)) / a, np.zeros_like(f), (h1 / a) ** 2
    u, turned = 0.5 * z * z + np.log(a) + _own(error, y), h2 * (f - f0) / a
    return Terms(
        u, -z * h1 / a, w, w, nothing, -z * turned, turned * h1 / a - z * h2 / a, 2.0 * h1 * h2 / a**2, f
    )  # fmt: skip


def _own(error: ErrorSpec, y: Floats) -> Floats:
    """What the density of values themselves has beside that on a Box-Cox scale, to be taken from the logarithm."""
    assert error.box_cox is not None, "it has its exponent"
    return np.asarray((1.0 - error.box_cox) * np.log(y))


def _terms(error: ErrorSpec, y: Floats, f: Floats, f0: Floats | None) -> Terms:
    r, r1, r2 = _variance(error, f if f0 is None else f0)
    e = y - f
    a, a1 = 1.0 / r, -r1 / r**2
    ratio = r1 / r
    u = 0.5 * (e * e * a + np.log(r))
    nothing = np.zeros_like(f)
    if f0 is not None:
        return Terms(u, -e * a, a, a, nothing, 0.5 * (e * e * a1 + ratio), -e * a1, a1, f)
    a2 = -r2 / r**2 + 2.0 * r1**2 / r**3
    ratio1 = r2 / r - ratio**2
    u_f = -e * a + 0.5 * e * e * a1 + 0.5 * ratio
    u_ff = a - 2.0 * e * a1 + 0.5 * e * e * a2 + 0.5 * ratio1
    return Terms(u, u_f, u_ff, a + 0.5 * ratio**2, a1 + ratio * ratio1, nothing, nothing, nothing, f)


def variance(error: ErrorSpec, f: Floats) -> Floats:
    """Residual variance R (n,) around predictions f on the error's scale, of a normal error of its sizes."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _variance(error, f)[0]


def spread(error: ErrorSpec, f: Floats) -> tuple[Floats, Floats, Floats]:
    """`variance` and its two derivatives by f."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return _variance(error, f)


def log_density(error: ErrorSpec, y: Floats, f: Floats) -> Floats:
    """Log density of values y around predictions f, both `held`, without log(2 pi) / 2.

    Of a prediction that overflowed it is no number.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if error.box_cox is not None:
            z = away(error, y, f) / error.additive
            return np.asarray(-0.5 * z * z - np.log(error.additive) - _own(error, y))
        r, e = _size(error, f), y - f
        e *= e
        e /= r
        e += np.log(r)
        e *= -0.5
        return e


def density_on_own_scale(error: ErrorSpec, value: Floats) -> float:
    """What a density on the natural scale adds to -2 log likelihood, besides that on the logarithm; what a Box-Cox
    scale adds moves with its exponent, and stands in the objective."""
    return float(2.0 * np.log(value).sum()) if error.logarithmic else 0.0


def has_density(output: OutputSpec, o: Observation) -> bool:
    """Whether a value is itself known and no whole number or time of an event: it counts without log(2 pi) / 2."""
    kind = kind_of(output)
    return not (kind.discrete or kind.awaited) and o.below is None and o.above is None


def beside(error: ErrorSpec, o: Observation) -> tuple[float, float]:
    """What half of -2 log likelihood leaves out of a value that has a density, and what its own scale adds to that."""
    own = density_on_own_scale(error, np.array([o.value])) if o.value > 0 else 0.0
    return 0.5 * LOG_2PI, 0.5 * own


def _size(error: ErrorSpec, f: Floats) -> Floats:
    """R alone, (n,), or () where it is the same of every prediction."""
    if error.even:
        return np.asarray(error.additive**2)
    if error.logarithmic:
        g, a = error.additive * np.exp(-f), error.proportional
    else:
        x, a = np.maximum(np.abs(f), SMALLEST), error.additive
        g = error.proportional * (x**error.exponent if error.formula is None else slopes(error.formula, x)[0])
    if error.combination == "sd":
        return np.asarray((a + g) ** 2)
    return np.asarray(a * a + g * g)


def _variance(error: ErrorSpec, f: Floats) -> tuple[Floats, Floats, Floats]:
    """R and its two derivatives by f."""
    if error.even:
        r = np.full_like(f, error.additive**2)
        return r, np.zeros_like(f), np.zeros_like(f)
    if error.logarithmic:
        g = error.additive * np.exp(-f)
        g1, g2 = -g, g
        a = error.proportional
    else:
        x, sign, e = np.maximum(np.abs(f), SMALLEST), np.where(f < 0, -1.0, 1.0), error.exponent
        if error.formula is None:
            g = error.proportional * x**e
            g1, g2 = sign * e * g / x, e * (e - 1.0) * g / x**2
        else:
            g, g1, g2 = (error.proportional * one for one in slopes(error.formula, x))
            g1 = sign * g1
        a = error.additive
    if error.combination == "sd":
        s = a + g
        return s * s, 2.0 * s * g1, 2.0 * (g1 * g1 + s * g2)
    return a * a + g * g, 2.0 * g * g1, 2.0 * (g1 * g1 + g * g2)


def refuse_vanishing(cohort: Cohort) -> None:
    """Refuse values of before anything was given of which the model predicts 0, at its typical values, and an error
    that vanishes with it: no number that is estimated could make them likely.

    Raises:
        FitError: naming output, patient and value.
    """
    outputs, everybody = cohort.kernel.model.outputs, np.arange(len(cohort), dtype=np.int64)
    typical = np.zeros((len(cohort), cohort.size, 1))
    predicted = cohort.predictions(everybody, typical, cohort.theta.start.place)[:, 0]
    found = list[tuple[Subject, Observation]]()
    for subject, begin in zip(cohort.subjects, cohort.first, strict=False):
        given = subject.timeline.delivered.values()
        first = min((ms for one in given for ms in (*one.pulses, *(at for at, _ in one.rate))), default=None)
        for o, f in zip(subject.observations, predicted[begin:], strict=False):
            kind, error = kind_of(outputs[o.output]), outputs[o.output].error
            exact = o.below is None and not (kind.discrete or kind.awaited or error.weighs_zero)
            if exact and abs(f) <= SMALLEST and (first is None or o.millis <= first):
                found.append((subject, o))
    if found:
        subject, o = found[0]
        output = outputs[o.output]
        raise FitError(
            f"{output.name}: patient {subject.id} has a value {o.value:g} before anything was given, where the model"
            f" predicts 0 and its error vanishes with it (values: {len(found) // cohort.classes}); leave such values"
            " out (MDV 1), report them as below a limit (CENS), or write an additive error beside"
        )


def refuse_faint(cohort: Cohort) -> None:
    """Refuse values about which nothing scatters any less, since predictions are not taken below `SMALLEST`: their
    unit is too large.

    Raises:
        FitError: naming output, patient and value.
    """
    outputs = cohort.kernel.model.outputs
    for subject in cohort.subjects:
        for o in subject.observations:
            output = outputs[o.output]
            vanishing = not output.error.weighs_zero and not output.error.even
            if has_density(output, o) and vanishing and 0.0 < o.value < FAINT:
                raise FitError(
                    f"{output.name}: patient {subject.id} has a value {o.value:g} {output.unit}, and errors that grow"
                    f" with the prediction are not followed below {FAINT:g}; write the output and its values in a"
                    " smaller unit (ng in place of kg), or leave the value out"
                )


def refuse_unusual(cohort: Cohort, method: str) -> None:
    """Refuse values that are not normal around their prediction.

    Raises:
        FitError: naming output, patient and method.
    """
    outputs = cohort.kernel.model.outputs
    for subject in cohort.subjects:
        for o in subject.observations:
            output = outputs[o.output]
            what, kind = None, kind_of(output)
            if kind.discrete or kind.awaited:
                what = f"is {output.kind}"
            elif o.below is not None or o.above is not None:
                what = "has values known only by a limit"
            elif output.error.df is not None or output.error.outliers is not None:
                what = "has an error that is not normal"
            elif o.earlier or o.moments or o.readings is not None:
                what = "has replicates, draw times or readings that are weighed together"
            if what is not None:
                raise FitError(f"method {method}: {output.name} {what} (patient {subject.id}); use method laplace")
            if output.error.transformed and o.value <= 0:
                raise FitError(
                    f"{output.name}: patient {subject.id} has a value {o.value:g}, and its error is on a logarithmic or"
                    " Box-Cox scale; leave it out, report it as below a limit, or write an additive error"
                )
