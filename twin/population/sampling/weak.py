"""Weak priors of what makes a law of residuals other than normal, where the analyst gives none.

A likelihood does not fall to 0 where a Student-t error becomes normal or outliers become none, so that a flat prior on
the scale that such a number moves on would leave no posterior. These are proper, on the natural scale:

    df                     gamma with shape 2 and rate 0.1 (Juarez & Steel 2010, J Bus Econ Stat 28:52), above 2
    vital_df               the same
    outlier_widening w     1/w uniform
    independent i          1/i uniform
    outlier_share, replicate_correlation     uniform

The exponent of a power, or of a Box-Cox scale, needs none: the likelihood falls to 0 on both sides, and its prior is
flat.
"""

from __future__ import annotations

import math

from twin.model.measured.error_numbers import ErrorNumber

SAID = (
    "of errors the exponent of a power or of a Box-Cox scale flat, df gamma with shape 2 and rate 0.1 above 2, 1 over"
    " the widening of outliers, or how many readings of a window are independent, uniform, their share and the"
    " correlation of replicates uniform"
)
"""All that in words."""


def log_weak(number: ErrorNumber, place: float) -> float:
    """Log density of a number at a place on the scale that it moves on, but for a constant; 0 of sizes and exponents,
    which have a flat one there."""
    if number.size or math.isinf(number.low):
        return 0.0
    value = number.natural(place)
    heavy, inverse = math.log(value) - 0.1 * value, -2.0 * math.log(value)
    known = {"df": heavy, "vital_df": heavy, "outlier_widening": inverse, "independent": inverse}
    density = known.get(number.name, 0.0)
    slope = number.slope(value)
    return density + math.log(slope) if slope > 0.0 else -math.inf
