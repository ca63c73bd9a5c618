"""What speaks against a fit, in words: where the search ended, and numbers that the data do not tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from twin.arrays import Floats
from twin.model.spec import Model
from twin.population.cohort import Cohort
from twin.population.importance.climbing import Exact
from twin.population.laplace.first_order import BENT
from twin.population.laplace.flat import flatter_than_the_prior
from twin.population.modes.bends import kinks_of
from twin.population.objective import Evaluation, Objective
from twin.population.results.classified import classes_of
from twin.population.search import State, bounds, untold
from twin.population.theta import Theta, effect_names
from twin.population.values import LEVELS, Population

LOOK = "begin with other values in the model file, or look at doses, values and units"
"""What to do about an objective that is not finite."""

PARALLEL = 0.999
"""A correlation of random effects beyond this runs to 1."""

OWN = 1.0 - PARALLEL**2
"""A share of a variance that is its own, apart from what other effects tell of it, below this runs to 0."""

NO_VARIANCE = 1e-6
"""A variance of random effects below this runs to 0."""

COVERED = 0.005
"""Effective share of a patient's draws below which they do not cover what is known of it."""

EDGE = 1e-3
"""A share that is nearer to 0 or to 1 than this runs there."""

NEARLY_NORMAL = 200.0
"""Degrees of freedom of a Student-t error beyond these are as good as endless."""

FAR_EXPONENT = 5.0
"""Farthest exponent from 0 of a Box-Cox scale that anything is measured on."""


def bent_in_words(bent: float) -> list[str]:
    """What speaks against a first-order fit: how far its line is from the model at what patients are like
    (`twin.population.laplace.first_order`)."""
    if bent < BENT:
        return []
    return [
        "method fo puts a line at the typical patient in place of the model: at what patients are like it is off by"
        f" {bent:.2g} residual standard deviations (root mean square), and estimates are biased, variances and errors"
        " most; fit again by focei or imp, beginning with these values"
    ]


def kinked_in_words(model: Model) -> list[str]:
    """What speaks against an objective by modes where formulas bend in what patients differ in."""
    kinks = kinks_of(model)
    if not kinks:
        return []
    return [
        f"predictions have a kink in what patients differ in, {kinks[0]}: the objective by modes may have several"
        " minima near to one another there, and where the search ends hangs on where it began; fit by imp or saem,"
        " whose likelihood has no kink, or look at several ends by --starts 5"
    ]


def uncovered_in_words(exact: Exact) -> list[str]:
    """What speaks against a likelihood of which a few draws decide what a patient counts."""
    if exact.size >= COVERED:
        return []
    return [
        f"of somebody {exact.size * exact.draws:.2g} of {exact.draws} draws carry all the weight: -2 log likelihood,"
        " and what was climbed by such draws, may be off by more than the standard error says; look at patients of whom"
        " much was measured, and fit by focei or laplace to compare"
    ]


def endless_in_words(endless: Mapping[str, float]) -> list[str]:
    """What speaks against typical values that went on without an end, with standard errors of their logarithms."""
    return [
        f"{name} went on as far as the search did: its logarithm has a standard error of {error:.2g}, so that the data"
        " tell no end of it; fix it where it was published, or write what the data do tell, as a slope for an effect"
        " whose most nobody came near"
        for name, error in endless.items()
    ]


def held_in_words(held: float) -> list[str]:
    """What speaks against classes of which chains stayed in a share ``held`` of steps, for names to be kept."""
    if not held:
        return []
    return [
        f"in {100 * held:.2g} % of steps classes would have changed names, or one would have been empty, and the chain"
        " stayed: the data hardly tell them apart; fewer classes, or fixed numbers of theirs, may do"
    ]


def problems_of(
    cohort: Cohort, state: State, here: Evaluation, population: Population, away: Sequence[str]
) -> list[str]:
    """What did not converge, which numbers ran ``away``, what the data do not tell, and what to try."""
    theta, found = cohort.theta, list[str]()
    if state.why != "converged":
        look = "look at units of DV, AMT and TIME, " if away else ""
        found.append(f"the search ended {state.why}: {look}begin with other values, or fix what the data do not tell")
    lost = len(np.unique(np.flatnonzero(~here.settled) // classes_of(here)))
    if lost:
        found.append(f"the mode of {lost} patients was not found: look at their doses, times and units")
    found += shares_at_an_end(theta, here.vector) + errors_at_an_end(theta, here)
    found += laws_at_an_end(theta, here.vector)
    wide = flatter_than_the_prior(here, population)
    if len(wide):
        found.append(
            f"of {len(wide)} patients the objective is next to flat at the mode, as between two modes that merge: there"
            " it is no approximation of the likelihood, and its curvature is bounded; use method imp"
        )
    for level in LEVELS:
        names, omega = effect_names(theta.model, level), population.covariance(level)
        alike = {"isv": "sites do not differ in it", "drift": "it does not drift"}
        alike["widens"] = "who lacks it differs no more than others"
        what, sd = alike.get(level, "patients do not differ in it"), np.sqrt(np.diag(omega))
        found += [
            f"the variance of {level}.{name} runs to 0: {what} as far as the data tell; leave it out"
            for name, one in zip(names, sd, strict=True)
            if one * one < NO_VARIANCE
        ]
        correlation = omega / np.outer(sd, sd)
        found += [
            f"{names[j]} and {names[i]} run to a correlation of {correlation[i, j]:.4f}: the data do not tell them"
            " apart; leave one of their effects out, or their correlation"
            for i in range(len(names))
            for j in range(i)
            if abs(correlation[i, j]) > PARALLEL
        ]
        found += told_by_others(names, omega) if not any("run to a correlation" in one for one in found) else []
    return found


def shares_at_an_end(theta: Theta, vector: Floats) -> list[str]:
    """Typical values on a logit scale that run to its end, where a standard error says nothing."""
    found = []
    for name, element, value in zip(theta.names, theta.elements, theta.natural(vector).tolist(), strict=True):
        if element.kind == "place" and theta.scale(element.i) == "logit" and min(value, 1.0 - value) < EDGE:
            found.append(
                f"{name} runs to {round(value)}, the end of what it can be: its standard error says nothing there; ask"
                f" --profile {name} from where on the data allow it, or --fix {name}"
            )
    return found


def errors_at_an_end(theta: Theta, here: Evaluation) -> list[str]:
    """Sizes that errors lack, as far as the data tell."""
    none = untold(here, bounds(theta)).tolist()
    return [
        f"{name} runs to 0: values scatter without that part of their error as far as the data tell; leave it out"
        for at, (name, gone) in enumerate(zip(theta.names, none, strict=True))
        if gone and (number := theta.error_number(at)) is not None and number.size
    ]


def laws_at_an_end(theta: Theta, vector: Floats) -> list[str]:
    """Numbers of errors, but for their sizes, that stand where the data tell of no such law."""
    found = []
    for at, (name, value) in enumerate(zip(theta.names, theta.natural(vector).tolist(), strict=True)):
        number = theta.error_number(at)
        if number is None or number.size:
            continue
        says = {
            "exponent": (value <= 0.0, "is not above 0: scatter does not grow with the prediction; write additive"),
            "box_cox": (
                abs(value) > FAR_EXPONENT,
                "is of no scale that values are measured on: they tell it from no other; write log_additive (0) or"
                " additive (1)",
            ),
            "df": (
                value > NEARLY_NORMAL,
                "runs to infinity: residuals are normal as far as the data tell; leave it out",
            ),
            "vital_df": (
                value > NEARLY_NORMAL,
                "runs to infinity: medians of readings are normal as far as the data tell; --fix it",
            ),
            "independent": (
                value < 1.0 + EDGE or value > NEARLY_NORMAL,
                "runs to 1: readings of a window say what one of them does, as far as the data tell; --fix it"
                if value < NEARLY_NORMAL
                else "runs to infinity: readings of a window share nothing as far as the data tell; --fix it",
            ),
            "outlier_share": (value < EDGE, "runs to 0: the data have no outliers; leave them out"),
            "outlier_widening": (value < 1.0 + EDGE, "runs to 1: outliers are as the others; leave them out"),
            "replicate_correlation": (
                min(value, 1.0 - value) < EDGE,
                f"runs to {value:.0f}, the end of what it can be; leave it out, or average the replicates",
            ),
        }
        there, said = says[number.name]
        found += [f"{name} {said}"] if there else []
    return found


def told_by_others(names: Sequence[str], omega: Floats) -> list[str]:
    """Effects that are those of others together: Omega is next to singular, and no pair of it."""
    variance = np.diag(omega)
    own = np.diag(np.linalg.cholesky(omega)) ** 2 / variance if len(omega) else variance
    found = []
    for i in np.flatnonzero((own < OWN) & (variance >= NO_VARIANCE)).tolist():
        others = ", ".join(names[j] for j in range(i) if omega[i, j])
        found.append(
            f"the effect of {names[i]} is what those of {others} make of it, as far as the data tell: {own[i]:.1g} of"
            " its variance is its own, Omega is next to singular, and standard errors are those with it so; leave its"
            " effect or some of its correlations out, or give a prior"
        )
    return found


def nowhere_finite(objective: Objective, vector: Floats) -> str:
    """Of whom the objective is not finite at a vector, with the greatest of its values; empty where it is of nobody."""
    cohort = objective.cohort
    with np.errstate(invalid="ignore", over="ignore"):
        finite = np.isfinite(objective(vector).ofv)
    if finite.all() or len(finite) != len(cohort.patients):  # Of sites it is not told of single patients.
        return ""
    subject = cohort.patients[int(np.argmin(finite))]
    most = max(subject.observations, key=lambda one: abs(one.value))
    name = cohort.theta.model.outputs[most.output].name
    return f" (patient {subject.id}, whose values of {name} go up to {most.value:g})"
