"""What classes come to, of patients of whom nobody knows the class.

    L_i = sum_k p_k L_ik,      r_ik = p_k L_ik / L_i

with the share p_k of class k, and the likelihood L_ik of patient i as one of that class. A *member* is a patient taken
to be of a class: arrays of members hold all classes of the first patient, then those of the next. By any number x

    d log L_i / dx = sum_k r_ik d log L_ik / dx        and        d log L_i / d l_k = r_ik - p_k

where l_k = log(p_k / p_K) is what a share is estimated by, the last class being what others are held against. Classes
are called what the model file calls them, and keep to its values: the likelihood is the same when two change names, so
that it is the start of a search that says which is which.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import special

from twin.arrays import Floats
from twin.model.spec import Model
from twin.timeline.timeline import Timeline

HARDLY = 1e-6
"""A class as improbable as this for a patient adds nothing that would be seen."""


class Mixed(NamedTuple):
    """Of N patients: log L (N,), and the probability of each of the K classes given the values (N, K)."""

    log: Floats
    posterior: Floats


def mixed(log_likelihood: Floats, shares: Floats) -> Mixed:
    """Of members' log L (N K,) and shares (K,); a class in which the values are impossible has probability 0."""
    terms = np.where(np.isnan(log_likelihood), -np.inf, log_likelihood).reshape(-1, len(shares)) + np.log(shares)
    log = special.logsumexp(terms, axis=1)
    possible = np.isfinite(log)
    posterior = np.where(possible[:, None], np.exp(terms - np.where(possible, log, 0.0)[:, None]), shares)
    return Mixed(np.where(possible, log, -np.inf), posterior)


def together(of_members: Floats, posterior: Floats) -> Floats:
    """What members have (N K, ...), weighed by how probable it is that they are who they are (N, K): (N, ...)."""
    count, classes = posterior.shape
    each = of_members.reshape(count, classes, *of_members.shape[1:])
    weight = posterior.reshape(count, classes, *[1] * (of_members.ndim - 1))
    return np.asarray(np.where(weight > 0.0, weight * np.where(weight > 0.0, each, 0.0), 0.0).sum(axis=1))


def shares_of(logits: Floats) -> Floats:
    """Shares (K,) of l (K - 1,)."""
    return np.asarray(special.softmax(np.append(logits, 0.0)))


def logits_of(shares: Floats) -> Floats:
    """l (K - 1,) of shares (K,)."""
    return np.asarray(np.log(shares[:-1] / shares[-1]))


def share_slopes(shares: Floats) -> Floats:
    """(K - 1, K - 1) d p / d l."""
    own = shares[:-1]
    return np.asarray(np.diag(own) - np.outer(own, own))


def in_class(timeline: Timeline, column: int, value: float) -> Timeline:
    """A patient whose class, that column of the covariates, is known from the first moment to the last."""
    covariates = timeline.covariates.copy()
    covariates[:, column] = value
    return replace(timeline, covariates=covariates)


def members_of(model: Model, timeline: Timeline) -> tuple[Timeline, ...]:
    """A patient as one of each class; of a model without classes as the patient is."""
    mixture = model.mixture
    if mixture is None:
        return (timeline,)
    column = [one.name for one in model.covariates].index(mixture.covariate)
    return tuple(in_class(timeline, column, value) for value in mixture.values)
