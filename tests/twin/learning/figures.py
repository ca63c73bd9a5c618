"""How often a ward releases a version, and a worse one: ``python -m tests.twin.learning.figures [WARDS]``.

A ward in closed form: of each of 38 patients a quarter two effects are seen with errors of known size, and a sum of two
squared residuals. Each quarter a version from all patients so far, by maximum likelihood and shrunk towards the
published one (`twin.learning.shrinkage`), is judged by those of the next (`twin.learning.judgement.verdict`), as a ward
of `streams.bench.learning` does, and the running ratio goes on. Beside it stands what unshrunk versions do. Told is in
how many of so many wards one was released within eight quarters, where the published typical values are right and where
they are off; in how many the released one foresees later patients worse, by its true expected score; after how many
judgements; and how much better it is on average. In the last wards patients differ by a Student-t distribution (5
degrees of freedom, the published covariance), which no version can learn.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats
from twin.learning.judgement import verdict
from twin.learning.shrinkage import share_taken
from twin.learning.tally import Tally, tally

QUARTERS, QUARTERLY = 8, 38
SCATTER = np.array([[1.3, 0.1], [0.1, 1.3]])
"""Of what is seen of a patient, in published variances: who it is, and errors."""

Numbers = tuple[Floats, Floats, float]
NUMBERS = 6
"""That are learnt: two means, three of a covariance, and a size of errors."""

PUBLISHED: Numbers = (np.zeros(2), SCATTER, 1.0)


class Released(NamedTuple):
    """A version that was released, after so many judgements; ``better`` by its true expected log score a patient."""

    after: int
    better: float


def released(rng: np.random.Generator, off: float, heavy: bool = False, shrinks: bool = True) -> Released | None:
    """The version that a ward releases whose typical values are ``off``; of a ``heavy`` ward patients differ by t."""
    seen = rng.multivariate_normal(np.zeros(2), SCATTER, QUARTERS * QUARTERLY)
    if heavy:
        seen *= np.sqrt(3.0 / rng.chisquare(5, len(seen)))[:, None]
    seen += off
    squares = rng.chisquare(2, len(seen)) / 2.0
    account: list[Tally] = []
    for judged in range(1, QUARTERS):
        until = judged * QUARTERLY
        past, new = slice(0, until), slice(until, until + QUARTERLY)
        learnt = seen[past].mean(axis=0), np.cov(seen[past].T, bias=True), float(squares[past].mean())
        if shrinks:
            gain = (_scores(seen[past], squares[past], learnt) - _scores(seen[past], squares[past], PUBLISHED)).sum()
            learnt = _shrunk(learnt, share_taken(NUMBERS, float(gain)))
        better = _scores(seen[new], squares[new], learnt) - _scores(seen[new], squares[new], PUBLISHED)
        own = tally(better.tolist(), [{}] * QUARTERLY)
        if verdict(own, account).accepted:
            return Released(judged, _expected(off, learnt) - _expected(off, PUBLISHED))
        account.append(own)
    return None


def _shrunk(learnt: Numbers, share: float) -> Numbers:
    (mean, covariance, size), (old_mean, old_covariance, old_size) = learnt, PUBLISHED
    covariance = old_covariance + share * (covariance - old_covariance)
    return old_mean + share * (mean - old_mean), covariance, old_size * (size / old_size) ** share


def _scores(seen: Floats, squares: Floats, numbers: Numbers) -> Floats:
    mean, covariance, size = numbers
    away = seen - mean
    of_effects = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away) + np.linalg.slogdet(covariance)[1]
    return np.asarray(-0.5 * of_effects - np.log(size) - squares / size)


def _expected(off: float, numbers: Numbers) -> float:
    """Expected score of a patient: of normal scores the true mean and covariance say it, whatever the distribution."""
    mean, covariance, size = numbers
    away, inverse = off - mean, np.linalg.inv(covariance)
    of_effects = np.trace(inverse @ SCATTER) + away @ inverse @ away + np.linalg.slogdet(covariance)[1]
    return float(-0.5 * of_effects - np.log(size) - 1.0 / size)


def line(off: float, heavy: bool, shrinks: bool, wards: int) -> str:
    """What becomes of so many wards."""
    rng = np.random.default_rng(1)
    found = [released(rng, off, heavy, shrinks) for _ in range(wards)]
    which = [one for one in found if one is not None]
    share, worse = len(which) / wards, sum(one.better < 0 for one in which) / wards
    error = np.sqrt(share * (1 - share) / wards)
    after = f", after {np.median([one.after for one in which]):g} judgements" if which else ""
    gain = np.mean([one.better for one in which]) if which else np.nan
    kind = f"{', of t5' if heavy else ''}{'' if shrinks else ', unshrunk'}"
    return (
        f"off by {off:g} SD{kind}: released in {100 * share:.1f} % of {wards} wards "
        f"(SE {100 * error:.1f}), a worse one in {100 * worse:.1f} %{after}, better by {gain:.3f} on average"
    )


if __name__ == "__main__":
    wards = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for off, heavy in ((0.0, False), (0.15, False), (0.3, False), (0.5, False), (0.0, True), (0.3, True)):
        for shrinks in (True, False):
            print(line(off, heavy, shrinks, wards), flush=True)
