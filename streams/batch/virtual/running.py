"""A study on all cores: a task is some patients of one trial; what comes out does not depend on how they are spread."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from streams.batch.process_pool import model_of
from streams.batch.tables import Cell, write_table
from streams.batch.trial.running import counted, of_each
from streams.batch.virtual.patients import Followed, follow_patient
from streams.batch.virtual.study import Study
from twin.virtual.comparison import Compared, compare


@dataclass(frozen=True)
class ArmGiven:
    """One arm: the mean dose, of the planned, and the share of patients who left before the end."""

    arm: str
    dose: float
    left: float


@dataclass(frozen=True)
class VirtualReport:
    """What a study found.

    Attributes:
        study, title, study_hash: of its file.
        settings: as they were told.
        patients: that were followed, of all trials.
        failed: patients who could not be followed, with the reason.
        classes: how many patients are of each class of a mixture.
    """

    study: str
    title: str
    study_hash: str
    model: str
    model_hash: str
    settings: dict[str, object]
    patients: int
    arms: tuple[ArmGiven, ...]
    compared: tuple[Compared, ...]
    failed: tuple[tuple[str, str], ...]
    classes: dict[str, int] = field(default_factory=dict)


def run_study(
    study: Study, model_hash: str, jobs: int, done: Callable[[int], None]
) -> tuple[VirtualReport, tuple[Followed, ...]]:
    """Follow every patient of every trial in every arm.

    Args:
        jobs: worker processes; with none it is done here.
        done: is told how many patients have been followed.

    Raises:
        ValueError: nobody could be followed.
        WorkerLost: a worker process was killed.
    """
    plan = study.plan
    tasks = [(study, trial, number) for trial in range(plan.trials) for number in range(plan.patients)]
    found, failed = of_each(_follow_one, tasks, jobs, done, "followed")
    found.sort(key=lambda one: (one.trial, one.number))
    return report(study, model_hash, found, failed), tuple(found)


def report(
    study: Study, model_hash: str, found: Sequence[Followed], failed: tuple[tuple[str, str], ...] = ()
) -> VirtualReport:
    """The figures of patients that were followed (at least one)."""
    plan = study.plan
    shape = (plan.trials, plan.patients, len(plan.arms), len(plan.endpoints))
    values, doses, left = np.full(shape, np.nan), [], []
    for one in found:
        values[one.trial, one.number] = one.endpoints
        doses.append(one.doses)
        left.append(np.isfinite(one.left))
    arms = [arm.name for arm in plan.arms]
    means = zip(arms, np.mean(doses, axis=0).tolist(), np.mean(left, axis=0).tolist(), strict=True)
    return VirtualReport(
        plan.id,
        plan.title,
        plan.hash,
        study.model_id,
        model_hash,
        {
            name: getattr(plan, name)
            for name in ("patients", "trials", "days", "seed", "level", "count_days", "missing")
        },
        len(found),
        tuple(ArmGiven(*each) for each in means),
        compare(plan.endpoints, arms, values, plan.level),
        failed,
        counted(one.of_class for one in found),
    )


def publish_study(found: VirtualReport, followed: Sequence[Followed], study: Study, page: str, out: Path) -> None:
    """Write ``study.json``, ``study.html`` and ``patients.csv`` into the folder ``out``.

    Raises:
        OSError: it cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_table(out / "patients.csv", patients_table(followed, study))
    (out / "study.html").write_text(page, "utf-8")
    # Written last, so that whoever finds it finds the others too.
    (out / "study.json").write_text(json.dumps(asdict(found), indent=1) + "\n", "utf-8")


def patients_table(followed: Sequence[Followed], study: Study) -> dict[str, list[Cell]]:
    """A row for every patient and arm; of a mixture ``CLASS_...`` says who the patient really is."""
    plan, mixture = study.plan, model_of(study.text, study.model_id).mixture
    shown = () if mixture is None else (f"CLASS_{mixture.covariate}",)
    table: dict[str, list[Cell]] = {name: [] for name in ("trial", "patient", *shown, "arm", "dose", "left_day")}
    table |= {endpoint.name: [] for endpoint in plan.endpoints}
    for one in followed:
        for a, arm in enumerate(plan.arms):
            who = [one.trial + 1, one.number + 1, *(one.of_class for _ in shown)]
            row = [*who, arm.name, float(one.doses[a]), float(one.left[a])]
            for column, cell in zip(table.values(), [*row, *one.endpoints[a].tolist()], strict=True):
                column.append(cell)
    return table


def _follow_one(study: Study, trial: int, number: int) -> tuple[int, Followed | str]:
    """Follow one patient; runs in a worker process. What goes wrong with a patient is a result too."""
    index = trial * study.plan.patients + number
    try:
        return index, follow_patient(study, trial, number)
    except Exception as error:  # one patient must not take the others' results with it
        return index, f"{type(error).__name__}: {error}"
