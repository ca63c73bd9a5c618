"""What networks find and what they only seem to.

``python -m tests.twin.covariates.learning_figures [N [KIND ... [sites]]]``

Of N simulated data sets of 80 patients with two effects (SD 0.3) and six covariates, each effect known with a share of
0.3 to 0.9: with nothing in them, in how many a network is taken; with one covariate in one effect (0.2 by its SD,
linear or only above the mean), or two that act together as maturation does (the first by its logistic, within the
second's sign), in how many one is taken, and how much nearer to the truth it then is than no effect is. With ``sites``
patients are of 16 sites.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from tests.streams.batch.covariates.simulated import IN_SITES, MODEL
from twin.arrays import Floats, Integers
from twin.covariates.held_out import Task, Verdict, all_weights, judged
from twin.covariates.learning import Drawn, shifts_of
from twin.covariates.network import standardised
from twin.modelfile.reader import parse_model
from twin.population.importance.draws import Proposals, even_draws
from twin.population.theta import Theta

PATIENTS, COVARIATES, DRAWS, HIDDEN = 80, 6, 128, 4

KINDS = ("nothing", "linear", "above the mean", "maturation")


def effect(x: Floats, kind: str) -> Floats:
    """(N,) of covariates (N, C), what is true of the first parameter."""
    if kind == "nothing":
        return np.zeros(len(x))
    if kind == "linear":
        return np.asarray(0.2 * x[:, 0])
    if kind == "above the mean":
        return np.asarray(0.4 * np.maximum(x[:, 0], 0.0))
    return np.asarray(0.8 / (1.0 + np.exp(-3.0 * x[:, 0])) + 0.15 * x[:, 0] * (x[:, 1] > 0.0))


def simulated(
    seed: int,
    kind: str,
    patients: int = PATIENTS,
    covariates: int = COVARIATES,
    draws_each: int = DRAWS,
    sites: int = 0,
) -> tuple[Task, Floats]:
    """What may be learnt, and the true effect (N,); of so many ``sites``, which differ in the first effect by 0.5, and
    in covariates as much as their patients do."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(patients, covariates))
    site = np.arange(patients) % sites if sites else None
    if site is not None:
        x = np.sqrt(0.5) * (x + rng.normal(size=(sites, covariates))[site])
    truth = effect(x, kind)
    eta = 0.3 * rng.normal(size=(patients, 2))
    eta[:, 0] += truth - truth.mean()
    if site is not None:
        eta[:, 0] += 0.5 * rng.normal(size=sites)[site]
    omega = np.diag(eta.var(axis=0))
    share = rng.uniform(0.3, 0.9, size=eta.shape)
    noise = np.diag(omega) * (1.0 - share) / share
    seen = eta + rng.normal(size=eta.shape) * np.sqrt(noise)
    theta = Theta.of(parse_model(IN_SITES if sites else MODEL, "simulated.toml"))
    apart = {"isv.CL": 0.7 * omega[0, 0]} if sites else {}
    own = {"omega.CL": omega[0, 0] - sum(apart.values()), "omega.V": omega[1, 1]}
    vector = theta.pack(theta.population({**own, **apart}))
    covariance = np.array([np.diag(one) for one in np.diag(omega) * (1.0 - share)])
    proposals = Proposals.around(share * seen, covariance, omega)
    standard = even_draws([str(n) for n in range(patients)], 1, draws_each, 2)
    draws = proposals.drawn(standard)
    off = (draws - seen[:, None]) ** 2 / noise[:, None]
    log = -0.5 * (off + np.log(2.0 * np.pi * noise)[:, None]).sum(axis=2) - proposals.log_density(standard)
    directions = np.zeros((theta.size, 2))
    directions[0, 0] = directions[1, 1] = 1.0
    at: Integers = np.array([0, 1])
    return Task(Drawn(theta, vector, directions, draws, log, site), standardised(x), at, HIDDEN, seed), truth


def one(seed: int, kind: str, members: int = 0, **size: int) -> tuple[Verdict, float, float]:
    """Of `simulated` data: the verdict, the share of the true effect's variance that what was learnt leaves, and the
    share of patients whose true effect lies within 1.96 standard errors by so many ``members``."""
    task, truth = simulated(seed, kind, **size)
    verdict = judged(task)
    if not verdict.accepted or verdict.penalty is None:
        return verdict, 1.0, 0.0
    _, every = all_weights(task, verdict.penalty, members)
    shifts = np.array([shifts_of(weights, task.drawn, task.x, task.at)[:, 0] for weights in every])
    off = shifts[0] - shifts[0].mean() - (truth - truth.mean())
    left = float(off.var() / max(truth.var(), 1e-12))
    if not members:
        return verdict, left, 0.0
    around = shifts[1:] - shifts[1:].mean(axis=1)[:, None]
    return verdict, left, float((np.abs(off) < 1.96 * around.std(axis=0, ddof=1)).mean())


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    size = {"sites": 16} if "sites" in sys.argv else {}
    for kind in [word for word in sys.argv[2:] if word != "sites"] or KINDS:
        begun = time.process_time()
        every = [one(seed, kind, members=20, **size) for seed in range(count)]
        taken = np.array([each[1:] for each in every if each[0].accepted]).reshape(-1, 2)
        some = sum(any(each is not None for each in verdict.penalties) for verdict, *_ in every)
        left, covered = (np.median(taken, axis=0)[0], taken[:, 1].mean()) if len(taken) else (1.0, 0.0)
        print(
            f"{kind}: a network is taken in {len(taken)} of {count} (of some fold in {some}), and leaves {left:.0%} of"
            f" the true effect's variance; of {covered:.0%} of the patients it is within 1.96 standard errors;"
            f" {(time.process_time() - begun) / count:.1f} s each",
            flush=True,
        )
