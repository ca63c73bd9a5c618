"""Which objective a method is."""

from __future__ import annotations

from twin.population.cohort import Cohort
from twin.population.laplace.laplace import LaplaceObjective
from twin.population.objective import Method, Objective


def objective_of(cohort: Cohort, method: Method) -> Objective:
    """The objective of a cohort by a method.

    Raises:
        FitError: a value that the method cannot weigh.
    """
    return LaplaceObjective(cohort) if method == "laplace" else Objective(cohort, method)
