"""How much of what few patients say is taken: the way from the published numbers, less what chance makes of it.

Of k numbers that are learnt from patients the likelihood takes up chance too: at its maximum it is better by k/2 than
at the truth, on average, and for later patients worse by as much. With a gain G over the published population the share

    s = max(0, 1 - k / (2 G))

of the way foresees later patients best, as far as G can tell (the heuristic shrinkage of van Houwelingen and le Cessie
1990, Stat Med 9:1303; James and Stein's for any likelihood). Of a population that is as published nearly nothing is
taken. Where the numbers are clearly off, r = k / (2 G) below `CLEAR`, what is left of the way falls with r^2 / `CLEAR`
in place of r, so that nothing is left of it before long: there is nothing to win there, and a bias to lose.
"""

from __future__ import annotations

import numpy as np

from twin.learning.population import Anchor, Theta

CLEAR = 1.0 / 8.0
"""k / (2 G) below which a population is clearly not as published."""


def numbers_learnt(anchor: Anchor) -> int:
    """k: typical values, variances and covariances, coefficients, sizes of errors, and shares but one."""
    covariances = int(np.triu(anchor.free).sum())
    shares = 0 if anchor.shares_held else max(len(anchor.values) - 1, 0)
    others = (~anchor.held, anchor.free_coefficients, anchor.free_sizes)
    return covariances + shares + sum(int(each.sum()) for each in others)


def share_taken(numbers: int, gain: float) -> float:
    """s, of so many numbers and so great a gain in log-likelihood over the published population."""
    if 2.0 * gain <= numbers:
        return 0.0
    left = numbers / (2.0 * gain)
    return 1.0 - left * min(1.0, left / CLEAR)


def shrunk(anchor: Anchor, theta: Theta, share: float) -> Theta:
    """The population at this share of the way from the published one."""
    return Theta(*((1.0 - share) * old + share * new for old, new in zip(anchor.published, theta, strict=True)))
