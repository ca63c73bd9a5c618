"""What mode and covariance of one patient cost: from the timeline, compiled and warm, on one thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from time import thread_time

from streams.bench.models import two_compartments
from twin import load_model
from twin.clock import HOUR_MS
from twin.events import DoseGiven, Quantity, from_millis
from twin.filter.belief import prior
from twin.filter.posthoc import post_hoc
from twin.kernel.kernel import compile_model
from twin.model.spec import Model, Route
from twin.solver.step_control import step_sizes_for
from twin.study.design import Design
from twin.study.prediction import Predictor
from twin.study.simulation import simulate
from twin.timeline.regimen import ORIGIN

RUNS = 5
"""Runs of each patient, of which the fastest counts: the others waited for something else."""


@dataclass(frozen=True)
class Study:
    """How simulated patients are treated and measured; hours since the first dose.

    Attributes:
        doses: (hour, mg, hours of infusion or 0).
        samples: (hour, output).
        steady_every: hours between the doses of the steady state that each dose is recorded in, if it is.
    """

    model: Callable[[], Model]
    doses: tuple[tuple[float, float, float], ...]
    samples: tuple[tuple[float, str], ...]
    route: Route = "iv"
    steady_every: float | None = None

    def design(self, model: Model) -> Design:
        """The study of a model, as `twin.study.simulation` takes it."""
        numbers = {output.name: i for i, output in enumerate(model.outputs)}
        start = from_millis(ORIGIN)
        given = tuple(
            DoseGiven(
                event_id=f"dose {hour}",
                patient_id="bench",
                time=start + timedelta(hours=hour),
                source="bench",
                drug=model.drug,
                route=self.route,
                amount=Quantity(value=amount, unit="mg"),
                duration=Quantity(value=lasting, unit="h") if lasting else None,
                steady_every=None if self.steady_every is None else Quantity(value=self.steady_every, unit="h"),
            )
            for hour, amount, lasting in self.doses
        )
        return Design(given, tuple((ORIGIN + round(hour * HOUR_MS), numbers[name]) for hour, name in self.samples))


def at_hours(hours: tuple[float, ...], output: str) -> tuple[tuple[float, str], ...]:
    """Samples of an output at these hours."""
    return tuple((hour, output) for hour in hours)


STUDIES = {
    "two_compartments": Study(
        two_compartments,
        tuple((24.0 * day, 100.0, 1.0) for day in range(3)),
        at_hours((1.0, 4.0, 12.0, 49.0, 56.0, 72.0), "plasma"),
    ),
    "methotrexate_mao2022": Study(
        lambda: load_model("methotrexate_mao2022"),
        tuple((14.0 * 24 * course, 4000.0, 3.0) for course in range(3)),
        at_hours(
            tuple(14.0 * 24 * course + hour for course in range(3) for hour in (4, 24, 48, 72)), "methotrexate_plasma"
        ),
    ),
    "ibrutinib_gallais2020": Study(
        lambda: load_model("ibrutinib_gallais2020"),
        ((0.0, 420.0, 0.0), (680.0, 420.0, 0.0)),
        tuple(
            (cycle + hour, output)
            for cycle in (0.0, 680.0)
            for hour in (0.5, 1.0, 2.0, 4.0, 6.0, 24.0)
            for output in ("ibrutinib_plasma", "DHD_plasma")
        ),
        route="oral",
        steady_every=24.0,
    ),
    "docetaxel_ozawa2007": Study(
        lambda: load_model("docetaxel_ozawa2007"),
        ((0.0, 96.0, 1.0),),
        at_hours((1.0, 5.0), "docetaxel_plasma")
        + at_hours(tuple(24.0 * day for day in (4, 8, 11, 15, 21)), "neutrophils"),
    ),
}
"""By the model: linear; with occasions; with steady states, lag and duration too; with cells beside levels."""


def map_ms(patients: int) -> dict[str, float]:
    """Median processor time of a cold start to mode and covariance, over so many simulated patients of each study."""
    return {name: round(median(_taken(study, patients)), 2) for name, study in STUDIES.items()}


def _taken(study: Study, patients: int) -> list[float]:
    model = study.model()
    kernel = compile_model(model)
    step_sizes, design = step_sizes_for(kernel), study.design(model)
    found = []
    for number in range(patients):
        predictor = Predictor(kernel, f"bench {number}")
        timeline = simulate(predictor, prior(model, 1, predictor.patient_id).eta[0], design)
        post_hoc(kernel, step_sizes, timeline)
        runs = []
        for _ in range(RUNS):
            begin = thread_time()
            post_hoc(kernel, step_sizes, timeline)
            runs.append(1000.0 * (thread_time() - begin))
        found.append(min(runs))
    return found
