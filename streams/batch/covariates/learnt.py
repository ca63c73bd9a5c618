"""Effects that a network learns from recorded patients, judged by patients left out, in a model that is fitted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streams.batch.covariates.asked import Asked, head
from streams.batch.covariates.proposed import Standing, sample_of, stood
from streams.batch.covariates.weights import uncertainty
from streams.batch.population.fit import Moved
from streams.terminal.version import version
from twin.arrays import Floats
from twin.covariates.characteristics import CovariateError, known, values_of
from twin.covariates.full_random import constant
from twin.covariates.held_out import Task, Verdict, all_weights
from twin.covariates.learning import Drawn, Weights, shifts_of
from twin.covariates.learnt import able, check_parameters, with_network
from twin.covariates.network import Network, standardised

DRAWS = 128
"""Of each patient, that a network is learnt from."""

FEWEST_DRAWS = 10.0
"""Effective draws of a patient below which what is learnt rests on too few."""

MEMBERS = 20
"""Networks that patients drawn anew teach: how they differ is what is not certain."""


@dataclass(frozen=True, eq=False)
class Scope:
    """Which parameters may be shifted by which covariates, and the covariates (N, C) of the patients."""

    parameters: tuple[str, ...]
    covariates: tuple[str, ...]
    values: Floats


@dataclass(frozen=True, eq=False)
class Learnt:
    """A network that left-out patients bear out.

    Attributes:
        network: learnt from all; ``members``: from patients drawn anew.
        standing: the model with it, fitted.
        least: effective draws of the patient who has fewest.
    """

    network: Network
    members: tuple[Network, ...]
    standing: Standing
    least: float

    @property
    def problems(self) -> tuple[str, ...]:
        """What is to be known of it, in words."""
        if self.least >= FEWEST_DRAWS:
            return ()
        return (
            f"of a patient only {self.least:.1f} of {DRAWS} draws count where the network was learnt, far from the"
            " first fit: go by the likelihood of the fit with the network",
        )


def scope_of(asked: Asked, parameters: Sequence[str], covariates: Sequence[str]) -> Scope:
    """By default all parameters that can be, and all covariates in which patients differ.

    Raises:
        CovariateError: a name of nothing, a covariate that changes over time or is the same in everybody.
    """
    kept = tuple(parameters) or tuple(able(asked.model))
    check_parameters(asked.model, kept)
    if not kept:
        raise CovariateError(f"{asked.model.id} has no parameter with log-normal or normal random effects to learn of")
    for name in covariates:
        if name not in asked.described:
            said = known(asked.described, asked.model)
            raise CovariateError(f"covariates: {name!r} is no covariate of {asked.model.id}; {said}")
        if not asked.described[name].varies:
            raise CovariateError(f"covariates: {name} is the same in every patient, which explains nothing")
    names = tuple(covariates) or tuple(name for name, each in asked.described.items() if each.varies)
    if not names:
        raise CovariateError(f"{asked.model.id} has no covariate in which patients differ; declare [covariates.NAME]")
    at = [[each.name for each in asked.model.covariates].index(name) for name in names]
    constant([each.covariates[:, at] for each in asked.timelines.values()], names, asked.described)
    return Scope(kept, names, values_of(asked.timelines.values(), asked.model)[:, at])


def task_of(of: Standing, scope: Scope, hidden: int, seed: int) -> Task:
    """What may be learnt under a fitted population."""
    cohort, vector = of.cohort, of.fit.evaluation.vector
    sample = sample_of(of, DRAWS, seed)
    etas = cohort.theta.model.eta_names
    d = len(etas)
    eta, log = sample.eta[:, :, :d].copy(), sample.without_prior()
    drawn = Drawn(cohort.theta, vector, cohort.directions[:, :d], eta, log, cohort.site)
    at = np.array([etas.index(name) for name in scope.parameters])
    return Task(drawn, standardised(scope.values), at, hidden, seed)


def learnt(
    asked: Asked, of: Standing, scope: Scope, task: Task, verdict: Verdict, moved: Moved, kept_at: Path
) -> Learnt:
    """What all patients teach, in a model that is fitted with it.

    Raises:
        FitError, CovariateError, ModelError: it cannot be fitted, or is no model.
    """
    assert verdict.penalty is not None, "a network was chosen"
    vector, every = all_weights(task, verdict.penalty, MEMBERS)
    sd = np.sqrt(np.diag(of.fit.population.omega))[task.at]

    def network(weights: Weights) -> Network:
        return Network.of(scope.covariates, scope.parameters, scope.values, weights.inner, weights.outer * sd[:, None])

    networks = [network(weights) for weights in every]
    model = with_network(asked.model, networks[0], asked.described, asked.name, how_learnt(asked, scope, verdict))
    least = task.drawn.least_size(vector, shifts_of(every[0], task.drawn, task.x, task.at))
    return Learnt(networks[0], tuple(networks[1:]), stood(asked, model, (), of, moved, kept_at), least)


def how_learnt(asked: Asked, scope: Scope, verdict: Verdict) -> str:
    """In a line: what was learnt from whom, and why it is believed."""
    low, high = verdict.interval
    return (
        f"effects of {', '.join(scope.covariates)} on {', '.join(scope.parameters)} by a network learnt by dosetwin"
        f" {version()} from {asked.model.id} {asked.model.hash}, data {asked.data.hash}, {len(asked.cases)} patients;"
        f" log density of a left-out patient greater by {verdict.mean:.3f} ({low:.3f} to {high:.3f})"
    )


def lines_of(verdict: Verdict) -> list[str]:
    """What left-out patients say, as people read it."""
    low, high = verdict.interval
    with_one = sum(each is not None for each in verdict.penalties)
    return [
        f"of {len(verdict.penalties)} folds a network was chosen in {with_one}",
        f"log density of a left-out patient with it: {verdict.mean:+.4f} (95 % {low:.4f} to {high:.4f})",
        "taken: left-out patients are predicted better" if verdict.accepted else "not taken: no better than without it",
    ]


def lines_of_learnt(of: Learnt, scope: Scope) -> list[str]:
    """How far each parameter is shifted, as people read it."""
    shifts, errors = uncertainty(of.network, of.members, scope.values)
    low, high = np.percentile(shifts, [5.0, 95.0], axis=0)
    mean = np.sqrt((errors**2).mean(axis=0))
    return [
        f"{name}: shifted by {low[p]:+.3f} to {high[p]:+.3f} (5th to 95th percentile of patients), SE {mean[p]:.3f}"
        for p, name in enumerate(scope.parameters)
    ]


def as_json(asked: Asked, scope: Scope, task: Task, verdict: Verdict, base: Standing, of: Learnt | None) -> str:
    """Everything, with names."""
    exact, low_high = base.fit.exact, verdict.interval
    content = {
        **head(asked.model, asked.data, len(asked.cases)),
        "covariates": list(scope.covariates),
        "parameters": list(scope.parameters),
        "hidden": task.hidden,
        "seed": task.seed,
        "accepted": verdict.accepted,
        "left_out": {
            "difference": verdict.mean,
            "interval": [float(each) for each in low_high],
            "is": "log density of a left-out patient's values, with a network less without one",
            "patients": dict(zip(asked.timelines, verdict.differences.tolist(), strict=True)),
        },
        "penalties": list(verdict.penalties),
        "penalty": verdict.penalty,
        "minus_2_log_likelihood": [exact.minus_2_log, exact.error],
        "with_network": None
        if of is None
        else {
            "minus_2_log_likelihood": [of.standing.fit.exact.minus_2_log, of.standing.fit.exact.error],
            "least_effective_draws": of.least,
        },
    }
    return json.dumps(content, indent=1) + "\n"
