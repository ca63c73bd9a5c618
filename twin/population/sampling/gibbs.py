"""The posterior of a population's numbers, by Metropolis within Gibbs.

A step of each chain draws, one given the others,

    effects                    as `twin.population.sampling.chains` does,
    typical values and         as `twin.population.sampling.typical` does, individuals held,
    coefficients in means      whatever the effects of sites are,
    effects of sites           as `twin.population.sampling.site_effects` does, and then what no datum has met,
    blocks of Omega            as `twin.population.sampling.blocks` does,
    shares of classes          p ~ Dirichlet(1 + how many patients are of each), with what is known before,
    all other numbers          by a random walk each, tuned while the chains warm up.

Chains have populations of their own; their effects are solved side by side. Without a prior of the analyst's, numbers
other than Omega have a flat one on the scale they move on (`twin.kernel.free.scale_of`; sizes of errors on their
logarithm, what makes a law of residuals other than normal as `twin.population.sampling.weak` says), and shares of
classes are as likely to be any. A prior that is given (`twin.population.prior`) stands in its place: conjugate where it
is of Omega, else by accepting or not what the flat one proposes. Of a mixture each patient's class is drawn with its
effects (`twin.population.sampling.classes`), and everything else is given who is of which class: effects that a class
does not read are left out of Omega, and drawn from their prior. A number that moves predictions takes everybody's
effects along, as far as their modes move with it, and so do all typical values and coefficients together once a step:
if effects stayed, they would creep.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.population.importance.climbing import by_modes
from twin.population.importance.density import Density
from twin.population.laplace.methods import usual_objective
from twin.population.means.means import Means
from twin.population.mixture.mixing import logits_of
from twin.population.prior import Prior
from twin.population.sampling.before import Before
from twin.population.sampling.blocks import FREEDOM, WIDE, Walking, blocks, omega_drawn
from twin.population.sampling.chains import Chains, believed
from twin.population.sampling.classes import begun
from twin.population.sampling.posterior import Posterior
from twin.population.sampling.site_effects import Drawn, SiteEffects
from twin.population.sampling.target import Target
from twin.population.sampling.typical import typical_drawn
from twin.population.sampling.weak import SAID
from twin.population.search import scores_curvature
from twin.population.theta import Theta
from twin.randomness import generator

CHAINS, TRIES = 4, 5

WARMED, KEPT = 500, 2000
"""Steps of each chain while it warms up, and afterwards."""

DISPERSED = 1.5
"""Standard errors that chains begin apart."""

WANTED = 0.44
"""Share of steps of a single number's walk that should be taken."""

TOGETHER = 0.3
"""The same of steps of several numbers."""

MOST = 8000
"""Steps that count at the most: more than `KEPT` are made while chains disagree, or draws are worth too few."""

ROUNDS = 3
"""Steps of each size of an error, which take no predictions anew."""

AGAIN = 100
"""Steps of warming up after which modes are found anew, at the mean of the chains."""

Progress = Callable[[int, float, Floats], None]
"""Told after each step: its number, -2 log p(values, effects), and the vector (K,), means over the chains."""


def sampled(
    density: Density,
    start: Floats,
    seed: int = 1,
    told: Progress = lambda *_: None,
    warm: int = WARMED,
    kept: int = KEPT,
    most: int = MOST,
) -> Posterior:
    """Draw from the posterior, from where a search by modes ends that begins at a vector (K,): ``kept`` draws of each
    chain, and twice as many time after time, up to ``most``, while these are not enough."""
    run, theta = _Run(density, start, seed), density.cohort.theta
    draws, step = list[Floats](), 0
    while True:
        while step < warm + kept:
            step += 1
            if step <= warm and step % AGAIN == 0:
                run.look_again()
            log = run.step(tune=step <= warm)
            told(step, -2.0 * log, run.vectors.mean(axis=0))
            if step > warm:
                draws.append(np.array([theta.natural(vector) for vector in run.vectors]))
        found = Posterior(theta.names, np.stack(draws, axis=1), stated(theta), run.held)
        if 2 * kept > most or not found.problem:
            return found
        kept *= 2


def stated(theta: Theta) -> str:
    """The prior, in words."""
    weak = (
        "flat on the scale that numbers move on (logarithm, logit or as they are; errors on their logarithm); standard"
        f" deviations of effects half-t with {FREEDOM:g} degrees of freedom and {WIDE:g} times the model's as scale,"
        " their correlations flat"
    )
    if any(isinstance(block, Walking) for block in blocks(theta)):
        weak += " (each by itself where a block has pairs that are not listed, over what is positive definite so)"
    if theta.shares:
        weak += (
            "; shares of classes Dirichlet with 1 of each, where each class has somebody and keeps the name that it"
            " begins with"
        )
    if any((one := theta.error_number(at)) is not None and not one.size for at in range(theta.size)):
        weak += f"; {SAID}"
    return weak if theta.prior is None else f"{theta.prior.source}; of what it does not name: {weak}"


class _Run:
    """Chains with their populations."""

    def __init__(self, density: Density, start: Floats, seed: int) -> None:
        cohort = density.cohort
        self.density, self.theta = density, cohort.theta
        self.blocks = blocks(cohort.theta)
        self.means = Means(cohort)
        self.objective = usual_objective(cohort)
        vector, _ = by_modes(density, start)
        self.rng = [generator("population", seed, chain) for chain in range(CHAINS)]
        here = self.objective(vector)
        self._along, curvature = here.moves, scores_curvature(here)
        moved = [*self.means.moved, *self.means.apart]
        self._joint = np.linalg.cholesky(2.0 * np.linalg.inv(curvature)[np.ix_(moved, moved)])
        self._reach = 2.38 / np.sqrt(max(1, len(moved)))
        spread = np.linalg.cholesky(2.0 * np.linalg.inv(curvature))
        away = [np.clip(spread @ rng.standard_normal(len(vector)), -0.5, 0.5) for rng in self.rng]
        self.vectors = vector + DISPERSED * np.array(away)
        self.believed = believed(self.objective, self.means, vector)
        eta = np.repeat(self.believed.eta[:, None], CHAINS, axis=1)
        self.chains = Chains(cohort, self.means, eta, TRIES, seed, begun(self.objective, vector, CHAINS, named=True))
        self._sizes = cohort.theta.scatter
        walking = (*self.means.apart, *self._sizes)
        self._length = {at: 0.5 * float(spread[at] @ spread[at]) ** 0.5 for at in walking}
        self._steps = 0
        self.sites = None if cohort.site is None else SiteEffects(cohort, cohort.site, self.means.active, seed)
        self._about: Drawn | None = None
        self._last: tuple[tuple[bytes, int], Target] | None = None
        self._before = Before(cohort.theta)
        self._draw_sites()

    @property
    def held(self) -> float:
        """Share of steps in which a chain did not move, for classes to keep their names."""
        classes = self.chains.classes
        return 0.0 if classes is None else classes.stayed / (self._steps * CHAINS)

    def look_again(self) -> None:
        """Find modes anew where the chains are."""
        centre = self.vectors.mean(axis=0)
        self.believed = believed(self.objective, self.means, centre, self.believed.eta)
        self._along = self.objective(centre).moves

    def step(self, *, tune: bool) -> float:
        """One step of all chains; their mean log p(values, effects)."""
        self._steps += 1
        sweep = self.chains.sweep(self._target(self.vectors), self.believed, tune=tune)
        log = sweep.log_values + sweep.log_prior
        self._draw_means()
        self._draw_sites()
        self._move_together(tune)
        self._draw_omega(tune)
        self._draw_shares()
        self._walk(tune)
        return float(np.where(sweep.share > 0.0, sweep.share * log, 0.0).sum())

    def _draw_means(self) -> None:
        if not self.means.moved:
            return
        moved, after = list(self.means.moved), self.vectors.copy()
        for c, vector in enumerate(self.vectors):
            here, eta = self.chains.here[:, c], self.chains.eta[:, c]
            after[c] = typical_drawn(self.means, self.theta, vector, eta, self.rng[c], here, self.sites)
            if self._before.named.intersection(moved):
                change = self._before.of_named(after[c], moved) - self._before.of_named(vector, moved)
                if not np.log(self.rng[c].random()) < change:
                    after[c] = vector
        self.chains.hold(self.vectors, after)
        self.vectors = after

    def _draw_sites(self) -> None:
        if self.sites is not None:
            populations = [self.theta.unpack(vector) for vector in self.vectors]
            self._about = self.sites.of_each(self.chains.eta, populations, self.chains.here)
            self.chains.draw_unmet(self._target(self.vectors))

    def _move_together(self, tune: bool) -> None:
        """A step of all but variances, with the effects as their modes move: far where data say little of anybody."""
        moved = [*self.means.moved, *self.means.apart]
        if not moved:
            return
        steps = self._reach * np.stack([self._joint @ rng.standard_normal(len(moved)) for rng in self.rng])
        there = self.vectors.copy()
        there[:, moved] += steps
        eta = self.chains.eta + np.einsum("ndj,cj->ncd", np.nan_to_num(self._along[:, :, moved]), steps)
        target = self._target(there)
        log_values = target.log_values(target.read(eta))
        change = self.chains.summed(log_values + target.log_prior(eta) - self._log_here())
        pairs = zip(there, self.vectors, strict=True)
        change += [self._before.of_named(new, moved) - self._before.of_named(old, moved) for new, old in pairs]
        with np.errstate(invalid="ignore"):
            taken = np.log([rng.random() for rng in self.rng]) < change
        self._take(taken, there, eta, log_values)
        if tune:
            self._reach *= float(np.exp(self._steps**-0.5 * (taken.mean() - TOGETHER)))

    def _draw_omega(self, tune: bool) -> None:
        gain = self._steps**-0.5 if tune else 0.0
        for c, vector in enumerate(self.vectors):
            of_sites = None if self._about is None else self._about.b[:, c]
            here, rng = self.chains.here[:, c], self.rng[c]
            self.vectors[c] = omega_drawn(
                self.blocks, self.means, self.theta, vector, self._away(c), rng, of_sites, here=here, gain=gain
            )
        self.chains.draw_unmet(self._target(self.vectors))

    def _draw_shares(self) -> None:
        classes, shares = self.chains.classes, self.theta.shares
        if classes is None or not shares:
            return
        before = None if (given := _given(self.theta)) is None else given.shares(self.theta)
        known = 1.0 if before is None else 1.0 + before
        for c, of in enumerate(classes.of.T):
            counts = np.bincount(of, minlength=self.density.cohort.classes)
            self.vectors[c, shares] = logits_of(self.rng[c].dirichlet(known + counts))

    def _walk(self, tune: bool) -> None:
        """A step of each number that moves predictions, and some of each size of an error, of all chains at once."""
        for at in self.means.apart:
            moved, steps = self._stepped(at)
            eta = self.chains.eta + steps[:, None] * np.nan_to_num(self._along[:, None, :, at])
            target = self._target(moved)
            log_values = target.log_values(target.read(eta))
            change = self.chains.summed(log_values + target.log_prior(eta) - self._log_here())
            self._take(self._accepted(at, moved, change, tune), moved, eta, log_values)
        if not self._sizes:
            return
        here = self._target(self.vectors)
        read = here.read(self.chains.eta)
        for at in self._sizes * ROUNDS:
            moved, _ = self._stepped(at)
            log_values = here.by_errors(read, [self.theta.unpack(vector).errors for vector in moved])
            change = self.chains.summed(log_values - self.chains.log_values)
            self._take(self._accepted(at, moved, change, tune), moved, self.chains.eta, log_values)

    def _stepped(self, at: int) -> tuple[Floats, Floats]:
        """Vectors with a number moved, and by how much (C,)."""
        steps = self._length[at] * np.array([rng.standard_normal() for rng in self.rng])
        moved = self.vectors.copy()
        moved[:, at] += steps
        return moved, steps

    def _accepted(self, at: int, moved: Floats, change: Floats, tune: bool) -> NDArray[np.bool_]:
        """Which chains take that step (C,)."""
        pairs = zip(moved[:, at].tolist(), self.vectors[:, at].tolist(), strict=True)
        change = change + [self._before.log(at, new) - self._before.log(at, old) for new, old in pairs]
        with np.errstate(invalid="ignore"):
            taken = np.log([rng.random() for rng in self.rng]) < change
        if tune:
            self._length[at] *= float(np.exp(self._steps**-0.5 * (taken.mean() - WANTED)))
        return np.asarray(taken)

    def _take(self, taken: NDArray[np.bool_], vectors: Floats, eta: Floats, log_values: Floats) -> None:
        """Go where the chains that take a step (C,) go."""
        self.vectors = np.where(taken[:, None], vectors, self.vectors)
        self.chains.eta = np.where(taken[:, None], eta, self.chains.eta)
        self.chains.log_values = np.where(taken, log_values, self.chains.log_values)

    def _log_here(self) -> Floats:
        return self.chains.log_values + self._target(self.vectors).log_prior(self.chains.eta)

    def _target(self, vectors: Floats) -> Target:
        """Of the chains' populations, with the effects of sites as they were drawn last."""
        key = vectors.tobytes(), id(self._about)
        if self._last is None or self._last[0] != key:
            centres = None if self._about is None else self._about.centres
            self._last = key, Target(self.density, vectors.copy(), centres)
        return self._last[1]

    def _away(self, chain: int) -> Floats:
        """Effects (N, D) of a chain without those of sites."""
        eta = self.chains.eta[:, chain]
        return eta if self._about is None else eta - self._about.centres[:, chain]


def _given(theta: Theta) -> Prior | None:
    return theta.prior if isinstance(theta.prior, Prior) else None
