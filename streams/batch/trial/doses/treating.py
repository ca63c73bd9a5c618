"""One virtual patient, treated once in every arm with the same random numbers, and what came of every course."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from connectors.feeds.ward.patients import WardPatient
from streams.batch.trial.doses.record import Said
from streams.batch.trial.doses.schedule import BEFORE_MS, Order, Schedule, schedule
from streams.batch.trial.patients import TrialPlan
from twin.clock import DAY_MS, HOUR_MS, UNIT_MS
from twin.dosing.advice import advise_on
from twin.dosing.protocol import Protocol
from twin.events import InputEvent
from twin.filter.trunk import Trunk
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.patient.accounts.component import Component, beginning
from twin.patient.averaged import AveragedTwin, begun_twin
from twin.patient.twin import PatientTwin
from twin.record.history import History
from twin.record.orders import Plan, PlanStep
from twin.record.recording import insert_event
from twin.solver.settling import settles
from twin.trial.doses.arms import Foreseen, by_advice, by_horizon, by_mode, by_rule
from twin.trial.doses.outcome import Cycle, Treated, cycle_of
from twin.trial.doses.single import really
from twin.trial.reliability import Stated

COPIES = 400
"""Of who a patient really is, each with occasions to come of its own."""

GRID_MS = 2 * HOUR_MS
"""Spacing of the true course that toxicities are read from."""


WAYS = {"twin": by_advice, "horizon": by_horizon}
"""Arms that keep a twin of the patient, and how each chooses by it."""


@dataclass(frozen=True)
class DosePlan:
    """A trial of doses: of whom and how, by which protocol, in which arms."""

    trial: TrialPlan
    protocol: Protocol
    arms: tuple[str, ...]


@dataclass(frozen=True)
class TreatedPatient:
    """A patient in all arms, what was stated of the twin's doses, and the class of a mixture that the patient is of."""

    patient_id: str
    arms: tuple[Treated, ...]
    stated: tuple[Stated, ...]
    of_class: str | None = None


def treat(plan: DosePlan, model: Model, patient: WardPatient) -> TreatedPatient:
    """Treat a patient in every arm.

    Args:
        model: that the arms believe in.
        patient: of the true model, which asks the same of a dose (`twin.trial.doses.rival.judged_alike`).

    Raises:
        ValueError: no course is planned and over in the days of the watch.
        NoAdvice: a dose could not be chosen.
    """
    target = plan.protocol.target_of(model)
    gap = 3 * DAY_MS if target is None else round(target.course_gap * UNIT_MS[model.time_unit])
    end = patient.admitted + round(plan.trial.days * DAY_MS)
    its = schedule(patient, plan.protocol, gap, end, plan.trial)
    treated: list[Treated] = []
    stated: list[Stated] = []
    drawn = [(one.time, one.output) for one in its.specimens]
    others = [order for order in its.orders if order.drug != plan.protocol.drug]
    for arm in plan.arms:
        course = ArmCourse(plan, model, patient, its, arm, Said(patient, others, drawn))
        cycles = course.run()
        treated.append(Treated(patient.id, arm, cycles))
        stated += course.stated(cycles)
    return TreatedPatient(patient.id, tuple(treated), tuple(stated), patient.of_class)


@dataclass
class ArmCourse:
    """A patient in one arm: what was given (``said.given``), and what is known of it."""

    plan: DosePlan
    model: Model
    patient: WardPatient
    its: Schedule
    arm: str
    said: Said
    told: set[str] = field(default_factory=set)
    foreseen: dict[int, Foreseen] = field(default_factory=dict)

    def run(self) -> tuple[Cycle, ...]:
        """All courses, as they came out."""
        self.choose_all()
        return self._outcome()

    def choose_all(self) -> None:
        """Choose and give the doses of all courses."""
        drug = self.plan.protocol.drug
        its = self.its
        twin = begun_twin(self.patient.id, self.model, self.plan.trial.particles) if self.arm in WAYS else None
        for millis, until in zip(its.decided, (*its.decided[1:], its.courses[-1]), strict=True):
            to_come = [order.step for order in its.of(drug) if order.step.start_ms > millis]
            chosen = {step: step.amount for step in to_come}
            if self.arm != "protocol":
                doses = self._choose(millis, to_come, twin)
                chosen |= dict(zip(_matched(to_come, doses), (one.amount for one in doses), strict=True))
            for step, amount in chosen.items():
                if step.start_ms < until + BEFORE_MS and amount > 0.0:
                    self.said.given.append(Order(drug, PlanStep(step.start_ms, step.end_ms, amount, step.route)))

    def stated(self, cycles: Sequence[Cycle]) -> list[Stated]:
        """What was stated of doses when the last decision of each course was taken, and whether it came."""
        found: list[Stated] = []
        target, who = self.plan.protocol.target_of(self.model), self.patient.id
        dosed = "as dosed" if self.arm == "twin" else f"as dosed by {self.arm}"
        for cycle, begun, until in zip(cycles, self.its.courses[:-1], self.its.courses[1:], strict=True):
            mine = [at for at in self.foreseen if begun - BEFORE_MS <= at < until - BEFORE_MS]
            if not mine:
                continue
            said = self.foreseen[max(mine)]
            if target is not None and said.within is not None and cycle.within is not None:
                found.append(Stated(f"{target.name} in target, {dosed}", who, said.within, cycle.within))
            for name, p in said.reached.items():
                if name in cycle.suffered:
                    found.append(Stated(f"{name}, {dosed}", who, p, cycle.suffered[name]))
        return found

    def _choose(
        self, millis: int, to_come: Sequence[PlanStep], twin: PatientTwin | AveragedTwin | None
    ) -> list[PlanStep]:
        drug, protocol = self.plan.protocol.drug, self.plan.protocol
        steps = [order.step for order in self.said.given if order.drug == drug]
        orders: Plan = {drug: tuple(sorted((*steps, *to_come), key=lambda step: step.start_ms))}
        for other in {order.drug for order in self.its.orders} - {drug}:
            orders[other] = tuple(order.step for order in self.its.of(other))
        heard = self._heard(millis)
        if twin is not None:
            twin.observe([event for event in heard if event.event_id not in self.told])
            self.told = {event.event_id for event in heard}
            parts = [replace(part, plan=orders) for part in twin.components(millis)]
            self.foreseen[millis] = WAYS[self.arm](parts, protocol)
            return [up.step for up in self.foreseen[millis].doses]
        if self.arm == "known":
            part = really(
                self._component(millis, self.patient.model, [*heard, *self.said.unseen()], orders),
                self.said.eta,
                self.said.key,
                COPIES,
            )
            return [up.step for up in advise_on((part,), protocol).advised.doses]
        component = self._component(millis, self.model, heard, orders)
        return [up.step for up in (by_rule if self.arm == "published" else by_mode)(component, protocol)]

    def _component(self, millis: int, model: Model, heard: Sequence[InputEvent], orders: Plan) -> Component:
        history, kernel = History(), compile_model(model)
        for event in heard:
            insert_event(history, event, model, settles)
        return beginning(millis, Trunk(kernel, self.patient.id), history, orders, 1)

    def _heard(self, millis: int) -> list[InputEvent]:
        """What is known of the patient at ``millis``: characteristics, doses begun, results that have come."""
        known = [one.reported for one in self.its.specimens]
        return [*self.said.characteristics(), *self.said.doses(millis), *self.said.results(millis, known, self.model)]

    def _outcome(self) -> tuple[Cycle, ...]:
        its, protocol, patient = self.its, self.plan.protocol, self.patient
        end = its.courses[-1]
        edges = np.array([at - 1 for at in its.courses], dtype=np.int64)
        grid = np.union1d(np.arange(patient.admitted, end, GRID_MS, dtype=np.int64), edges)
        course = self.said.solved(end, grid).course
        aims = protocol.target_of(self.model)
        target = next((one for one in patient.model.targets if aims and one.name == aims.name), None)
        toxicities = protocol.toxicities_of(self.model)
        found = []
        for begun, until in zip(its.courses[:-1], its.courses[1:], strict=True):
            planned = [order.step.amount for order in its.of(protocol.drug) if begun <= order.step.start_ms < until]
            given = [
                order.step.amount
                for order in self.said.given
                if order.drug == protocol.drug and begun <= order.step.start_ms < until
            ]
            amounts = sum(given), sum(planned)
            found.append(cycle_of(self.model, target, toxicities, (grid, course), (begun, until), amounts))
        return tuple(found)


def _matched(planned: Sequence[PlanStep], chosen: Sequence[PlanStep]) -> list[PlanStep]:
    """The planned dose that each of the chosen ones stands for."""
    by_time = {(step.start_ms, step.end_ms): step for step in planned}
    return [by_time[step.start_ms, step.end_ms] for step in chosen]
