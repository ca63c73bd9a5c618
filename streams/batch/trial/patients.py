"""A virtual patient of a trial: of a true model, on a ward that misses samples, is late, and has pumps that fail.

The patient is one of the simulated ward's (`connectors.feeds.ward`), so that the twin hears what it would on Kafka, and
stays longer than it is watched: what was claimed of the days after can be held against what was true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from connectors.feeds.analytes import drug_of
from connectors.feeds.stream import TimedEvent
from connectors.feeds.ward.bedside import bedside
from connectors.feeds.ward.drawing import draw_patient
from connectors.feeds.ward.patients import Specimen, WardPatient
from connectors.feeds.ward.pump import Scenario
from twin.clock import DAY_MS, HOUR_MS, MINUTE_MS, UNIT_MS
from twin.events import Clock, to_millis
from twin.model.spec import Model, OutputSpec
from twin.observation.kinds import kind_of
from twin.trial.population import Departure

ADMITTED_MS = 1_767_225_600_000
"""Everybody is admitted on 2026-01-01: a trial has no other clock."""

FAULTS: tuple[Scenario, ...] = ("tenfold", "leak", "unplanned", "occlusion")
"""Planted in turn: ten times the rate, less than the rate, an infusion nobody planned, a stop."""

COURSE_MS = 4 * DAY_MS
"""Doses this close together are of one course (assumed)."""

SLIPS = 1 / 300
"""Share of results that are first told with a slip of the decimal point, and corrected hours later (assumed)."""

LATE, LATE_HOURS, USUAL_HOURS = 0.1, (12.0, 36.0), (1.0, 4.0)
"""Share of counts that come late, and hours from drawing to result of those and of the others (assumed)."""

SAMPLED, DELAYED = 20, 22
"""Purposes of the random numbers that say which samples are taken, when, and when they are told; and which levels come
late."""


@dataclass(frozen=True)
class TrialPlan:
    """What a trial is, apart from the model believed in.

    Attributes:
        truth: the true model's text and id; who patients really are.
        departure: how they differ from it.
        days: that each is watched.
        count_days: from one count to the next, give or take a quarter.
        missing: share of the samples that were never taken.
        faults: share of patients in whom one infusion meets one of `FAULTS`.
        particles: of each twin.
        estimate_hours: between two estimates, with a word of the clock at each; ``None`` as the model has it.
        pump_seconds: between two words of a pump.
        late: share of the counts whose results come `LATE_HOURS` after they were drawn.
        late_levels: share of the levels.
    """

    truth: tuple[str, str]
    departure: Departure
    patients: int
    seed: int
    days: float
    count_days: float
    missing: float
    faults: float
    particles: int
    estimate_hours: float | None
    pump_seconds: float = 120.0
    late: float = LATE
    late_levels: float = 0.0


def fault_of(plan: TrialPlan, index: int) -> Scenario:
    """The scenario of patient number ``index``: faults come evenly, in turn."""
    planted = int((index + 1) * plan.faults) - int(index * plan.faults)
    return FAULTS[int(index * plan.faults) % len(FAULTS)] if planted else "as_ordered"


def virtual_patient(plan: TrialPlan, truth: Model, index: int) -> WardPatient:
    """Patient number ``index`` of a trial, of the true model ``truth`` (`Departure.of`).

    Raises:
        ValueError: the model has no regimen.
    """
    horizon = max((t.horizon for t in truth.toxicities), default=0.0) * UNIT_MS[truth.time_unit] / DAY_MS
    stay = plan.days + horizon + 1
    drawn = draw_patient(truth, index, plan.seed, ADMITTED_MS, stay, f"T{plan.seed}", fault_of(plan, index))
    rng = np.random.default_rng([plan.seed, index, SAMPLED])
    delays = np.random.default_rng([plan.seed, index, DELAYED])
    levels = [replace(one, corrected=None) for one in drawn.specimens if _of_drug(drawn, one)]
    levels = [delayed(one, plan.late_levels, delays) for one in levels]
    present = [output for output in truth.outputs if drug_of(output, truth) is None]
    counts = [one for output in present for one in _counts(plan, drawn, output, rng)]
    graded = {output.name for output in truth.outputs if kind_of(output).discrete}
    kept = [_with_slip(one, rng, graded) for one in (*levels, *counts) if rng.random() >= plan.missing]
    return replace(drawn, specimens=tuple(sorted(kept, key=lambda one: (one.time, one.output))))


def _of_drug(patient: WardPatient, specimen: Specimen) -> bool:
    """Whether a specimen is for the level of a drug."""
    return any(o.name == specimen.output and drug_of(o, patient.model) for o in patient.model.outputs)


def _counts(plan: TrialPlan, patient: WardPatient, output: OutputSpec, rng: np.random.Generator) -> list[Specimen]:
    """Specimens for what is there without treatment: before it, and every ``count_days``."""
    found = []
    time = patient.admitted + round(rng.uniform(20, 60) * MINUTE_MS)
    while time < patient.discharged:
        hours = rng.uniform(*(LATE_HOURS if rng.random() < plan.late else USUAL_HOURS))
        found.append(Specimen(time, output.name, time + round(hours * HOUR_MS), None))
        time += round(plan.count_days * rng.uniform(0.75, 1.25) * DAY_MS)
    return found


def delayed(specimen: Specimen, late: float, rng: np.random.Generator) -> Specimen:
    """The specimen, or with a chance of ``late`` the same with a result that comes `LATE_HOURS` after it was drawn."""
    comes_late, hours = rng.random() < late, rng.uniform(*LATE_HOURS)
    return replace(specimen, reported=specimen.time + round(hours * HOUR_MS)) if comes_late else specimen


def _with_slip(specimen: Specimen, rng: np.random.Generator, graded: set[str]) -> Specimen:
    """One in many with a result to be corrected; a grade has no decimal point to slip."""
    corrected = specimen.reported + round(rng.uniform(2, 10) * HOUR_MS)
    slips = rng.random() < SLIPS and specimen.output not in graded
    return replace(specimen, corrected=corrected) if slips else specimen


def told(plan: TrialPlan, patient: WardPatient) -> Iterator[TimedEvent]:
    """What is said of a patient while it is watched, in the order in which it is heard."""
    until = patient.admitted + round(plan.days * DAY_MS)
    every = None if plan.estimate_hours is None else round(plan.estimate_hours * HOUR_MS)
    for arrival in bedside(patient, DAY_MS, round(1000 * plan.pump_seconds)):
        if arrival.time >= until:
            return
        event = arrival.event
        if every is not None and isinstance(event, Clock) and (to_millis(event.time) - patient.admitted) % every:
            continue
        yield arrival


def plan_starts(patient: WardPatient) -> list[int]:
    """ms at which each course of the drug under study was ordered to begin."""
    _, doses = patient.orders.get(patient.model.drug, ("iv", ()))
    found: list[int] = []
    for dose in doses:
        if not found or dose.time - found[-1] > COURSE_MS:
            found.append(dose.time)
    return found
