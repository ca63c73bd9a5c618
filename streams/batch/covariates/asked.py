"""What every command of `dosetwin covariates` is given, read and checked before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streams.batch.arguments import LeftOut, cases_in, reading
from streams.batch.cases import Case, CaseError, Problem
from streams.batch.population.patients import Data, data_of, timelines_of
from streams.terminal.options import ReadingOptions
from streams.terminal.version import version
from twin.covariates.characteristics import Characteristic, CovariateError, characteristics
from twin.events import Covariate, LabResult, decode
from twin.model.spec import Model
from twin.names import NAME_IN_WORDS, is_name
from twin.population.theta import FitError, Theta
from twin.timeline.timeline import Timeline


@dataclass(frozen=True, eq=False)
class Asked:
    """Patients and model of a search.

    Attributes:
        name: id of the model that is to be written.
        cases: of patients who have a value; ``timelines``: theirs, in the same order.
        fixed: numbers that stay as they are.
        data: which data they are of.
    """

    model: Model
    name: str
    cases: tuple[Case, ...]
    timelines: dict[str, Timeline]
    described: dict[str, Characteristic]
    fixed: tuple[str, ...]
    data: Data

    def only(self, kept: Sequence[str]) -> Asked:
        """The same of some patients."""
        cases = tuple(case for case in self.cases if case.patient_id in kept)
        timelines = {case.patient_id: self.timelines[case.patient_id] for case in cases}
        return replace(self, cases=cases, timelines=timelines)


def asked(
    files: Sequence[Path],
    model: str,
    read_by: ReadingOptions,
    out: Path,
    name: str | None,
    ending: str,
    fix: str,
    categorical: str,
    left_out: LeftOut,
) -> Asked:
    """Read everything.

    Args:
        name: id of the model that is to be written; without it that of ``model`` and the ``ending``.

    Raises:
        CaseError, NmtranError, ModelError: what cannot be used, and what to change.
    """
    how = reading(model, files, read_by, out)
    assert how.model is not None, "a model is required"
    called = f"{how.model.id}_{ending}" if name is None else name
    if not is_name(called):
        raise CaseError(f"--name {called!r} cannot be an id; {NAME_IN_WORDS}")
    fixed = tuple(words(fix))
    cases = cases_in(files, how, left_out)
    try:
        timelines = timelines_of(cases, how.model, left_out)
        described = characteristics(timelines.values(), how.model, words(categorical))
        Theta.of(how.model, fixed)
    except (FitError, CovariateError) as error:
        raise CaseError(str(error)) from None
    kept = tuple(case for case in cases if case.patient_id in timelines)
    return Asked(how.model, called, kept, timelines, described, fixed, data_of(files, how.where))


def with_covariates(of: Asked, names: Sequence[str], left_out: LeftOut) -> Asked:
    """The patients of whom each of these covariates was reported; the others are said to be left out."""
    kept = []
    for case in of.cases:
        events = [decode(one.raw) for one in case.recorded]
        told = {each.name for each in events if isinstance(each, Covariate)}
        told |= {each.analyte for each in events if isinstance(each, LabResult)}
        missing = [name for name in names if name not in told]
        if missing:
            left_out(Problem(case.recorded[0].place, f"no value of {', '.join(missing)}", case.patient_id))
        else:
            kept.append(case.patient_id)
    return of.only(kept)


def head(model: Model, data: Data, patients: int) -> dict[str, Any]:
    """What every result begins with: who found it, for which model, in which data, of how many patients."""
    return {
        "program": f"dosetwin {version()}",
        "model": {"id": model.id, "hash": model.hash},
        "data": data.named(),
        "patients": patients,
    }


def words(text: str) -> list[str]:
    """The parts of ``A, B``."""
    return [part.strip() for part in text.split(",") if part.strip()]
