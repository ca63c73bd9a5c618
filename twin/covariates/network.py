"""A small network from covariates to parameters, as numbers and as a formula of a model file.

With covariates x, each held within the range that it was learnt in, and one layer of H hidden units,

    shift_p(x) = o_p + sum_h b_ph tanh(a_h + sum_j w_hj x_j)

is added to the typical value of parameter p on the scale that its random effect is on: ln of a log-normal one. Its
numbers are rounded to `DIGITS`, so that what is judged, what is kept beside a model and what stands in the model's own
formulas are the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twin.arrays import Floats

DIGITS = 6
"""Significant digits of every number."""

NEGLIGIBLE = 1e-3
"""Weights of standardised covariates, and of hidden units, below which they are left out: gates that are closed leave
such behind."""


@dataclass(frozen=True, eq=False)
class Network:
    """C covariates, H hidden units, P parameters.

    Attributes:
        covariates, parameters: their names.
        low, high: (C,) the range that was seen; beyond it a covariate counts as its end.
        inner: (H, 1 + C) a and w, in the units of the model file; ``outer``: (P, H) b; ``offset``: (P,) o.
    """

    covariates: tuple[str, ...]
    parameters: tuple[str, ...]
    low: Floats
    high: Floats
    inner: Floats
    outer: Floats
    offset: Floats

    @classmethod
    def of(
        cls, covariates: Sequence[str], parameters: Sequence[str], values: Floats, inner: Floats, outer: Floats
    ) -> Network:
        """Learnt from patients' covariates (N, C), so that their mean shift is 0.

        Args:
            inner: (H, 1 + C) of standardised covariates (`standardised`); ``outer``: (P, H).
        """
        mean, sd = values.mean(axis=0), values.std(axis=0)
        heard = (np.abs(outer) > NEGLIGIBLE).any(axis=0)
        inner, outer = inner[heard], np.where(np.abs(outer) > NEGLIGIBLE, outer, 0.0)[:, heard]
        slopes = np.where(np.abs(inner[:, 1:]) > NEGLIGIBLE, inner[:, 1:], 0.0) / sd
        plain = np.column_stack([inner[:, 0] - slopes @ mean, slopes])
        low, high, plain, outer = (_rounded(each) for each in (values.min(axis=0), values.max(axis=0), plain, outer))
        bare = cls(tuple(covariates), tuple(parameters), low, high, plain, outer, np.zeros(len(outer)))
        offset = _rounded(-bare.shifts(values).mean(axis=0))
        return cls(tuple(covariates), tuple(parameters), low, high, plain, outer, offset)

    @property
    def used(self) -> tuple[str, ...]:
        """Covariates that do something."""
        return tuple(name for j, name in enumerate(self.covariates) if self.inner[:, 1 + j].any())

    def shifts(self, values: Floats) -> Floats:
        """(N, P) of covariates (N, C)."""
        x = np.clip(values, self.low, self.high)
        return np.asarray(np.tanh(self.inner[:, 0] + x @ self.inner[:, 1:].T) @ self.outer.T + self.offset)

    def outside(self, values: Floats) -> list[str]:
        """Of covariates (C,) those that are beyond what was seen, in words."""
        found = []
        for name, value, low, high in zip(self.covariates, values, self.low, self.high, strict=True):
            if name in self.used and not low <= value <= high:
                end, side = (low, "below") if value < low else (high, "above")
                found.append(
                    f"{name} {value:g} is {side} {end:g}, the farthest that was learnt from, and counts as that"
                )
        return found

    def formula(self, parameter: str) -> str:
        """The shift of a parameter, as a model file has it."""
        at = self.parameters.index(parameter)
        held = [
            f"max({low:.{DIGITS}g}, min({high:.{DIGITS}g}, {name}))"
            for name, low, high in zip(self.covariates, self.low, self.high, strict=True)
        ]
        terms = [f"{self.offset[at]:.{DIGITS}g}"]
        for weight, (bias, *slopes) in zip(self.outer[at], self.inner, strict=True):
            along = "".join(_signed(slope, of) for slope, of in zip(slopes, held, strict=True) if slope)
            if not weight:
                continue
            terms.append(_signed(float(weight), f"tanh({bias:.{DIGITS}g}{along})"))
        return "".join(terms)

    def as_numbers(self) -> dict[str, Any]:
        """Of JSON."""
        return {name: getattr(self, name).tolist() for name in _ARRAYS}

    @classmethod
    def from_numbers(cls, covariates: Sequence[str], parameters: Sequence[str], content: Mapping[str, Any]) -> Network:
        """What `as_numbers` gave.

        Raises:
            ValueError, KeyError, TypeError: it is none, or of other covariates or parameters.
        """
        c, p, h = len(covariates), len(parameters), len(content["inner"])
        arrays = {name: np.array(content[name], dtype=np.float64) for name in _ARRAYS}
        if not h:
            arrays["inner"] = arrays["inner"].reshape(0, 1 + c)
        wanted = {"low": (c,), "high": (c,), "inner": (h, 1 + c), "outer": (p, h), "offset": (p,)}
        for name, array in arrays.items():
            if array.shape != wanted[name] or not np.isfinite(array).all():
                raise ValueError(f"{name} has the shape {array.shape}, or a number that is none; it is {wanted[name]}")
        return cls(tuple(covariates), tuple(parameters), **arrays)


_ARRAYS = ("low", "high", "inner", "outer", "offset")


def standardised(values: Floats) -> Floats:
    """(N, C) covariates with mean 0 and standard deviation 1."""
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0))


def _rounded(values: Floats) -> Floats:
    return np.array([float(f"{value:.{DIGITS}g}") for value in values.ravel()]).reshape(values.shape)


def _signed(factor: float, of: str) -> str:
    return f" {'-' if factor < 0 else '+'} {abs(factor):.{DIGITS}g}*{of}"
