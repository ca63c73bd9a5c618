"""What boosted trees find and what they only seem to: ``python -m tests.twin.covariates.figures [N [sites]]``.

Of N simulated data sets of 80 patients with two effects (SD 0.3) and six covariates, each effect known with a share of
0.3 to 0.9: with nothing in them, how many get a proposal; with one covariate in one effect (0.2 by its SD, linear or
only above the mean) how often it is proposed, and how often anything that says nothing is. With ``sites`` patients are
of 16 sites, which differ in both effects by 0.3, and in the mean of each covariate as much as their patients do.
"""

from __future__ import annotations

import sys

import numpy as np

from twin.arrays import Floats
from twin.covariates.trees import Targets, proposals

PATIENTS, PERMUTATIONS = 80, 39

NAMES = tuple(f"x{k}" for k in range(6))


def simulated(seed: int, slope: float, bent: bool = False, sites: int = 0) -> tuple[Floats, Targets]:
    """Covariates (N, C), and what draws would say of effects of which the first moves with the first covariate."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(PATIENTS, len(NAMES)))
    eta = 0.3 * rng.normal(size=(PATIENTS, 2))
    site, between = np.arange(PATIENTS), np.zeros(2)
    if sites:
        site, between = np.arange(PATIENTS) % sites, np.full(2, 0.09)
        x = np.sqrt(0.5) * (x + rng.normal(size=(sites, len(NAMES)))[site])
        eta += 0.3 * rng.normal(size=(sites, 2))[site]
    eta[:, 0] += slope * (2.0 * np.maximum(x[:, 0], 0.0) if bent else x[:, 0])
    prior = eta.var(axis=0)
    share = rng.uniform(0.3, 0.9, size=eta.shape)
    seen = eta + rng.normal(size=eta.shape) * np.sqrt(prior * (1.0 - share) / share)
    return x, Targets.of(
        ("CL", "V"), share * seen, prior * (1.0 - share), prior, np.minimum(between, 0.8 * prior), site
    )


def proposed(
    seed: int, slope: float, bent: bool = False, permutations: int = PERMUTATIONS, sites: int = 0
) -> list[tuple[str, str]]:
    """Pairs that are proposed."""
    x, targets = simulated(seed, slope, bent, sites)
    found = proposals(NAMES, x, targets, permutations, seed=seed)
    return [(pair.parameter, pair.covariate) for pair in found.proposed]


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    sites = 16 if "sites" in sys.argv else 0
    nothing = [proposed(seed, 0.0, sites=sites) for seed in range(count)]
    print(f"nothing to find: {sum(map(bool, nothing))} of {count} data sets have a proposal", flush=True)
    for bent in (False, True):
        some = [proposed(seed, 0.2, bent, sites=sites) for seed in range(1000, 1000 + count)]
        true = sum(("CL", "x0") in pairs for pairs in some)
        false = sum(any(pair != ("CL", "x0") for pair in pairs) for pairs in some)
        kind = "only above the mean" if bent else "linear"
        print(f"one effect, {kind}: found in {true} of {count}, something else in {false}", flush=True)
