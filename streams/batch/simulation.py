"""Simulated patients as a data set in the style of NM-TRAN, which can be read again as any other.

Who the patients are and what is measured of them depends on the model, the design, the seed and the patient's number
alone. Without a design of one's own patients are treated and measured as `twin.study.design` has it.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from connectors.feeds.nmtran.doses import usual_route
from streams.batch.cases import Case, Problem, RecordedEvent, Report, of_patient, refusals
from streams.batch.process_pool import in_processes, model_of
from streams.batch.tables import Cell, Table
from twin.clock import DAY_MS, HOUR_MS, UNIT_MS
from twin.events import (
    Covariate,
    DoseGiven,
    Enrolment,
    FollowUpBegun,
    InputEvent,
    LabResult,
    Measurement,
    PumpDelivery,
    PumpTotals,
    Quantity,
    Release,
    StateReset,
    decode,
    from_millis,
    to_millis,
)
from twin.model.entrances import calls_into, taken_by
from twin.model.formula import arguments_of
from twin.model.record_functions import record_columns
from twin.model.spec import Model, output_index
from twin.model.structure import analyse, input_calls
from twin.observation.kinds import kind_of
from twin.randomness import generator
from twin.timeline.regimen import ORIGIN

if TYPE_CHECKING:
    from twin.study.design import Design

PATIENTS_A_TASK = 20

AT_ONE_INSTANT = ("covariate", "observation", "reset", "dose")
"""Records of one moment in the order of their lines, which is that of the moment's events in a twin."""

WHERE_IT_BELONGS = Enrolment | FollowUpBegun | Release
"""What of a record says when it begins and that all of it counts, and is no line of a data file by itself."""

Row = dict[str, Cell]
"""Cells of a record by column; what is missing has none."""


@dataclass(frozen=True)
class SimulatedPatient:
    """One patient: its records in time order, and the random effects (d,) and the class, if there are any, that made
    it."""

    patient_id: str
    rows: tuple[Row, ...]
    eta: tuple[float, ...]
    of_class: str | None = None


def simulate(
    model: Model, designs: Sequence[Case], patients: int, seed: int, jobs: int, report: Report
) -> tuple[SimulatedPatient, ...]:
    """Patients 1 to ``patients``, each by the next of the ``designs`` in turn; without any by the model's own.

    Args:
        designs: what is given to a patient, who it is, and when it is measured; the values themselves are not used.
        jobs: worker processes; with none it is done here.
        report: is told of every event of a design that the model cannot use, and of designs that cannot be followed.

    Raises:
        WorkerLost: a worker process was killed.
    """
    records = [(design.patient_id, design.recorded, design.zero) for design in designs]
    tasks = [
        (
            model.text,
            model.id,
            records,
            range(first, min(first + PATIENTS_A_TASK, patients + 1)),
            seed,
        )
        for first in range(1, patients + 1, PATIENTS_A_TASK)
    ]
    found: list[SimulatedPatient] = []
    problems: set[Problem] = set()
    with closing(in_processes(_simulate_some, tasks, jobs)) as results:
        for simulated, left_out in results:
            found += simulated
            problems.update(left_out)
    for problem in sorted(problems):
        report(problem)
    return tuple(sorted(found, key=lambda one: int(one.patient_id)))


Record = tuple[str, tuple[RecordedEvent, ...], int]


@dataclass(frozen=True)
class Planned:
    """The design that a record is.

    Attributes:
        zero: ms that TIME counts from.
        recorded: ms at which was recorded what is met at another ms (`twin.timeline.record_order`).
        problems: what of the record cannot be used.
    """

    design: Design
    zero: int
    recorded: Mapping[int, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def _simulate_some(
    text: str, model_id: str, designs: Sequence[Record], numbers: range, seed: int
) -> tuple[list[SimulatedPatient], list[Problem]]:
    """Patients of these ``numbers``; runs in a worker process."""
    model = model_of(text, model_id)
    found: list[SimulatedPatient] = []
    problems: list[Problem] = []
    planned = [_planned(record, model) for record in designs]
    for one in planned:
        problems += one.problems
    for number in numbers:
        own = not planned
        plan = Planned(_own(text, model_id), _zero(model, ORIGIN)) if own else planned[(number - 1) % len(planned)]
        if not plan.design.doses and not plan.design.samples:
            patient = designs[(number - 1) % len(designs)][0] if designs else str(number)
            problems.append(Problem(of_patient(patient), "neither doses nor times of measurement: nothing to simulate"))
            continue
        found.append(_simulated(model, plan, number, seed))
    return found, problems


def _simulated(model: Model, planned: Planned, number: int, seed: int) -> SimulatedPatient:
    from twin.arrays import storable
    from twin.filter.belief import prior
    from twin.kernel.kernel import compile_model
    from twin.solver.step_control import step_sizes_for
    from twin.study.prediction import Predictor
    from twin.study.simulation import planned_timeline
    from twin.study.simulation import simulate as simulate_one
    from twin.study.site_effects import shared_effects
    from twin.timeline.covariates import widened

    kernel = compile_model(model)
    key, plan = f"{model.id} seed {seed} patient {number}", planned.design
    of_class, known = _classified(model, plan, key)
    treated = planned_timeline(Predictor(kernel, key), known)
    predictor = Predictor(kernel, key, step_sizes_for(kernel, treated.delivered))
    covariates = {one.name: float(treated.covariates[0][at]) for at, one in enumerate(model.covariates)}
    shared = shared_effects(model, covariates, seed)
    within = model if shared is None else replace(model, omega=model.omega_iiv)
    eta = prior(widened(within, treated.widening), 1, key).eta[0]
    eta = eta if shared is None else storable(eta + shared)
    timeline = simulate_one(predictor, eta, known)
    unit = UNIT_MS[model.time_unit]
    rows: list[tuple[int, int, Row]] = [
        (to_millis(dose.time), AT_ONE_INSTANT.index("dose"), row)
        for dose in plan.doses
        for row in _dose_rows(dose, model)
    ]
    for other in (other for other in plan.others if not isinstance(other, WHERE_IT_BELONGS)):
        what = "reset" if isinstance(other, StateReset) else "covariate"
        rows.append((to_millis(other.time), AT_ONE_INSTANT.index(what), _other_row(other)))
    for o in timeline.observations:
        output = model.outputs[o.output]
        impossible = o.value < 0 and not kind_of(output).weighs_negative(output)
        row: Row = {"EVID": 0, "DV": o.value, "DVID": o.output + 1, "MDV": int(impossible)}
        rows.append((o.millis, AT_ONE_INSTANT.index("observation"), row))
    if timeline.start < min(millis for millis, _, _ in rows):
        rows.append((timeline.start, AT_ONE_INSTANT.index("covariate"), {"EVID": 2}))
    rows.sort(key=lambda each: each[:2])
    name = str(number)
    placed: list[Row] = []
    for millis, _, row in rows:
        begun: Row = {"ID": name, "TIME": (planned.recorded.get(millis, millis) - planned.zero) / unit, "MDV": 1}
        placed.append(begun | row)
    return SimulatedPatient(name, tuple(placed), tuple(eta.tolist()), of_class)


def _classified(model: Model, plan: Design, key: str) -> tuple[str | None, Design]:
    """The class that a patient of a mixture is drawn to be of, and the design as if it were known."""
    mixture = model.mixture
    if mixture is None or any(isinstance(e, Covariate) and e.name == mixture.covariate for e in plan.others):
        return None, plan
    drawn = int(generator(key, "class").choice(len(mixture.classes), p=mixture.shares))
    unit = next(one.unit for one in model.covariates if one.name == mixture.covariate)
    told = Covariate(
        event_id="class",
        patient_id="simulated",
        time=from_millis(ORIGIN),
        source="simulated",
        name=mixture.covariate,
        value=Quantity(value=mixture.values[drawn], unit=unit),
    )
    return mixture.classes[drawn], replace(plan, others=(told, *plan.others))


# --- designs ---------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def _own(text: str, model_id: str) -> Design:
    from twin.kernel.kernel import compile_model
    from twin.study.design import design

    return design(compile_model(model_of(text, model_id)))


def _planned(record: Record, model: Model) -> Planned:
    from twin.study.design import Design
    from twin.study.records import record_of
    from twin.timeline.record_order import in_record_order

    patient_id, recorded, zero = record
    events = [decode(one.raw) for one in recorded]
    history, refused = record_of(events, model)
    problems = list(refusals(patient_id, events, recorded, refused))
    doses: list[DoseGiven] = []
    others: list[InputEvent] = []
    samples: list[tuple[int, int]] = []
    pumped = False
    told: dict[int, int] = {}
    for millis, fact, recorded_at in in_record_order(history):
        if millis != recorded_at:
            told[millis] = recorded_at
        plain = fact.model_copy(
            update={"status": "final", "replaces": None, "time": from_millis(millis), "sequence": None}
        )
        output = output_index(model, plain.analyte) if isinstance(plain, Measurement) else None
        if isinstance(plain, DoseGiven):
            doses.append(plain)
        elif output is not None:
            samples.append((millis, output))
        elif isinstance(plain, Covariate | StateReset | LabResult | WHERE_IT_BELONGS):
            others.append(plain)
        elif isinstance(plain, PumpDelivery | PumpTotals):
            pumped = True
    if pumped or history.samples:
        problems.append(Problem(of_patient(patient_id), "what pumps say cannot stand in a design; give doses"))
    found = Design(tuple(doses), tuple(sorted(samples)), tuple(others))
    return Planned(found, zero, told, tuple(problems))


def _zero(model: Model, first: int) -> int:
    """TIME 0 of a record that begins at ``first``: there, or, where equations ask for the clock, at midnight before.

    TIME 0 of an NM-TRAN record stands for midnight (`connectors.feeds.nmtran.times.ORIGIN`).
    """
    return first // DAY_MS * DAY_MS if "clock" in record_columns(model) else first


# --- records ---------------------------------------------------------------------------------------------------------


def simulation_table(model: Model, found: Sequence[SimulatedPatient]) -> Table:
    """A row a record, patient by patient; ``ETA_...``, and of a mixture ``CLASS_...``, say who the patient really is,
    and are no items of NM-TRAN."""
    used = {column for one in found for row in one.rows for column in row}
    known = ("ID", "TIME", "EVID", "AMT", "RATE", "DUR", "II", "SS", "CMT", "DV", "DVID", "MDV")
    covariates = tuple(covariate.name for covariate in model.covariates)
    always = {"ID", "TIME", "EVID", "AMT", "RATE", "DV", "DVID", "MDV"}
    table: dict[str, Sequence[Cell]] = {
        column: [row.get(column) for one in found for row in one.rows]
        for column in (*known, *covariates)
        if column in used | always
    }
    for i, name in enumerate(model.eta_names):
        table[f"ETA_{name}"] = [one.eta[i] for one in found for _ in one.rows]
    if model.mixture is not None:
        table[f"CLASS_{model.mixture.covariate}"] = [one.of_class for one in found for _ in one.rows]
    return table


def _dose_rows(dose: DoseGiven, model: Model) -> list[Row]:
    """The record of a dose; several where it enters several states and CMT must say the drug or the route."""
    duration = 0.0 if dose.duration is None else dose.duration.value * HOUR_MS / UNIT_MS[model.time_unit]
    amount = dose.amount.value
    row: Row = {"EVID": 1, "AMT": amount, "RATE": amount / duration if duration else 0.0}
    if duration and dose.keeps is None and analyse(model).fractions:
        row |= {"RATE": 0.0, "DUR": duration}
    if dose.steady_every is not None:
        row |= {"SS": 1, "II": dose.steady_every.value * HOUR_MS / UNIT_MS[model.time_unit]}
    return [row | {"CMT": number} for number in _compartments(dose, model)]


def _compartments(dose: DoseGiven, model: Model) -> list[int]:
    """Numbers of the states that CMT names; 0, the main drug, where none is needed to say drug and route."""
    names = [state.name for state in model.states]
    if dose.state is not None:
        return [names.index(dose.state) + 1]
    if dose.drug == model.drug and dose.route == ("iv" if dose.duration else usual_route(model, dose.drug)):
        return [0]
    every = [call for state in model.states for call in calls_into(model, dose.drug, state.name)]
    entered = [
        number
        for number, name in enumerate(names, start=1)
        if any(dose.route in taken_by(call, every) for call in calls_into(model, dose.drug, name))
    ]
    pulsed = [n for n, state in enumerate(model.states, start=1) if _pulses(state.derivative, dose.drug)]
    return entered or pulsed[:1] or [0]


def _pulses(derivative: ast.expr, drug: str) -> bool:
    """Whether a drug is the first that enters here."""
    return [arguments_of(call)[1][0] for call in input_calls(derivative)][:1] == [drug]


def _other_row(event: InputEvent) -> Row:
    match event:
        case Covariate(name=name, value=value) if value is not None:
            return {"EVID": 2, name: value.value}
        case LabResult(analyte=name, value=value):
            return {"EVID": 2, name: value.value}
        case _:
            return {"EVID": 3}
