"""How often a ward that has nothing to learn releases a version: ``python -m tests.twin.learning.figures [WARDS]``.

A ward in closed form: of each of 38 patients a quarter two effects are seen with errors of known size, and a sum of two
squared residuals. Each quarter a version by maximum likelihood from all patients so far is judged by those of the next
(`twin.learning.judgement.verdict`), as a ward of `streams.bench.learning` does. Told is in how many of so many wards
one was released within eight quarters, where the published typical values are right and where they are off.
"""

from __future__ import annotations

import sys

import numpy as np

from twin.arrays import Floats
from twin.learning.judgement import verdict

QUARTERS, QUARTERLY = 8, 38
SCATTER = np.array([[1.3, 0.1], [0.1, 1.3]])
"""Of what is seen of a patient, in published variances: who it is, and errors."""

Numbers = tuple[Floats, Floats, float]
PUBLISHED: Numbers = (np.zeros(2), SCATTER, 1.0)


def released(rng: np.random.Generator, off: float) -> bool:
    """Whether a ward whose typical values are ``off`` releases a version."""
    seen = rng.multivariate_normal(np.full(2, off), SCATTER, QUARTERS * QUARTERLY)
    squares = rng.chisquare(2, len(seen)) / 2.0
    for judged in range(1, QUARTERS):
        until = judged * QUARTERLY
        past, new = slice(0, until), slice(until, until + QUARTERLY)
        learnt = seen[past].mean(axis=0), np.cov(seen[past].T, bias=True), float(squares[past].mean())
        better = _scores(seen[new], squares[new], learnt) - _scores(seen[new], squares[new], PUBLISHED)
        if verdict(better.tolist(), [{}] * QUARTERLY).accepted:
            return True
    return False


def _scores(seen: Floats, squares: Floats, numbers: Numbers) -> Floats:
    mean, covariance, size = numbers
    away = seen - mean
    of_effects = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away) + np.linalg.slogdet(covariance)[1]
    return np.asarray(-0.5 * of_effects - np.log(size) - squares / size)


if __name__ == "__main__":
    wards = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for off in (0.0, 0.3, 0.5):
        rng = np.random.default_rng(1)
        share = np.mean([released(rng, off) for _ in range(wards)])
        error = np.sqrt(share * (1 - share) / wards)
        print(f"off by {off:g} SD: released in {100 * share:.1f} % of {wards} wards (SE {100 * error:.1f})", flush=True)
