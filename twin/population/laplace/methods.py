"""Which objective a method is."""

from __future__ import annotations

from twin.population.cohort import Cohort
from twin.population.laplace.first_order import FirstOrderObjective
from twin.population.laplace.laplace import LaplaceObjective
from twin.population.laplace.mixed_sites.objective import (
    FirstOrderMixedSiteObjective,
    LaplaceMixedSiteObjective,
    MixedSiteObjective,
)
from twin.population.laplace.site_objective import FirstOrderSiteObjective, LaplaceSiteObjective, SiteObjective
from twin.population.objective import Evaluation, Method, Objective
from twin.population.theta import FitError


def usual_objective(cohort: Cohort) -> Objective:
    """FOCE-I, or Laplace's where that cannot weigh a value."""
    try:
        return objective_of(cohort, "focei")
    except FitError:
        return objective_of(cohort, "laplace")


def objective_of(cohort: Cohort, method: Method) -> Objective:
    """The objective of a cohort by a method.

    Raises:
        FitError: a value that the method cannot weigh.
    """
    differ = cohort.site is not None
    if differ and cohort.classes > 1:
        if method == "laplace":
            return LaplaceMixedSiteObjective(cohort)
        return FirstOrderMixedSiteObjective(cohort) if method == "fo" else MixedSiteObjective(cohort, method)
    if method == "laplace":
        return LaplaceSiteObjective(cohort) if differ else LaplaceObjective(cohort)
    if method == "fo":
        return FirstOrderSiteObjective(cohort) if differ else FirstOrderObjective(cohort)
    return SiteObjective(cohort, method) if differ else Objective(cohort, method)


def post_hoc(objective: Objective, here: Evaluation) -> Evaluation:
    """What is known of patients at the numbers found: where modes are those of a line, those of FOCE-I instead."""
    if objective.method != "fo":
        return here
    return objective_of(objective.cohort, "focei")(here.vector, thorough=True)
