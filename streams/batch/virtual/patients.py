"""One virtual patient of a study in every arm: what was given, when it left, and what each endpoint comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from connectors.feeds.ward.drawing import orders_of
from connectors.feeds.ward.patients import Orders, Planned, WardPatient
from streams.batch.trial.doses.record import Said
from streams.batch.trial.doses.schedule import Order, planned_orders, schedule
from streams.batch.trial.doses.treating import ArmCourse, DosePlan
from streams.batch.trial.patients import COURSE_MS, virtual_patient
from streams.batch.virtual.study import Study, believed_model, true_model
from streams.batch.virtual.treatment import Treatment, planned_courses, treated_by_rules
from twin.arrays import Floats
from twin.clock import DAY_MS, HOUR_MS, UNIT_MS
from twin.model.spec import Model
from twin.study.site_effects import moved_to_site
from twin.trial.course import TrueCourse
from twin.virtual.people import characteristics
from twin.virtual.plan import FIXED, Arm, Dropout

GRID_MS = 2 * HOUR_MS
"""Spacing of the true course, which is known at every dose and end of one besides."""

AFTER_MS = (0, *(GRID_MS // 2**k for k in range(8, 0, -1)))
"""How long after each of these it is known too, from half a minute on: what falls fast falls from there."""

PEOPLE, LEAVING = 24, 25
"""Purposes of the random numbers that say who a patient is, and when it leaves."""


@dataclass(frozen=True)
class Followed:
    """One patient of a study.

    Attributes:
        trial, number: which trial, and which patient of it.
        endpoints: (arms, endpoints), NaN where the patient does not count.
        doses: (arms,) mg of the drug under study given, of those planned in the arm.
        left: (arms,) days from the first dose until the patient left; NaN for who stayed.
        of_class: the class of a mixture that the patient is of, in every arm.
    """

    trial: int
    number: int
    endpoints: Floats
    doses: Floats
    left: Floats
    of_class: str | None = None


def follow_patient(study: Study, trial: int, number: int) -> Followed:
    """Treat patient ``number`` of a trial in every arm, with the same chance in each.

    Raises:
        ModelError, ValueError: a patient who cannot be drawn, or doses that cannot be chosen.
    """
    plan = study.plan
    shape = (len(plan.arms), len(plan.endpoints))
    endpoints, doses, left = np.empty(shape), np.empty(shape[0]), np.empty(shape[0])
    of_class = None
    for a, arm in enumerate(plan.arms):
        patient = _patient(study, arm, trial, number)
        of_class = patient.of_class
        given = _given(study, arm, patient)
        first = min(order.step.start_ms for order in given.planned)
        end = first + round(plan.days * DAY_MS)
        times, course = _course(patient, given.orders, first, end)
        gone = _leaves(plan.dropout, patient.model, (times, course), given.begun, first, patient)
        endpoints[a] = [one.of(times, course[one.output], first, gone) for one in plan.endpoints]
        doses[a] = _share_given(given, patient.model.drug, end if gone is None else min(gone, end))
        left[a] = np.nan if gone is None or gone >= end else (gone - first) / DAY_MS
    return Followed(trial, number, endpoints, doses, left, of_class)


def _patient(study: Study, arm: Arm, trial: int, number: int) -> WardPatient:
    """The same person in every arm, with the arm's doses as planned."""
    plan, model = study.plan, true_model(study, arm)
    index = trial * plan.patients + number
    drawn = virtual_patient(study.trial_plan(model), model, index)
    rng = np.random.default_rng([plan.seed, index, PEOPLE])
    person = characteristics(model, drawn.covariates, plan.draws, study.people, rng)
    eta, shifts = dict(drawn.eta), study.shifts(trial).of(model)
    if model.sites is not None:
        eta = moved_to_site(model, eta, drawn.covariates, person, (drawn.seed, f"{plan.seed} {trial}"))
    has_own = {spec.name: spec.iiv for spec in believed_model(study, arm).parameters}
    for name, shift in shifts.items():
        eta[name] = shift + (eta[name] if has_own[name] is not None else 0.0)
    orders = {
        drug: (route, tuple(Planned(dose.time, arm.scale * dose.amount, dose.hours) for dose in planned))
        for drug, (route, planned) in orders_of(model, person, drawn.admitted, drawn.discharged).items()
    }
    return replace(drawn, eta=eta, covariates=person, orders=orders)


def _given(study: Study, arm: Arm, patient: WardPatient) -> Treatment:
    """What an arm gives the patient."""
    every = planned_orders(patient)
    end = every[0].step.start_ms + round(study.plan.days * DAY_MS)
    planned = tuple(order for order in every if order.step.start_ms < end)
    if arm.by == FIXED:
        return treated_by_rules(arm.rules, patient, planned)
    protocol = study.protocols[arm.name]
    model = believed_model(study, arm)
    target = protocol.target_of(model)
    gap = COURSE_MS if target is None else round(target.course_gap * UNIT_MS[model.time_unit])
    dosed = DosePlan(study.trial_plan(patient.model), protocol, (arm.by,))
    # Nothing is planned beyond the days, so that the last course is decided on like the others.
    its = schedule(replace(patient, orders=_until(patient, end)), protocol, gap, end, dosed.trial)
    others = [order for order in its.orders if order.drug != protocol.drug]
    said = Said(patient, others, [(one.time, one.output) for one in its.specimens])
    ArmCourse(dosed, model, patient, its, arm.by, said).choose_all()
    return Treatment(planned, tuple(said.given), planned_courses(planned, patient.model.drug))


def _until(patient: WardPatient, end: int) -> Orders:
    """What is planned to begin before ``end`` (ms)."""
    kept = {
        drug: (route, tuple(dose for dose in planned if dose.time < end))
        for drug, (route, planned) in patient.orders.items()
    }
    return {drug: (route, planned) for drug, (route, planned) in kept.items() if planned}


def _course(
    patient: WardPatient, given: Sequence[Order], first: int, end: int
) -> tuple[NDArray[np.int64], dict[str, Floats]]:
    """ms (T,) and the true course (T,) of every output and exposure, from the first dose on."""
    edges = [at for order in given for at in (order.step.start_ms - 1, order.step.end_ms, order.step.end_ms + 1)]
    edges += [at + after for order in given for at in (order.step.start_ms, order.step.end_ms) for after in AFTER_MS]
    grid = np.unique(np.array([*range(first, end, GRID_MS), *edges, end], dtype=np.int64))
    grid = grid[(grid >= first) & (grid <= end)]
    return grid, Said(patient, given, ()).solved(end, grid).course


def _leaves(
    dropout: Dropout,
    model: Model,
    course: tuple[NDArray[np.int64], dict[str, Floats]],
    begun: Sequence[int],
    first: int,
    patient: WardPatient,
) -> int | None:
    """ms at which the patient leaves, if it does: the same chance in every arm, which meets other toxicities."""
    rng = np.random.default_rng([patient.seed, patient.index, LEAVING])
    hazard = rng.exponential()
    found = [first + round(hazard / dropout.per_day * DAY_MS)] if dropout.per_day > 0.0 else []
    times, values = course
    ends = [*begun[1:], int(times[-1]) + 1]
    known = {toxicity.name: toxicity for toxicity in model.toxicities}
    for begin, end in zip(begun, ends, strict=True):
        chances = rng.random(len(dropout.after))
        for (name, share), chance in zip(dropout.after, chances, strict=True):
            true = TrueCourse(times, values[known[name].output])
            if chance < share and true.suffers(known[name], begin, end - 1, UNIT_MS[model.time_unit]):
                found.append(end)
    return min(found, default=None)


def _share_given(given: Treatment, drug: str, until: int) -> float:
    planned = sum(order.step.amount for order in given.planned if order.drug == drug)
    got = sum(order.step.amount for order in given.orders if order.drug == drug and order.step.start_ms < until)
    return got / planned if planned else np.nan
