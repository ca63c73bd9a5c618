"""What the numbers of a model file rest on: publications, who confirms them, and how they were printed there.

A number that was copied right may still mean something else than the file takes it for. So a file says in which form
its source prints how patients differ (`STATED_AS`), and `variance_of` turns a printed number into the variance of eta:

===================  ==============================================================================================
variance             omega^2, as NONMEM's $OMEGA
sd                   omega, the standard deviation of eta
cv_of_eta            CV = omega; of a normal parameter CV = omega / value
cv_of_parameter      CV = sqrt(exp(omega^2) - 1), what a log-normal parameter really has
===================  ==============================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

StatedAs = Literal["variance", "sd", "cv_of_eta", "cv_of_parameter"]
FittedOn = Literal["linear", "log"]

STATED_AS: tuple[StatedAs, ...] = get_args(StatedAs)
"""Forms in which a source may print how patients differ."""

FITTED_ON: tuple[FittedOn, ...] = get_args(FittedOn)
"""Scales on which a source may have fitted a residual error: that of the value, or its logarithm."""


@dataclass(frozen=True, slots=True)
class CitationSpec:
    """A publication the numbers come from."""

    citation: str
    doi: str | None
    url: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class ConfirmationSpec:
    """A source of another lineage than those the numbers come from, and what of the file it ``covers``, in words."""

    source: CitationSpec
    covers: str


@dataclass(frozen=True, slots=True)
class VariabilitySpec:
    """In which form the source prints the variability of every parameter that does not say so itself."""

    stated_as: StatedAs
    source: str | None
    assumed: str | None


@dataclass(frozen=True, slots=True)
class StatedSpec:
    """How the source prints one parameter's variability: its form, and the numbers themselves (a CV as a fraction).

    ``se`` is the standard error that it prints for the parameter's value, in the parameter's unit, found in so many
    ``patients``: both or neither. ``cohort_sd`` is the SD that it prints of what the cohort showed, in that unit.
    """

    stated_as: StatedAs | None = None
    iiv: float | None = None
    iov: float | None = None
    isv: float | None = None
    se: float | None = None
    patients: int | None = None
    cohort_sd: float | None = None


NOT_STATED = StatedSpec()
"""Of a parameter about which its own table says nothing."""


@dataclass(frozen=True, slots=True)
class CorrelationSpec:
    """Two random effects of a ``level`` (``iiv``, ``iov``, ``isv``), or residuals of two outputs, that vary together.

    ``covariance`` is the file's own, ``None`` where it gives the correlation; ``printed`` says that the source prints
    the covariance itself.
    """

    between: tuple[str, str]
    level: str
    covariance: float | None
    printed: bool
    source: str | None
    assumed: str | None


@dataclass(frozen=True, slots=True)
class ExpectedSpec:
    """What the typical patient shows under the model's regimens, from a source other than the solver.

    ``quantity`` is an output or a state, within ``low`` to ``high`` in its unit at the time ``at`` (model time units
    after the first dose).
    """

    quantity: str
    at: float
    low: float
    high: float
    source: str | None
    assumed: str | None


def variance_of(stated: float, stated_as: StatedAs, relative_to: float | None = None) -> float:
    """The variance of eta that a printed number means; ``relative_to`` is the value of a normal parameter.

    >>> round(variance_of(0.399, "cv_of_parameter"), 4), round(variance_of(0.399, "cv_of_eta"), 4)
    (0.1477, 0.1592)
    """
    match stated_as:
        case "variance":
            return stated
        case "sd":
            return stated * stated
        case "cv_of_eta":
            deviation = stated * (1.0 if relative_to is None else relative_to)
            return deviation * deviation
        case "cv_of_parameter":
            return math.log1p(stated * stated)  # infinite, not an error, where the square is
