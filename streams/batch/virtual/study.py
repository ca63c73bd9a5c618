"""A study with all that its file names: the model, people, draws of typical values, protocols."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from streams.batch.process_pool import model_of
from streams.batch.trial.patients import TrialPlan
from twin.dosing.protocol import Protocol, load_protocol
from twin.model.spec import Model, ModelError
from twin.modelfile.library import load_model
from twin.modelfile.reader import content_of, read_model
from twin.trial.doses.arms import OF_ONE_CLASS
from twin.trial.population import Departure
from twin.virtual.people import read_people
from twin.virtual.plan import FIXED, WAYS, Arm, StudyError, StudyPlan, parse_study
from twin.virtual.uncertainty import Shifts, drawn_factors, given_factors, shiftable

Row = TypeVar("Row")

PARTICLES = 300
"""Of the twin in an arm that is advised."""

KEEPING = ("horizon", "mode")
"""Ways of choosing that keep an output in a window."""

UNCERTAIN = 23
"""Purpose of the random numbers that say what a trial's typical values are."""


@dataclass(frozen=True)
class Study:
    """A study that can be run: plain values, which worker processes are sent.

    Attributes:
        text, model_id: of the model.
        people: rows of characteristics, or none.
        draws: of typical values, or none: those of ``plan.rse``.
        protocols: by arm.
    """

    plan: StudyPlan
    text: str
    model_id: str
    people: tuple[dict[str, float], ...]
    draws: tuple[Shifts, ...]
    protocols: Mapping[str, Protocol]

    @property
    def uncertain(self) -> tuple[str, ...]:
        """Parameters whose typical values differ from trial to trial."""
        return tuple(dict.fromkeys(name for draw in self.draws for name, _ in draw.factors)) or tuple(
            name for name, _ in self.plan.rse
        )

    def shifts(self, trial: int) -> Shifts:
        """Typical values of a trial; of more trials than draws, the draws come again."""
        if self.draws:
            return self.draws[trial % len(self.draws)]
        return drawn_factors(self.plan.rse, np.random.default_rng([self.plan.seed, trial, UNCERTAIN]))

    def trial_plan(self, model: Model) -> TrialPlan:
        """How the simulated ward draws its patients and their samples."""
        plan = self.plan
        return TrialPlan(
            truth=(model.text, model.id),
            departure=Departure(),
            patients=plan.patients * plan.trials,
            seed=plan.seed,
            days=plan.days,
            count_days=plan.count_days,
            missing=plan.missing,
            faults=0.0,
            particles=PARTICLES,
            estimate_hours=24.0,
        )


def load_study(path: Path) -> Study:
    """A study file with the files it names, which lie beside it.

    Raises:
        StudyError, ModelError, ProtocolError: what is wrong, where, and how to mend it.
        OSError: a file cannot be read.
    """
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise StudyError(path.name, "", f"is no UTF-8 text: {error}") from None
    plan = parse_study(text, path.name)
    beside = path.parent / plan.model
    model = load_model(str(beside) if beside.is_file() else plan.model, mixtures=True)
    plan.checked(model)
    people = _rows(path.parent, plan.people_file, lambda rows, file: read_people(rows, model, file))
    draws = _rows(path.parent, plan.draws_file, lambda rows, file: given_factors(rows, model, file))
    protocols = {arm.name: _protocol(path.parent / arm.protocol, model, arm) for arm in plan.arms if arm.protocol}
    found = Study(plan, model.text, model.id, people, draws, protocols)
    for arm in plan.arms:
        _treatable(true_model(found, arm), plan, arm)
        _choosable(model, plan, arm)
        believed_model(found, arm)
    for trial in range(min(plan.trials, max(1, len(draws)))):
        found.shifts(trial).of(model)
    return found


def true_model(study: Study, arm: Arm) -> Model:
    """Who patients really are, with the arm's regimens and what a trial's typical values are shifted by."""
    return _of_arm(study.text, study.model_id, _key(arm), study.uncertain)


def believed_model(study: Study, arm: Arm) -> Model:
    """What an arm's estimator believes in: the model as it is, with the arm's regimens."""
    return _of_arm(study.text, study.model_id, _key(arm), ())


def _key(arm: Arm) -> tuple[tuple[tuple[str, Any], ...], ...]:
    return tuple(tuple(regimen.items()) for regimen in arm.regimens)


@functools.lru_cache(maxsize=64)
def _of_arm(
    text: str, model_id: str, regimens: tuple[tuple[tuple[str, Any], ...], ...], uncertain: tuple[str, ...]
) -> Model:
    model = model_of(text, model_id)
    if regimens:
        content = content_of(text, model_id)
        content["regimens"] = [dict(regimen) for regimen in regimens]
        content.pop("expected", None)  # of the model's own regimens
        model = read_model(content, text, model_id)
    if not uncertain:
        return model
    shifted = shiftable(model_of(text, model_id), uncertain)
    return replace(shifted, regimens=model.regimens)


def _protocol(path: Path, model: Model, arm: Arm) -> Protocol:
    found = load_protocol(path)
    if found.window is not None:
        found.window_of(model)
        if arm.by not in KEEPING:
            problem = f"'{arm.by}' chooses by an exposure; an output is kept in a window by one of {', '.join(KEEPING)}"
            raise StudyError(path.name, "window", problem)
        return found
    found.checked(model)
    target = found.target_of(model)
    if target is not None and target.measure != "course":
        problem = f"{target.name} is no exposure of a whole course; name one, or limit a toxicity of a model without"
        raise StudyError(path.name, "target.name", problem)
    return found


def _treatable(model: Model, plan: StudyPlan, arm: Arm) -> None:
    if not model.regimens:
        raise StudyError(
            plan.id,
            "arms",
            f"'{arm.name}' has no [[arms.regimens]] and {model.id} has none either: nobody knows how to treat with it",
        )


def _choosable(model: Model, plan: StudyPlan, arm: Arm) -> None:
    if model.mixture is not None and arm.by in OF_ONE_CLASS:
        problem = f"'{arm.by}' chooses for one most probable patient, and {model.id} has one in each of its classes"
        others = ", ".join(way for way in WAYS if way not in (FIXED, *OF_ONE_CLASS))
        raise StudyError(plan.id, "arms", f"'{arm.name}': {problem}; let one of {others} choose")


def _rows(
    folder: Path, name: str | None, read: Callable[[Sequence[dict[str, str]], str], tuple[Row, ...]]
) -> tuple[Row, ...]:
    if name is None:
        return ()
    with (folder / name).open(newline="", encoding="utf-8-sig") as file:
        try:
            return read(list(csv.DictReader(file)), name)
        except (csv.Error, UnicodeDecodeError) as error:
            raise ModelError(name, "", f"is no table: {error}; write comma-separated columns") from None
