"""A trial on all cores: a task is one patient; what comes out does not depend on how many processes there are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from streams.batch.process_pool import in_processes, model_of
from streams.batch.trial.following import FollowedPatient, follow
from streams.batch.trial.patients import TrialPlan, virtual_patient
from twin.model.spec import Model
from twin.modelfile.reader import content_of, read_model
from twin.trial.figures import Worth, worth
from twin.trial.population import Departure
from twin.trial.pump_faults import AsPlanned, FaultFound, as_planned, faults_found
from twin.trial.reliability import Reliability, reliability

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Found = TypeVar("Found")


@dataclass(frozen=True)
class TrialReport:
    """What a trial found.

    Attributes:
        model: id of the model believed in; ``model_hash`` of it with the trial's cadence.
        settings: of the trial, as they were told.
        worths: the twin's warnings first, then the plain rules'.
        failed: patients that could not be followed, with the reason.
        classes: how many patients are of each class of a mixture.
    """

    model: str
    model_hash: str
    title: str
    settings: dict[str, object]
    patients: int
    patient_days: float
    worths: tuple[Worth, ...]
    reliability: tuple[Reliability, ...]
    faults: tuple[FaultFound, ...]
    planned: AsPlanned
    alerts: dict[str, int]
    failed: tuple[tuple[str, str], ...]
    classes: dict[str, int] = field(default_factory=dict)


def run(plan: TrialPlan, model: Model, jobs: int, done: Callable[[int], None]) -> TrialReport:
    """Follow every patient of the plan.

    Args:
        jobs: worker processes; with none it is done here.
        done: is told how many patients have been followed.

    Raises:
        ModelError: the true model cannot be made.
        ValueError: nobody could be followed.
        WorkerLost: a worker process was killed.
    """
    plan.departure.of(model_of(*plan.truth))
    tasks = [(plan, model.text, model.id, index) for index in range(plan.patients)]
    found, failed = of_each(_follow_one, tasks, jobs, done, "followed")
    found.sort(key=lambda one: one.patient_id)
    return report(plan, model, found, failed)


def of_each(
    task: Callable[..., tuple[int, Found | str]],
    tasks: Sequence[tuple[object, ...]],
    jobs: int,
    done: Callable[[int], None],
    what: str,
) -> tuple[list[Found], tuple[tuple[str, str], ...]]:
    """What a task found of each patient, as they come, and the patients of whom it found why not, in order.

    Raises:
        ValueError: it found nothing of anybody, who could not be ``what`` the task does.
        WorkerLost: a worker process was killed.
    """
    found: list[Found] = []
    failed: list[tuple[str, str]] = []
    with closing(in_processes(task, tasks, jobs)) as results:
        for finished, (index, one) in enumerate(results, start=1):
            if isinstance(one, str):
                failed.append((f"patient {index}", one))
            else:
                found.append(one)
            done(finished)
    if not found:
        raise ValueError(f"no patient could be {what}; the first: {failed[0][1]}")
    return found, tuple(sorted(failed))


def report(
    plan: TrialPlan, model: Model, found: Sequence[FollowedPatient], failed: tuple[tuple[str, str], ...] = ()
) -> TrialReport:
    """The figures of patients that were followed (at least one)."""
    names = dict.fromkeys(name for one in found for name in one.warned)
    pumped = [one.pumped for one in found if one.pumped is not None]
    rules = sorted({rule for one in found for rule in one.alerts})
    settings = asdict(plan) | {"truth": plan.truth[1]}
    return TrialReport(
        model.id,
        believed(model, plan).hash,
        model.title,
        settings,
        len(found),
        plan.days * len(found),
        tuple(worth(name, [one.warned[name] for one in found]) for name in names),
        reliability(stated for one in found for stated in one.stated),
        faults_found(pumped),
        as_planned(pumped),
        {rule: sum(one.alerts.get(rule, 0) for one in found) for rule in rules},
        failed,
        counted(one.of_class for one in found),
    )


def counted(classes: Iterable[str | None]) -> dict[str, int]:
    """How many patients are of each class, in the order of the names; none without classes."""
    return dict(sorted(Counter(one for one in classes if one is not None).items()))


def classes_line(classes: Mapping[str, int]) -> str:
    """How many patients are of each class of a mixture, at the end of a line; nothing without classes."""
    return "".join(f", {count} {name}" for name, count in classes.items())


def believed(model: Model, plan: TrialPlan) -> Model:
    """The model of the twins: the library's own, with the trial's time between two estimates."""
    if plan.estimate_hours is None:
        return model
    content = content_of(model.text, model.id)
    hours = {"min": 60.0, "h": 1.0, "d": 1.0 / 24.0}[model.time_unit]
    content["cadence"]["estimate"] = plan.estimate_hours * hours
    return read_model(content, model.text, model.id)


def publish(found: DataclassInstance, page: str, out: Path) -> None:
    """Write ``trial.json`` and ``trial.html`` into the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "trial.json").write_text(json.dumps(known(asdict(found)), indent=1, allow_nan=False) + "\n", "utf-8")
    (out / "trial.html").write_text(page, encoding="utf-8")


def known(value: object) -> object:
    """A value as JSON has it: what is not a number (nothing to make it of) is null."""
    if isinstance(value, dict):
        return {key: known(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [known(each) for each in value]
    return None if isinstance(value, float) and value != value else value


def _follow_one(plan: TrialPlan, text: str, model_id: str, index: int) -> tuple[int, FollowedPatient | str]:
    """Follow one patient; runs in a worker process. What goes wrong with a patient is a result too."""
    try:
        truth = true_model(plan.departure, *plan.truth)
        return index, follow(plan, believed_model(text, model_id, plan), virtual_patient(plan, truth, index))
    except Exception as error:  # one patient must not take the others' results with it
        return index, f"{type(error).__name__}: {error}"


@lru_cache(maxsize=4)
def true_model(departure: Departure, text: str, model_id: str) -> Model:
    """The true model, made once a process."""
    return departure.of(model_of(text, model_id))


@lru_cache(maxsize=4)
def believed_model(text: str, model_id: str, plan: TrialPlan) -> Model:
    """The model of the twins (`believed`), made once a process."""
    return believed(model_of(text, model_id), plan)
