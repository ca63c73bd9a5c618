"""The residual error of an output, as immutable values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twin.model.evidence import FittedOn

ErrorKind = Literal[
    "proportional",
    "additive",
    "combined",
    "power",
    "deviation",
    "log_additive",
    "log_combined",
    "box_cox",
    "poisson",
    "negative_binomial",
    "none",
]


@dataclass(frozen=True, slots=True)
class OutlierSpec:
    """A ``share`` of measurements scatters ``widening`` times as far as the others."""

    share: float
    widening: float


@dataclass(frozen=True, slots=True)
class ReadingsSpec:
    """How the median of a window of a wearable's readings scatters beside an error, which is that of one of them
    (`twin.observation.aggregate`).

    Attributes:
        independent: how many readings that know nothing of one another those of a window count for at most.
        df: degrees of freedom of the Student-t error of the median.
    """

    independent: float
    df: float


@dataclass(frozen=True, slots=True)
class GivenSpec:
    """The law of a residual given those of k other outputs, measured at the same instant (`twin.observation.residual`).

    Attributes:
        errors: of the others.
        correlation: (1 + k, 1 + k), with the others' after its own.
        slope, sd: (k,) regression on theirs, and what is left of its standard deviation of 1.
    """

    errors: tuple[ErrorSpec, ...]
    correlation: tuple[tuple[float, ...], ...]
    slope: tuple[float, ...]
    sd: float


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """Residual error of an output; every size is a standard deviation (equations: `twin.observation.residual`).

    Attributes:
        additive: in the output's unit; for ``log_additive`` and ``box_cox`` on that scale.
        proportional: fraction of the prediction; ``power``: of it ** ``exponent``; ``log_combined``: of its log;
            ``deviation``: of what ``formula`` makes of it.
        df: the residual is Student-t with that many degrees of freedom and this scale, else normal.
        combination: ``additive`` and ``proportional`` add as variances or as standard deviations.
        box_cox: exponent of the transform on which ``additive`` holds; 0 is the logarithm.
        replicate_correlation: of measurements at one instant.
        dispersion: of a negative binomial count with mean f, whose variance is f + dispersion * f**2.
        formula: g(f) of a ``deviation`` (`twin.observation.deviation`).
        beside: correlations of its residual with those of the outputs before it, measured at the same instant; empty
            where it has none.
        given: its law beside other outputs' values that were met before; of one observation
            (`twin.observation.likelihood.output_of`), never of a model's output.
        readings: of an output that readings of a wearable observe.
        fitted_on: the scale on which the source fitted it, where the file says so.
    """

    kind: ErrorKind
    additive: float
    proportional: float
    df: float | None
    source: str | None
    assumed: str | None
    exponent: float = 1.0
    combination: Literal["variance", "sd"] = "variance"
    box_cox: float | None = None
    outliers: OutlierSpec | None = None
    replicate_correlation: float | None = None
    dispersion: float | None = None
    fitted_on: FittedOn | None = None
    formula: str | None = None
    beside: tuple[float, ...] = ()
    given: GivenSpec | None = None
    readings: ReadingsSpec | None = None

    @property
    def logarithmic(self) -> bool:
        """Whether values scatter on the logarithm, so that 0 has no place."""
        return self.kind in ("log_additive", "log_combined")

    @property
    def transformed(self) -> bool:
        """Whether values scatter on a scale that is not their own."""
        return self.logarithmic or self.kind == "box_cox"

    @property
    def scatters(self) -> bool:
        """Whether values scatter by a size of their own; counts and grades scatter by what is predicted."""
        return self.kind not in ("none", "poisson", "negative_binomial")

    @property
    def in_proportion(self) -> bool:
        """Whether values scatter on their own scale by a part of what is predicted."""
        return self.kind in ("proportional", "combined", "power")

    @property
    def raised(self) -> bool:
        """Whether values scatter by a power of what is predicted, whose ``exponent`` is a number of its own."""
        return self.kind == "power"

    @property
    def even(self) -> bool:
        """Whether values scatter alike around every prediction, on the scale that the error is written for."""
        return self.kind in ("additive", "log_additive", "box_cox")

    @property
    def weighs_zero(self) -> bool:
        """Whether a measured 0 has a density: the scatter of the other errors vanishes with the prediction."""
        return self.weighs_negative or (self.box_cox is not None and self.box_cox > 0.0)

    @property
    def weighs_negative(self) -> bool:
        """Whether values scatter below 0: on their own scale, by an amount that does not vanish with the prediction."""
        return not self.transformed and (self.additive > 0.0 or self.exponent <= 0.0)


NO_ERROR = ErrorSpec("none", 0.0, 0.0, None, None, None)
"""Of grades and events: their probabilities are all the scatter there is."""
