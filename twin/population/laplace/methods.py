"""Which objective a method is."""

from __future__ import annotations

from twin.population.cohort import Cohort
from twin.population.laplace.laplace import LaplaceObjective
from twin.population.objective import Method, Objective
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
    return LaplaceObjective(cohort) if method == "laplace" else Objective(cohort, method)
