"""Simulation-based calibration: does the twin learn what Bayes' rule gives, no more and no less?

A patient is drawn from the prior, treated and measured by the model's own design (`twin.study.design`), and assimilated
one value at a time as any patient is. If prior, likelihood and assimilation fit together, then

- the rank of every true eta among `DRAWS` draws of its final posterior is uniform, and so is the rank of the true
  log-likelihood, which notices what the margins of eta do not (Talts et al. 2018, arXiv:1804.06788; Modrák et al. 2023,
  Bayesian Anal);
- the probability integral transform (PIT) of every value in the distribution predicted just before it is uniform, and
  independent from one value to the next (Dawid 1984), so that an interval of 90 % holds nine values of ten.

Uniformity is judged by `twin.study.uniformity` at `FALSE_ALARM` for all quantities of a model together (Bonferroni).
Beside it stands how much better the posterior predicts than the mode plugged in, by the continuous ranked probability
score

    CRPS = E|X - y| - E|X - X'| / 2      (Gneiting & Raftery 2007, JASA 102:359),

on the logarithm or Box-Cox scale where the error is on it: what is lost by leaving the uncertainty of eta out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from twin.arrays import Floats
from twin.filter.belief import Belief, prior
from twin.filter.expectation import SCATTER_POINTS
from twin.filter.learning import learn
from twin.filter.posthoc import posterior_mode
from twin.filter.trunk import Trunk
from twin.kernel.kernel import Kernel
from twin.model.spec import Model, OutputSpec
from twin.observation import likelihood
from twin.observation.kinds import kind_of
from twin.observation.likelihood import output_of
from twin.observation.observation import Observation
from twin.randomness import generator
from twin.study.design import Design
from twin.study.prediction import Predictor
from twin.study.simulation import simulate
from twin.study.simulation import truth as simulated
from twin.study.uniformity import p_value
from twin.timeline.covariates import widened
from twin.timeline.timeline import Timeline

DRAWS = 99
"""Posterior draws among which the truth is ranked: 100 possible ranks."""

FALSE_ALARM = 0.01
"""Probability that a perfectly calibrated model fails."""

COVERAGE = (0.5, 0.8, 0.9, 0.95)
"""Levels of the predictive intervals that are counted."""

SCATTERED = 1000
"""Least points that make a predictive distribution."""

RESAMPLED = 1000
"""Bootstrap samples of the patients."""

PLUG_IN_EVERY = 4
"""Every fourth patient is also predicted with the mode plugged in: looking for it before each value costs as much as
all the rest."""

LIKELIHOOD = "log-likelihood"
"""Name of the rank that is not of an eta."""

Seconds = Callable[[], float]


@dataclass(frozen=True)
class Followed:
    """One simulated patient with n values.

    Attributes:
        ranks: (d + 1,) of the true eta and of the true log-likelihood among posterior draws, 0 to `DRAWS`.
        outputs: (n,) number of the output of each value.
        pit: (n,) where each value fell in what was predicted.
        crps, plug_in: (n,) score of the posterior's prediction and of the mode's; NaN where the mode's was not made.
        ess: (n,) effective sample size after each value, as a share of the particles.
        seconds: (n,) that each value took, prediction included.
    """

    ranks: tuple[int, ...]
    outputs: tuple[int, ...]
    pit: tuple[float, ...]
    crps: tuple[float, ...]
    plug_in: tuple[float, ...]
    ess: tuple[float, ...]
    seconds: tuple[float, ...]


def follow(kernel: Kernel, truth: Kernel, plan: Design, number: int, particles: int, clock: Seconds) -> Followed:
    """Simulate patient ``number`` by ``truth`` and let the twin of ``kernel`` learn from it.

    The two are the same model unless the calibration itself is put to the test; they have the same etas and outputs.
    ``clock`` gives seconds.
    """
    name = f"{truth.model.id} {number}"  # each model has patients of its own: verdicts are independent
    trunk, predictor, real = Trunk(kernel, name), Predictor(kernel, name), Predictor(truth, name)
    # No characteristic is reported, so both sides have the prior of what was never reported.
    population = prior(widened(truth.model), DRAWS, f"{name} truth").eta
    eta = population[generator(name, "who").integers(DRAWS)]
    timeline = simulate(real, eta, plan)
    belief = prior(widened(kernel.model), particles, name)
    position = trunk.begin(timeline, belief)
    pit: list[float] = []
    crps: list[float] = []
    plug_in: list[float] = []
    ess: list[float] = []
    seconds: list[float] = []
    for observation in timeline.observations:
        output = output_of(kernel.model.outputs, observation)
        by_mode = np.nan
        if number % PLUG_IN_EVERY == 0:
            by_mode = _mode_score(predictor, position.belief, timeline, observation)
        weight = position.belief.weight
        begun = clock()
        position, learned = learn(trunk, position, timeline, observation)
        seconds.append(clock() - begun)
        pit.append(learned.expected.pit)
        crps.append(ranked_probability_score(output, observation, learned.rows, weight))
        plug_in.append(by_mode)
        ess.append(position.belief.ess / particles)
    assert position.past is not None
    final, rng = position.belief, generator(name, "draws")
    chosen = rng.choice(particles, DRAWS, p=final.weight / final.weight.sum())
    # Eta as far as it has drifted by the end, and the data that the particles still answer for.
    whole, end = simulated(real, eta), timeline.segments.at(timeline.observations[-1].millis)
    lasting, believed = (e.lasting(timeline.segments, end) for e in (whole, trunk.effects(final)))
    true_likelihood = predictor.log_likelihood(whole, timeline, final.layout.since)[0]
    ranks = [_rank(float(true), column, rng) for true, column in zip(lasting[0], believed[chosen].T, strict=True)]
    ranks.append(_rank(float(true_likelihood), position.past[chosen], rng))
    outputs = tuple(observation.output for observation in timeline.observations)
    return Followed(tuple(ranks), outputs, tuple(pit), tuple(crps), tuple(plug_in), tuple(ess), tuple(seconds))


def _mode_score(predictor: Predictor, belief: Belief, timeline: Timeline, observation: Observation) -> float:
    """Score of what the mode of eta alone predicts, effects of occasions at 0; NaN where it predicts nothing."""
    mode = posterior_mode(predictor.kernel, predictor.step_sizes, belief, timeline)
    rows = predictor.rows(mode.eta[None], timeline, [observation])[0]
    if not np.isfinite(rows).all():
        return np.nan
    return ranked_probability_score(
        output_of(predictor.kernel.model.outputs, observation), observation, rows, np.ones(1)
    )


def ranked_probability_score(output: OutputSpec, observation: Observation, rows: Floats, weight: Floats) -> float:
    """CRPS of the mixture over particles of what ``rows`` (R, N) predict; on the scale that the error is on.

    Of an event it is the score of whether it has happened by then.
    """
    usable = np.isfinite(rows).all(axis=0)
    points = max(SCATTER_POINTS, SCATTERED // max(int(usable.sum()), 1))
    spread = likelihood.spread_out(output, observation, rows[:, usable], points).ravel()
    share = np.repeat(weight[usable] / (points * weight[usable].sum()), points)
    spread = kind_of(output).on_scale(output, spread)
    value = float(kind_of(output).on_scale(output, np.array([observation.value]))[0])
    order = np.argsort(spread)
    spread, share = spread[order], share[order]
    below = np.cumsum(share) - 0.5 * share
    return float((share * np.abs(spread - value)).sum() - (share * spread * (2 * below - 1)).sum())


def _rank(true: float, draws: Floats, rng: np.random.Generator) -> int:
    """How many of the draws are below the truth; equal ones are as good as a coin's throw."""
    return int(np.count_nonzero(draws < true) + rng.integers(np.count_nonzero(draws == true) + 1))


# --- all patients of a model -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Uniform:
    """A quantity that is uniform on [0, 1] in a calibrated model: its values, and how probable worse ones are."""

    name: str
    values: tuple[float, ...]
    p_value: float


@dataclass(frozen=True)
class Counted:
    """Intervals of ``level``: the share of values they held, and the 95 % interval of that share (Clopper-Pearson)."""

    level: float
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Foreseen:
    """How one output's values were predicted, each just before it was assimilated.

    Attributes:
        crps, plug_in: mean score of the posterior's prediction and of the mode's, over the values that both were made
            for; ``transformed`` says that they are on the scale of the error instead of the unit.
        gain: 1 - crps / plug_in, with a 90 % interval by bootstrap over patients.
    """

    output: str
    unit: str
    values: int
    coverage: tuple[Counted, ...]
    crps: float
    plug_in: float
    transformed: bool
    gain: float
    gain_low: float
    gain_high: float


@dataclass(frozen=True)
class Calibration:
    """The verdict on a model.

    Attributes:
        ranks: of each eta and of the log-likelihood, one value a patient.
        pit: of each output, one value a measurement.
        alpha: level of each single test, so that all together raise a false alarm with probability `FALSE_ALARM`.
        ess: least, median; as shares of the particles.
        milliseconds: median, worst; of one update.
    """

    model: str
    model_hash: str
    title: str
    patients: int
    particles: int
    ranks: tuple[Uniform, ...]
    pit: tuple[Uniform, ...]
    foreseen: tuple[Foreseen, ...]
    alpha: float
    passed: bool
    ess: tuple[float, float]
    milliseconds: tuple[float, float]


def summarise(model: Model, followed: Sequence[Followed], particles: int) -> Calibration:
    """The verdict on a model from its simulated patients.

    Raises:
        ValueError: no patients, or an output that no patient's mode could predict.
    """
    if not followed:
        raise ValueError("patients: none was followed; simulate at least one")
    every = np.array([one.ranks for one in followed])
    # A rank among n draws is one of n + 1 values, and uniform on them: read as the middle of its share of [0, 1].
    ranks = [
        _uniform(name, (column + 0.5) / (DRAWS + 1))
        for name, column in zip((*model.eta_names, LIKELIHOOD), every.T, strict=True)
    ]
    pit, foreseen = [], []
    for number, output in enumerate(model.outputs):
        of_output = [np.array(one.outputs) == number for one in followed]
        values, crps, plug_in = (
            [np.array(each)[mine] for each, mine in zip(column, of_output, strict=True)]
            for column in ([f.pit for f in followed], [f.crps for f in followed], [f.plug_in for f in followed])
        )
        if not sum(map(len, values)):
            continue
        pit.append(_uniform(output.name, np.concatenate(values)))
        foreseen.append(_foreseen(output, np.concatenate(values), crps, plug_in))
    alpha = FALSE_ALARM / (len(ranks) + len(pit))
    ess = np.concatenate([one.ess for one in followed])
    spent = 1e3 * np.concatenate([one.seconds for one in followed])
    return Calibration(
        model.id,
        model.hash,
        model.title,
        len(followed),
        particles,
        tuple(ranks),
        tuple(pit),
        tuple(foreseen),
        alpha,
        all(one.p_value >= alpha for one in (*ranks, *pit)),
        (float(ess.min()), float(np.median(ess))),
        (float(np.median(spent)), float(spent.max())),
    )


def _uniform(name: str, values: Floats) -> Uniform:
    return Uniform(name, tuple(values.tolist()), p_value(values))


def _foreseen(output: OutputSpec, pit: Floats, crps: Sequence[Floats], plug_in: Sequence[Floats]) -> Foreseen:
    both = [np.isfinite(c) & np.isfinite(m) for c, m in zip(crps, plug_in, strict=True)]
    totals = np.array([(c[b].sum(), m[b].sum()) for c, m, b in zip(crps, plug_in, both, strict=True) if b.any()])
    if not len(totals):
        raise ValueError(f"{output.name}: no patient's mode has a finite prediction of it")
    resampled = generator("bootstrap", output.name).integers(len(totals), size=(RESAMPLED, len(totals)))
    sums = totals[resampled].sum(axis=1)
    low, high = np.quantile(1 - sums[:, 0] / sums[:, 1], (0.05, 0.95)).tolist()
    posterior, mode = totals.sum(axis=0) / sum(int(b.sum()) for b in both)
    return Foreseen(
        output.name,
        output.unit,
        len(pit),
        tuple(_counted(pit, level) for level in COVERAGE),
        float(posterior),
        float(mode),
        output.error.transformed,
        float(1 - posterior / mode),
        low,
        high,
    )


def _counted(pit: Floats, level: float) -> Counted:
    inside = int(np.count_nonzero(np.abs(pit - 0.5) <= level / 2))
    found = stats.binomtest(inside, len(pit)).proportion_ci(0.95)
    return Counted(level, inside / len(pit), float(found.low), float(found.high))
