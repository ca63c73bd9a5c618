"""Residuals of one patient's values as they are drawn together, and what they covary by.

Those of outputs that were measured at one instant correlate where the model says so, and so do those of replicates, of
one output at one instant: each pair of them by the same r. An output has one or the other
(`twin.modelfile.variability`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.model.measured.error import ErrorSpec
from twin.observation.observation import Observation, measured_together
from twin.observation.residual_correlation import correlation_of


def correlating(observations: Sequence[Observation], errors: Sequence[ErrorSpec]) -> Iterator[tuple[list[int], Floats]]:
    """Places (k,) of values of one patient whose residuals correlate, and their correlation (k, k)."""
    full = correlation_of(errors)
    for places in measured_together(observations, errors):
        outputs = [observations[n].output for n in places]
        yield places, full[np.ix_(outputs, outputs)]
    replicates: dict[tuple[int, int], list[int]] = {}
    for n, o in enumerate(observations):
        if errors[o.output].replicate_correlation is not None and o.readings is None:
            replicates.setdefault((o.millis, o.output), []).append(n)
    for (_, output), places in replicates.items():
        r = errors[output].replicate_correlation
        if r is not None and len(places) > 1:
            yield places, np.full((len(places),) * 2, r) + (1.0 - r) * np.eye(len(places))


def levels_together(observations: Sequence[Observation], errors: Sequence[ErrorSpec], levels: Floats) -> Floats:
    """Levels (n, K) at which a patient's values are drawn, as those of residuals that correlate.

    Args:
        levels: drawn independently, uniform from 0 to 1; those of values that stand alone stay.
    """
    found = levels.copy()
    for places, correlation in correlating(observations, errors):
        found[places] = special.ndtr(np.linalg.cholesky(correlation) @ special.ndtri(levels[places]))
    return found


def covariance_of(observations: Sequence[Observation], errors: Sequence[ErrorSpec], variances: Floats) -> Floats:
    """(n, n) of a patient's residuals that have ``variances`` (n,)."""
    found = np.diag(variances)
    for places, correlation in correlating(observations, errors):
        size = np.sqrt(variances[places])
        found[np.ix_(places, places)] = correlation * np.outer(size, size)
    return found
