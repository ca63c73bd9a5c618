"""A trial of doses, or of lines, on all cores: a task is one patient in all arms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace

from streams.batch.trial.doses.lines import WHAT, watch_line
from streams.batch.trial.doses.treating import DosePlan, TreatedPatient, treat
from streams.batch.trial.patients import TrialPlan, virtual_patient
from streams.batch.trial.running import believed, believed_model, counted, of_each, true_model
from twin.dosing.protocol import Protocol
from twin.model.spec import Model
from twin.trial.doses.figures import ArmFigures, arm_figures
from twin.trial.doses.roc import Discrimination, discrimination
from twin.trial.reliability import Reliability, Stated, reliability


@dataclass(frozen=True)
class DoseReport:
    """What a trial of doses or of lines found.

    Attributes:
        model: id of the model believed in; ``model_hash`` of it with the trial's cadence.
        settings: of the trial, as they were told.
        arms: figures of every arm, the protocol's first; none in a trial of lines.
        reliability: of what was stated.
        discriminations: how well stated probabilities tell who will; none in a trial of doses.
        failed: patients that could not be treated, with the reason.
        classes: how many patients are of each class of a mixture.
    """

    model: str
    model_hash: str
    title: str
    settings: dict[str, object]
    patients: int
    arms: tuple[ArmFigures, ...]
    reliability: tuple[Reliability, ...]
    discriminations: tuple[Discrimination, ...]
    failed: tuple[tuple[str, str], ...]
    classes: dict[str, int] = field(default_factory=dict)


def run_doses(plan: DosePlan, model: Model, jobs: int, done: Callable[[int], None]) -> DoseReport:
    """Treat every patient of the plan in every arm.

    Args:
        jobs: worker processes; with none it is done here.
        done: is told how many patients have been treated.

    Raises:
        ValueError: nobody could be treated.
        WorkerLost: a worker process was killed.
    """
    tasks = [(plan, model.text, model.id, index) for index in range(plan.trial.patients)]
    treated, failed = of_each(_treat_one, tasks, jobs, done, "treated")
    treated.sort(key=lambda one: one.patient_id)
    return DoseReport(
        model.id,
        believed(model, plan.trial).hash,
        model.title,
        _settings(plan.trial) | {"protocol": _told(plan.protocol), "arms": plan.arms},
        len(treated),
        arm_figures([arm for one in treated for arm in one.arms]),
        reliability(stated for one in treated for stated in one.stated),
        (),
        failed,
        counted(one.of_class for one in treated),
    )


def run_lines(
    plan: TrialPlan, samples: tuple[float, ...], model: Model, jobs: int, done: Callable[[int], None]
) -> DoseReport:
    """Watch every patient's first methotrexate up to the last of ``samples`` (hours); see `run_doses`."""
    tasks = [(plan, samples, model.text, model.id, index) for index in range(plan.patients)]
    stated, failed = of_each(_watch_one, tasks, jobs, done, "treated")
    stated.sort(key=lambda one: one.patient_id)
    return DoseReport(
        model.id,
        believed(model, plan).hash,
        model.title,
        _settings(plan) | {"levels_at_hours": samples},
        len(stated),
        (),
        reliability(stated),
        (discrimination(WHAT, stated),),
        failed,
    )


def _settings(plan: TrialPlan) -> dict[str, object]:
    """Of the trial, without what it makes no use of: pumps do as they are told, and nothing comes with a slip."""
    return {
        name: value
        for name, value in (asdict(plan) | {"truth": plan.truth[1]}).items()
        if name not in ("faults", "pump_seconds")
    }


def _told(protocol: Protocol) -> dict[str, object]:
    """What of a protocol a trial heeds, as JSON has it."""
    kept = asdict(replace(protocol, live=frozenset()))
    return {name: value for name, value in kept.items() if name not in ("live", "delays", "earliest", "latest")}


def _treat_one(plan: DosePlan, text: str, model_id: str, index: int) -> tuple[int, TreatedPatient | str]:
    """Treat one patient; runs in a worker process. What goes wrong with a patient is a result too."""
    try:
        patient = virtual_patient(plan.trial, true_model(plan.trial.departure, *plan.trial.truth), index)
        return index, treat(plan, believed_model(text, model_id, plan.trial), patient)
    except Exception as error:  # one patient must not take the others' results with it
        return index, f"{type(error).__name__}: {error}"


def _watch_one(
    plan: TrialPlan, samples: tuple[float, ...], text: str, model_id: str, index: int
) -> tuple[int, Stated | str]:
    """Watch one patient; see `_treat_one`."""
    try:
        patient = virtual_patient(plan, true_model(plan.departure, *plan.truth), index)
        return index, watch_line(plan, believed_model(text, model_id, plan), patient, samples)
    except Exception as error:  # one patient must not take the others' results with it
        return index, f"{type(error).__name__}: {error}"
