"""The uncertain time of a sample: a level written down for 10:00 may have been drawn at 9:50.

Its true time is normal around the recorded one with a standard deviation that the ward or the laboratory gives. The
likelihood is the mean of the likelihoods over that time, a trapezoidal rule at `MOMENTS` moments within
`FARTHEST` standard deviations: good to 2 % while the prediction changes by less than eight residual standard
deviations within one of time, and exact to rounding while it changes by less than three.
"""

from __future__ import annotations

import numpy as np

MOMENTS = 25
"""Moments at which the prediction is looked at; spaced a quarter of a standard deviation."""

FARTHEST = 3.0
"""Standard deviations to the first and the last moment; 0.3 % of the probability lies beyond and is left out."""

_PLACES = np.linspace(-FARTHEST, FARTHEST, MOMENTS)

MOMENT_WEIGHTS = np.exp(-0.5 * _PLACES**2) / np.exp(-0.5 * _PLACES**2).sum()
"""Probability of each moment."""


def moments_around(millis: int, sd_ms: float) -> tuple[int, ...]:
    """Moments (ms, ascending, distinct) around a recorded time, for a standard deviation of at least 4 ms."""
    return tuple((millis + np.rint(_PLACES * sd_ms).astype(np.int64)).tolist())
