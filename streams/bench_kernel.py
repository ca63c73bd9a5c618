"""The generated kernel against one written by hand for the same model (`streams.bench_handwritten`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import thread_time

import numpy as np
from numpy.typing import NDArray

from streams import bench_handwritten
from streams.bench_handwritten import Patients, at_baseline
from streams.bench_patients import Course
from twin.admission import admit
from twin.belief import prior
from twin.events import PumpDelivery, VitalSample
from twin.history import History
from twin.kernel import Kernel, compile_model
from twin.mesh import Schedule, schedule
from twin.models import Model
from twin.solve import Cloud, Solver, System, pace_for
from twin.timeline import UNIT_MS, Timeline, build

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """Particles of the population before a docetaxel course, and the steps over its infusions to its last count.

    Attributes:
        system, cloud: the particles as the generated kernel has them; ``patients`` as the hand-written one has them.
        marks: number of measured values, at which both give concentration and count.
    """

    kernel: Kernel
    system: System
    cloud: Cloud
    patients: Patients
    covariates: Floats
    rates: Floats
    infusion: Floats
    steps: Schedule
    marks: int

    @property
    def particle_steps(self) -> int:
        """Steps of one particle, times particles."""
        return len(self.steps.dt) * len(self.system.par)

    def generated(self) -> tuple[Floats, Floats, Floats]:
        """Outputs (M, 2, N), states A1 A2 A3 AUC In (N, 5) in modal coordinates, and cells (N, 5)."""
        z, y, out = self.cloud.z.copy(), self.cloud.y.copy(), self._room()
        s, k = self.system, self.steps
        self.kernel.advance(
            z, y, s.par, self.covariates, s.lam, s.v, s.w, s.bw, s.cw, k.start, k.dt, k.row, self.rates,
            k.kick_from, k.kick_column, k.kick_amount, k.mark, out,
        )  # fmt: skip
        return out, z, y

    def by_hand(self) -> tuple[Floats, Patients]:
        """The same outputs, and the patients at the end, by the hand-written kernel."""
        out = self._room()
        return out, bench_handwritten.advance(self.patients, self.steps, self.infusion, out)

    def _room(self) -> Floats:
        return np.empty((self.marks, len(self.kernel.outputs), len(self.system.par)))


def case(model: Model, told: Course, particles: int) -> Case:
    """The course as the twin would solve it for a new cloud: from its beginning, with a stop every day."""
    kernel = compile_model(model)
    timeline = _timeline(kernel, told)
    measured = np.unique(np.array([observation.millis for observation in timeline.observations], dtype=np.int64))
    marks = measured[measured > timeline.start]
    pace, end, day = pace_for(kernel), int(marks[-1]), round(model.cadence.forecast * UNIT_MS[model.time_unit])
    stops = np.arange((timeline.start // day + 1) * day, end, day, dtype=np.int64)
    solver = Solver(kernel, prior(model, particles, told.patient_id).eta, pace)
    covariates = timeline.covariates[0]
    system = solver.system(covariates)
    return Case(
        kernel,
        system,
        solver.initial(timeline),
        at_baseline(system.par, float(covariates[kernel.covariates.index("ANC0")])),
        covariates,
        timeline.rates,
        np.ascontiguousarray(timeline.rates[:, kernel.inputs.index("input(docetaxel)")]),
        schedule(timeline, kernel, pace, timeline.start, end, stops, marks),
        len(marks),
    )


def _timeline(kernel: Kernel, told: Course) -> Timeline:
    history = History()
    for event in told.history:
        # A pump's samples repeat its START; a wearable says nothing that the equations need.
        if not isinstance(event, VitalSample | PumpDelivery) or (isinstance(event, PumpDelivery) and _changes(event)):
            history.insert(admit(event, kernel.model))
    timeline = build(history, kernel)
    if timeline is None or len(timeline.covariates) != 1:
        raise ValueError("the kernels are compared on a course with deliveries, under constant covariates")
    return timeline


def _changes(event: PumpDelivery) -> bool:
    return event.phase != "sample"


def compare(measured: Case, repeats: int) -> dict[str, float]:
    """``kernel_ns_per_particle_step``, and ``kernel_vs_handwritten``: the ratio of medians of interleaved runs.

    Both work in this one thread, whose processor time is taken.
    """
    runs: tuple[Callable[[], object], ...] = measured.generated, measured.by_hand
    seconds: tuple[list[float], list[float]] = [], []
    for number in range(repeats + 1):
        for run, taken in zip(runs, seconds, strict=True):
            begin = thread_time()
            run()
            if number:  # The first turn compiles.
                taken.append(thread_time() - begin)
    generated, by_hand = (median(taken) for taken in seconds)
    return {
        "kernel_ns_per_particle_step": round(1e9 * generated / measured.particle_steps, 1),
        "kernel_vs_handwritten": round(generated / by_hand, 3),
    }
