"""Who is of which class, as far as a fit can tell: how probable each class is for every patient, given the values.

The probabilities are those at the numbers found (NONMEM's MIXEST is the likeliest class), and each class has effects of
its own: the mode of what would be known of a patient who is of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from twin.arrays import Floats, Integers
from twin.population.cohort import Cohort
from twin.population.mixture.mixing import HARDLY
from twin.population.objective import Evaluation
from twin.population.theta import Theta

ALIKE = 1e-3
"""Classes whose likelihoods differ by less than this, relative to the whole, in every patient are one (assumed)."""

ROUNDING = 1e-9

DOUBTFUL = 0.9
"""A patient whose likeliest class is less probable than this is told of as doubtful."""


def classes_of(here: Evaluation) -> int:
    """How many classes there are; 1 without any."""
    return 1 if here.posterior is None else here.posterior.shape[1]


def renamed(before: Floats, after: Floats) -> bool:
    """Whether classes changed names: who was of one is of another, as far as the patients (N, K) are told apart."""
    shared = before.T @ after
    of, instead = linear_sum_assignment(shared, maximize=True)
    return bool(shared[of, instead].sum() > shared.trace() * (1.0 + ROUNDING))


def alike(found: Mapping[str, Any]) -> bool:
    """Whether two classes of what `classes_found` says are one: nobody is more probably of either than their shares."""
    names = list(found["shares"])
    shares = np.array([found["shares"][name] for name in names])
    odds = np.array([[one["probability"][name] for name in names] for one in found["patients"]]) / shares
    apart = np.abs(odds[:, :, None] - odds[:, None, :]).max(axis=0)
    return bool((apart[np.triu_indices(len(names), 1)] < ALIKE).any())


def likeliest(cohort: Cohort, here: Evaluation) -> tuple[Cohort, Integers]:
    """The patients of a cohort, each in the likeliest class, and which members (N,) they are (all without classes)."""
    if here.posterior is None:
        return cohort, np.arange(len(cohort), dtype=np.int64)
    return cohort.in_classes(here.posterior.argmax(axis=1).astype(np.int64))


def classes_found(theta: Theta, here: Evaluation, patients: Sequence[str]) -> dict[str, object] | None:
    """It all by name, as JSON has it; effects of a class that hardly can be are left out. ``None`` without classes."""
    mixture = theta.model.mixture
    if mixture is None or here.posterior is None:
        return None
    names, shares = theta.model.eta_names, theta.unpack(here.vector).shares.tolist()
    eta = here.eta[:, : len(names)].reshape(len(patients), len(mixture.classes), len(names))
    best = here.posterior.max(axis=1)
    return {
        "covariate": mixture.covariate,
        "shares": dict(zip(mixture.classes, shares, strict=True)),
        "told_apart": float(best.mean()),
        "doubtful": int((best < DOUBTFUL).sum()),
        "doubtful_below": DOUBTFUL,
        "are": "called as the model file has them; the objective is the same when classes change names, so that the"
        " values the search began with say which is which",
        "patients": [
            {
                "id": patient,
                "class": mixture.classes[int(each.argmax())],
                "probability": dict(zip(mixture.classes, each.tolist(), strict=True)),
                "eta": {
                    of: dict(zip(names, own.tolist(), strict=True))
                    for of, own, p in zip(mixture.classes, effects, each, strict=True)
                    if p >= HARDLY
                },
            }
            for patient, each, effects in zip(patients, here.posterior, eta, strict=True)
        ],
    }
