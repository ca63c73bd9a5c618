"""What is fitted to what, and how, as something that goes to another process: records, model and method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from streams.batch.cases import Case, RecordedEvent
from streams.batch.population.patients import cohort_of, timelines_of
from streams.batch.process_pool import model_of
from twin.population.cohort import Cohort
from twin.population.laplace.methods import objective_of
from twin.population.objective import Method, Objective
from twin.population.theta import Known, Theta

Records = tuple[tuple[str, tuple[RecordedEvent, ...]], ...]


@dataclass(frozen=True)
class Question:
    """What is fitted to what.

    Attributes:
        text, model_id: of the model.
        records: of each patient.
        fixed: names that are not free.
        method: by modes.
        prior: what is known of the numbers before.
    """

    text: str
    model_id: str
    records: Records
    fixed: tuple[str, ...]
    method: Method
    prior: Known | None

    @classmethod
    def of(cls, cases: Sequence[Case], cohort: Cohort, method: Method) -> Question:
        """Of the patients of a cohort, in its order, among these cases."""
        by_id, theta = {case.patient_id: case for case in cases}, cohort.theta
        records = tuple((subject.id, by_id[subject.id].recorded) for subject in cohort.patients)
        fixed = tuple(sorted(set(Theta.of(theta.model).names) - set(theta.names)))
        return cls(theta.model.text, theta.model.id, records, fixed, method, theta.prior)

    def cohort(self) -> Cohort:
        """Everybody; made once in a process."""
        return _cohort(self.text, self.model_id, self.records, self.fixed, self.prior)

    def objective(self) -> Objective:
        """The objective of everybody."""
        return objective_of(self.cohort(), self.method)


@lru_cache(maxsize=1)
def _cohort(text: str, model_id: str, records: Records, fixed: tuple[str, ...], prior: Known | None) -> Cohort:
    model = model_of(text, model_id)
    cases = [Case(patient, model, recorded) for patient, recorded in records]
    return cohort_of(timelines_of(cases, model, lambda _: None), Theta.of(model, fixed).with_prior(prior))
