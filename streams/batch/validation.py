"""Calibration of many models, or examination of many patients, on all cores, and the results as files.

A task of calibration is some patients of one model, so that cores are busy until the end and a model is published as
soon as its last patient is followed; a task of examination is one patient.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from connectors.reports.calibration import calibration_page
from connectors.reports.examination import examination_page, examination_record
from streams.batch.cases import Case, Problem, RecordedEvent, Report, in_file_order, of_patient, refusals
from streams.batch.process_pool import in_processes, model_of
from twin.clock import UNIT_MS
from twin.events import decode
from twin.kernel.kernel import Kernel, compile_model
from twin.model.spec import Model
from twin.study.calibration import Calibration, Followed, follow, summarise
from twin.study.design import Design, design
from twin.study.examination import Examined, examine
from twin.study.population import outlooks
from twin.study.records import record_of
from twin.timeline.regimen import ORIGIN

PATIENTS_A_TASK = 10


def calibrate(
    models: Sequence[Model], patients: int, particles: int, jobs: int, done: Callable[[int], None]
) -> Iterator[tuple[Model, Calibration | str]]:
    """Each model with its verdict, or with why it could not be followed, as they are finished.

    Args:
        patients: of each model.
        particles: of each twin.
        jobs: worker processes.
        done: is told how many patients have been followed.

    Raises:
        WorkerLost: a worker process was killed.
    """
    by_id = {model.id: model for model in models}
    parts: dict[str, dict[int, list[Followed]]] = {model.id: {} for model in models}
    failed: set[str] = set()
    starts = range(0, patients, PATIENTS_A_TASK)
    tasks = [
        (model.text, model.id, start, min(start + PATIENTS_A_TASK, patients), particles)
        for model in models
        for start in starts
    ]
    reached = 0
    with closing(in_processes(_follow_some, tasks, jobs)) as results:
        for model_id, start, followed in results:
            reached += min(PATIENTS_A_TASK, patients - start)
            done(reached)
            if isinstance(followed, str):
                if model_id not in failed:
                    failed.add(model_id)
                    yield by_id[model_id], followed
                continue
            parts[model_id][start] = followed
            if len(parts[model_id]) == len(starts):
                in_order = [one for at in starts for one in parts[model_id].pop(at)]
                yield by_id[model_id], _verdict(by_id[model_id], in_order, particles)


def _verdict(model: Model, followed: Sequence[Followed], particles: int) -> Calibration | str:
    try:
        return summarise(model, followed, particles)
    except ValueError as error:
        return f"no verdict: {error}"


def _follow_some(
    text: str, model_id: str, start: int, end: int, particles: int
) -> tuple[str, int, list[Followed] | str]:
    """Follow patients ``start`` to ``end``; runs in a worker process. What goes wrong with a model is a result too."""
    try:
        kernel, plan = _prepared(text, model_id)
        followed = [follow(kernel, kernel, plan, n, particles, time.perf_counter) for n in range(start, end)]
        return model_id, start, followed
    except Exception as error:  # one model must not take the others' results with it
        return model_id, start, f"{type(error).__name__}: {error}"


@lru_cache(maxsize=4)
def _prepared(text: str, model_id: str) -> tuple[Kernel, Design]:
    """A model's kernel and design, the same for all its patients."""
    kernel = compile_model(model_of(text, model_id))
    return kernel, design(kernel)


def publish(model: Model, found: Calibration, out: Path) -> None:
    """Write ``MODEL.json`` and ``MODEL.html`` into the folder ``out``."""
    kernel = compile_model(model)
    plan = design(kernel)
    said = asdict(found) | {"design": _design_record(model, plan)}
    (out / f"{model.id}.json").write_text(json.dumps(said, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    (out / f"{model.id}.html").write_text(calibration_page(found, model, plan, outlooks(kernel)), encoding="utf-8")


def _design_record(model: Model, plan: Design) -> dict[str, object]:
    """The design in words of the outside: doses as events, samples in model time from the first dose."""
    unit = UNIT_MS[model.time_unit]
    samples: dict[str, list[float]] = {}
    for millis, output in plan.samples:
        samples.setdefault(model.outputs[output].name, []).append((millis - ORIGIN) / unit)
    return {
        "time_unit": model.time_unit,
        "doses": [json.loads(dose.model_dump_json(exclude={"patient_id", "source", "v"})) for dose in plan.doses],
        "samples": samples,
    }


# --- patients of a file ----------------------------------------------------------------------------------------------


def examine_cases(
    cases: Sequence[Case], particles: int, jobs: int, report: Report, done: Callable[[int], None]
) -> list[Examined]:
    """Every patient examined by the twin of its model, in order of their ids.

    Args:
        report: is told of every event that could not be used, and of every patient who could not be examined.
        done: is told how many patients are finished.

    Raises:
        WorkerLost: a worker process was killed.
    """
    longest_first = sorted(cases, key=lambda case: len(case.recorded), reverse=True)
    tasks = [(case.patient_id, case.model.text, case.model.id, case.recorded, particles) for case in longest_first]
    found = []
    with closing(in_processes(_examine_one, tasks, jobs)) as results:
        for finished, (patient_id, examined, problems) in enumerate(results, start=1):
            for problem in problems:
                report(problem)
            if isinstance(examined, str):
                report(Problem(of_patient(patient_id), examined))
            else:
                found.append(examined)
            done(finished)
    return sorted(found, key=lambda one: in_file_order(one.patient_id))


def _examine_one(
    patient_id: str, text: str, model_id: str, recorded: tuple[RecordedEvent, ...], particles: int
) -> tuple[str, Examined | str, tuple[Problem, ...]]:
    """Examine one patient; runs in a worker process. What goes wrong with a patient is a result too."""
    try:
        model = model_of(text, model_id)
        events = [decode(one.raw) for one in recorded]
        history, refused = record_of(events, model)
        problems = refusals(patient_id, events, recorded, refused)
        return patient_id, examine(patient_id, history, model, particles), problems
    except Exception as error:  # one patient must not take the others' results with it
        return patient_id, f"not examined, {type(error).__name__}: {error}", ()


def publish_examination(
    model: Model, examined: Sequence[Examined], out: Path, *, particles: int, files: str, left_out: int
) -> None:
    """Write ``examination.json`` and ``examination.html`` into the folder ``out``; at least one was examined."""
    said = json.dumps(examination_record(model, examined), indent=1, allow_nan=False)
    (out / "examination.json").write_text(said + "\n", encoding="utf-8")
    page = examination_page(model, examined, particles, files, left_out)
    (out / "examination.html").write_text(page, encoding="utf-8")
