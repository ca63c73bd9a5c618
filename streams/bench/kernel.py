"""The generated kernel against one written by hand, on the same steps; and how long it takes to be compiled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import thread_time

import numpy as np
from numpy.typing import NDArray

from streams.bench.by_hand import neutropenia as neutropenia_by_hand
from streams.bench.by_hand import textbook
from streams.bench.patients import PatientCourse
from twin.arrays import Floats
from twin.clock import DAY_MS, HOUR_MS, UNIT_MS
from twin.events import PumpDelivery, VitalSample
from twin.filter.belief import prior
from twin.kernel.arguments import Steps, System
from twin.kernel.kernel import Kernel, compile_model
from twin.model.spec import Model
from twin.record.admission import admit
from twin.record.history import History
from twin.solver.cloud import Cloud
from twin.solver.settling import settles
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for
from twin.solver.step_schedule import schedule
from twin.timeline.delivery import Delivered, Recorded, with_rates
from twin.timeline.timeline import Timeline, assemble, build


@dataclass(frozen=True)
class KernelCase:
    """Particles of the population before their doses, the steps to the last mark, and the kernel written by hand.

    Attributes:
        system, cloud: the particles as the generated kernel has them.
        marks: number of moments at which both give the outputs.
        hand: writes the same outputs (M, O, N) by the hand-written kernel, for the same steps.
    """

    kernel: Kernel
    system: System
    cloud: Cloud
    covariates: Floats
    steps: Steps
    marks: int
    hand: Callable[[Steps, Floats], object]

    @property
    def particle_steps(self) -> int:
        """Steps of one particle, times particles."""
        return len(self.steps.dt) * len(self.system.par)

    def generated(self) -> tuple[Floats, Floats, Floats]:
        """Outputs (M, O, N), linear states (N, L) in modal coordinates, and stepped states (N, S)."""
        z, y, out = self.cloud.z.copy(), self.cloud.y.copy(), self._room()
        self.kernel.advance(z, y, self.covariates, self.system, self.steps, out)
        return out, z, y

    def by_hand(self) -> tuple[Floats, object]:
        """The same outputs by the hand-written kernel, and where it says the patients stand at the end."""
        out = self._room()
        return out, self.hand(self.steps, out)

    def _room(self) -> Floats:
        return np.empty((self.marks, len(self.kernel.outputs), len(self.system.par)))


def neutropenia(model: Model, observed: PatientCourse, particles: int) -> KernelCase:
    """A docetaxel course as the twin would solve it for a new cloud: from its beginning, with a stop every day."""
    kernel = compile_model(model)
    timeline = _timeline(kernel, observed)
    measured = np.unique(np.array([observation.millis for observation in timeline.observations], dtype=np.int64))
    baseline = float(timeline.covariates[0][kernel.covariates.index("ANC0")])
    column = kernel.inputs.index("input(docetaxel)")

    def by_hand(system: System) -> Callable[[Steps, Floats], object]:
        patients = neutropenia_by_hand.at_baseline(system.par, baseline)
        return lambda steps, out: neutropenia_by_hand.advance(
            patients, steps, np.ascontiguousarray(steps.inputs.rates[:, column]), out
        )

    return _case(kernel, timeline, measured[measured > timeline.start], particles, observed.patient_id, by_hand)


def infusions(model: Model, particles: int) -> KernelCase:
    """Six daily infusions over an hour of a drug with one of the models of `streams.bench.models`, ten levels a day."""
    kernel = compile_model(model)
    given = with_rates(Delivered(recorded=[Recorded(d * DAY_MS, d * DAY_MS + HOUR_MS, 100.0, "iv") for d in range(6)]))
    epoch, covariates = np.array([np.iinfo(np.int64).min]), np.zeros((1, 0))
    timeline = assemble(kernel, 0, {model.drug: given}, (), epoch, covariates)
    hours = (0.5, 1, 1.5, 2, 3, 4, 6, 9, 13, 24)
    marks = np.array([round(24 * d * HOUR_MS + h * HOUR_MS) for d in range(6) for h in hours], dtype=np.int64)
    by_hand = {"two_compartments": textbook.two_compartments, "saturable": textbook.saturable}
    return _case(kernel, timeline, marks, particles, model.id, by_hand[model.id])


def _case(
    kernel: Kernel,
    timeline: Timeline,
    marks: NDArray[np.int64],
    particles: int,
    patient_id: str,
    by_hand: Callable[[System], Callable[[Steps, Floats], object]],
) -> KernelCase:
    model = kernel.model
    step_sizes, end, day = (
        step_sizes_for(kernel),
        int(marks[-1]),
        round(model.cadence.forecast * UNIT_MS[model.time_unit]),
    )
    stops = np.arange((timeline.start // day + 1) * day, end, day, dtype=np.int64)
    solver = Solver(kernel, prior(model, particles, patient_id).eta, step_sizes)
    covariates = timeline.covariates[0]
    system = solver.system(covariates)
    steps = schedule(timeline, kernel, step_sizes, timeline.start, end, stops, marks)
    cloud = solver.initial(timeline)
    return KernelCase(kernel, system, cloud, covariates, steps, len(marks), by_hand(system))


def _timeline(kernel: Kernel, observed: PatientCourse) -> Timeline:
    history = History()
    for event in observed.history:
        # A pump's samples repeat its START; a wearable says nothing that the equations need.
        if not isinstance(event, VitalSample | PumpDelivery) or (isinstance(event, PumpDelivery) and _changes(event)):
            history.insert(admit(event, kernel.model, settles))
    timeline = build(history, kernel)
    if timeline is None or len(timeline.covariates) != 1:
        raise ValueError("the kernels are compared on a course with deliveries, under constant covariates")
    return timeline


def _changes(event: PumpDelivery) -> bool:
    return event.phase != "sample"


def compare(measured: KernelCase, repeats: int) -> tuple[float, float]:
    """Nanoseconds the generated kernel takes for a particle's step, and its time over that of the hand-written one.

    Medians of interleaved runs; both work in this one thread, whose processor time is taken.
    """
    runs: tuple[Callable[[], object], ...] = measured.generated, measured.by_hand
    seconds: tuple[list[float], list[float]] = [], []
    for number in range(repeats + 1):
        for run, received in zip(runs, seconds, strict=True):
            begin = thread_time()
            run()
            if number:  # The first turn compiles.
                received.append(thread_time() - begin)
    generated, by_hand = (median(received) for received in seconds)
    return round(1e9 * generated / measured.particle_steps, 1), round(generated / by_hand, 3)


def forecast_ms(model: Model, particles: int, repeats: int) -> float:
    """Milliseconds for 21 days ahead of a docetaxel infusion, hourly, for a cloud of particles: median."""
    kernel = compile_model(model)
    given = {
        "docetaxel": with_rates(Delivered(recorded=[Recorded(0, HOUR_MS, 96.0, "iv")], pulses=[0])),
        "dexamethasone": Delivered(impulses=[(0, 8.0, "iv")], pulses=[0]),
    }
    epoch, covariates = np.array([np.iinfo(np.int64).min]), np.array([[c.reference for c in model.covariates]])
    timeline = assemble(kernel, 0, given, (), epoch, covariates)
    solver = Solver(kernel, prior(model, particles, "forecast").eta, step_sizes_for(kernel))
    cloud, marks = solver.initial(timeline), np.arange(0, 21 * DAY_MS + 1, HOUR_MS, dtype=np.int64)
    received: list[float] = []
    for number in range(repeats + 1):
        begin = thread_time()
        solver.advance(cloud, timeline, int(marks[-1]), marks)
        if number:  # The first turn compiles.
            received.append(1000.0 * (thread_time() - begin))
    return round(median(received), 2)


_READY = """
import json, sys, time
from twin import load_model
from twin.kernel.kernel import compile_model
from twin.solver.step_control import step_sizes_for

def seconds(name):
    model = load_model(name)
    begin = time.perf_counter()
    step_sizes_for(compile_model(model))
    return time.perf_counter() - begin

print(json.dumps([seconds(name) for name in sys.argv[1:]]))
"""


def compile_seconds(model_id: str, beside: str) -> dict[str, float]:
    """``compile_s`` with an empty cache, ``compile_cached_s`` from it; ``beside`` is loaded before.

    What a process needs once for any model (the compiler's own start) is so left out of both.
    """
    with tempfile.TemporaryDirectory() as cache:
        cold = _taken(cache, beside, model_id)
        warm = _taken(cache, beside, model_id)
    return {"compile_s": round(cold, 2), "compile_cached_s": round(warm, 3)}


def _taken(cache: str, *models: str) -> float:
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", _READY, *models], env=environment, check=True, capture_output=True, text=True
    )
    return float(json.loads(ran.stdout)[-1])
