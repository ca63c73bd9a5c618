"""The patients of a fit: recorded cases as timelines, and what was left out of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from connectors.feeds.nmtran.lines.chosen import Condition
from streams.batch.cases import Case, Problem, Report, refusals
from streams.batch.left_out import in_words
from streams.batch.process_pool import cores
from twin.events import decode
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.population.cohort import Cohort
from twin.population.results.untold import Measured, untold
from twin.population.theta import FitError, Theta
from twin.solver.step_control import step_sizes_for
from twin.study.records import record_of
from twin.timeline.timeline import Timeline, build

GIVES = frozenset(
    {"dose", "reset", "reset and dose", "record", "state reset", "pump delivery", "pump totals", "follow up begun"}
)
"""What was given and when, in the words of a `Problem`: values after one of these that is lost mean something else."""


def timelines_of(cases: Sequence[Case], model: Model, report: Report) -> dict[str, Timeline]:
    """The timeline of every patient of whom anything is known, by id; what cannot be used is reported.

    Who has no value of an output is left out, and who lost a dose, since what was measured would be fitted as if it had
    not been given.

    Raises:
        FitError: nobody is left.
    """
    kernel, found = compile_model(model), dict[str, Timeline]()
    for case in cases:
        events = [decode(one.raw) for one in case.recorded]
        history, refused = record_of(events, model)
        unusable = refusals(case.patient_id, events, case.recorded, refused)
        for problem in unusable:
            report(problem)
        timeline = build(history, kernel)
        measured = timeline is not None and bool(timeline.observations)
        why = _left_out(model, (*case.problems, *unusable), measured=measured)
        if why is not None:
            report(Problem(case.recorded[0].place, f"patient {case.patient_id} is left out: {why}", case.patient_id))
        elif timeline is not None:
            found[case.patient_id] = timeline
    if not found:
        raise FitError(f"no patient has a value of {_outputs(model)} that can be used: there is nothing to fit")
    return found


def _left_out(model: Model, unusable: Sequence[Problem], *, measured: bool) -> str | None:
    """Why nothing of a patient can be fitted, if nothing can."""
    lost = [problem for problem in unusable if problem.what in GIVES]
    if lost:
        return (
            f"{in_words(lost)} could not be used, and its values would be fitted as if that had not been; mend it, or "
            "leave the patient out of the file"
        )
    if measured:
        return None
    refused = [problem for problem in unusable if problem.what == "value"]
    if refused:
        return f"it has no value of {_outputs(model)} but what could not be used: {in_words(refused)}"
    return (
        f"it has no value of {_outputs(model)}; a value is a DV on a record with EVID 0 and without MDV 1, or an event "
        "drug_level or lab_result"
    )


def _outputs(model: Model) -> str:
    return " or ".join(output.name for output in model.outputs)


def asked_of(model: Model, fixed: Iterable[str], timelines: Mapping[str, Timeline]) -> tuple[Theta, tuple[str, ...]]:
    """What is estimated: all that is not fixed and of which anything that was measured can tell; and what none tells.

    Raises:
        FitError: a name in ``fixed`` that is no number of the model, or nothing is left.
    """
    theta = Theta.of(model, fixed)
    held = untold(theta, Measured.of(model, timelines.values()))
    return (Theta.of(model, (*fixed, *held)), held) if held else (theta, ())


def cohort_of(timelines: dict[str, Timeline], theta: Theta) -> Cohort:
    """Everybody, spread over the cores where equations are stepped; steps are those that suit the richest record."""
    kernel = compile_model(theta.model)
    richest = max(timelines.values(), key=lambda one: len(one.observations))
    spread = ThreadPoolExecutor(cores(), thread_name_prefix="patients").map
    return Cohort(kernel, step_sizes_for(kernel, richest.delivered), timelines, theta, spread)


class Data(NamedTuple):
    """Which data a result is of: files, what records had to hold, and the hash of both."""

    files: tuple[Path, ...]
    where: tuple[Condition, ...]
    hash: str

    def named(self) -> dict[str, Any]:
        """What results say of their data."""
        files, where = [str(file) for file in self.files], [str(one) for one in self.where]
        return {"files": files, "where": where, "hash": self.hash}


def data_of(files: Sequence[Path], where: Sequence[Condition] = ()) -> Data:
    """Which data these are, with the hash (32 hex digits) of what the files hold, in their order, and of ``where``.

    Raises:
        OSError: a file cannot be read.
    """
    found = hashlib.blake2b(digest_size=16)
    for file in files:
        content = file.read_bytes()
        found.update(len(content).to_bytes(8, "big") + content)
    found.update("".join(f"\n{one}" for one in where).encode())
    return Data(tuple(files), tuple(where), found.hexdigest())
