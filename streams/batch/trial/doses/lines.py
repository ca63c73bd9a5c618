"""A virtual patient's first methotrexate, watched up to an hour: what is said of the lines to come, and what came."""

from __future__ import annotations

import numpy as np

from connectors.feeds.ward.patients import WardPatient
from streams.batch.trial.doses.record import Said
from streams.batch.trial.doses.schedule import Order
from streams.batch.trial.patients import TrialPlan
from twin.alerts.conditions.methotrexate import DRUG, HOURS, UNIT
from twin.clock import HOUR_MS
from twin.dosing.rescue.crossing import crossed, crossing_probability
from twin.model.spec import Model
from twin.patient.ahead.levels import Line
from twin.patient.averaged import begun_twin
from twin.record.orders import PlanStep
from twin.trial.reliability import Stated

WHAT = "a line of the consensus crossed"


def require_lines(model: Model, samples: tuple[float, ...]) -> None:
    """Refuse a trial of lines that no patient could be in.

    Raises:
        ValueError: a model of another drug, or samples (hours from the beginning) that are drawn after the first line.
    """
    if DRUG not in {one.drug for one in model.regimens}:
        raise ValueError(f"--of lines is of {DRUG} alone, and {model.id} gives {', '.join(model.drugs)}")
    if not samples or not 0 < max(samples) < HOURS[0]:
        raise ValueError(f"--level: levels are drawn before the first line, at {HOURS[0]:g} h; got {samples}")


def watch_line(plan: TrialPlan, model: Model, patient: WardPatient, samples: tuple[float, ...]) -> Stated:
    """What a twin says of the lines when the last of ``samples`` (hours from the beginning) is known, and the truth.

    Raises:
        ValueError: what `require_lines` refuses, or the patient gets no methotrexate.
    """
    require_lines(patient.model, samples)
    route, doses = patient.orders.get(DRUG, ("iv", ()))
    if not doses:
        raise ValueError(f"{model.id} gives no {DRUG}")
    first = doses[0]
    step = PlanStep(first.time, first.time + round(first.hours * HOUR_MS), first.amount, route)
    output = next(i for i, one in enumerate(patient.model.outputs) if one.unit == UNIT and one.name.startswith(DRUG))
    name = patient.model.outputs[output].name
    drawn = [(step.start_ms + round(hours * HOUR_MS), name) for hours in sorted(samples)]
    said = Said(patient, (Order(DRUG, step),), drawn)
    marks = [step.start_ms + round(hours * HOUR_MS) for hours in HOURS]
    course = said.solved(marks[-1] + 1, np.array(marks, dtype=np.int64)).course[name]
    lines = [Line(output, step.start_ms, hours, first.hours) for hours in HOURS]
    came = bool(crossed(lines, course[:, None])[0])
    twin = begun_twin(patient.id, model, plan.particles)
    now = drawn[-1][0] + 1
    twin.observe([*said.characteristics(), *said.doses(now), *said.results(now, [at for at, _ in drawn], model)])
    return Stated(WHAT, patient.id, crossing_probability(twin.components(now)), came)
