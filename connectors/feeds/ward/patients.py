"""A simulated patient: who it is, what was ordered and really given, and what is true and measured of that.

Everything about a patient is decided before the first event (`connectors.feeds.ward.drawing`): eta and covariates, what
was ordered, what was really given (`connectors.feeds.ward.pump`), when specimens are drawn and when their results come.
`connectors.feeds.ward.bedside` turns it into events.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from connectors.feeds.ward.physiology import Delivery, followed, measured, trajectory
from connectors.feeds.ward.pump import Infusion
from twin.arrays import Floats
from twin.clock import DAY_MS, HOUR_MS, UNIT_HOURS
from twin.events import Covariate, DoseGiven, InputEvent, PumpDelivery, Quantity, event_id, from_millis
from twin.model.spec import Model, Route

if TYPE_CHECKING:
    from connectors.feeds.ward.solved import Solved

LLOQ = 0.005
"""Lower limit of quantification of drug levels, mg/L (assumed; the assays behind the models have 0.0055 and lower)."""

GRID_MS = HOUR_MS // 2
"""Spacing of the true trajectory."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One ordered dose: ms, mg, hours (0: at once)."""

    time: int
    amount: float
    hours: float


Orders = dict[str, tuple[Route, tuple[Planned, ...]]]
"""By drug: the route and the planned doses in time order."""


@dataclass(frozen=True, slots=True)
class Given:
    """A dose given by hand: when, when it was written down, mg, hours (0: at once)."""

    time: int
    recorded: int
    drug: str
    route: Route
    amount: float
    hours: float


@dataclass(frozen=True, slots=True)
class Specimen:
    """Blood drawn at ``time`` whose result for ``output`` is known at ``reported``; the ms of a correction, if any."""

    time: int
    output: str
    reported: int
    corrected: int | None


@dataclass(frozen=True)
class WardPatient:
    """One simulated patient, from ``admitted`` to ``discharged`` (ms).

    Attributes:
        eta, covariates, values: the person: random effects, covariates, and all individual values by name.
        orders: by drug, the planned doses and their route.
        infusions, given: what really happened.
        specimens: in time order.
        sensor_gaps: ms from and until which the wearable is not heard, and whether it sends what it stored afterwards.
        clock_off: ms from and until which the wearable's clock is off, and the s that it is behind (negative: ahead).
    """

    id: str
    seed: int
    index: int
    model: Model
    eta: dict[str, float]
    covariates: dict[str, float]
    values: dict[str, float]
    admitted: int
    discharged: int
    orders: Orders
    infusions: tuple[Infusion, ...]
    given: tuple[Given, ...]
    specimens: tuple[Specimen, ...]
    sensor_gaps: tuple[tuple[int, int, bool], ...]
    clock_off: tuple[int, int, int] | None = None

    def rng(self, purpose: int) -> np.random.Generator:
        """A generator of this patient's own, so that no draw depends on what is drawn for another purpose."""
        return np.random.default_rng([self.seed, self.index, purpose])

    @property
    def of_class(self) -> str | None:
        """The class of a mixture that the patient is of, which nobody is told; ``None`` without classes."""
        mixture = self.model.mixture
        return None if mixture is None else mixture.named(self.covariates[mixture.covariate])

    @cached_property
    def deliveries(self) -> tuple[Delivery, ...]:
        """What really entered, in model time from admission."""
        unit = UNIT_HOURS[self.model.time_unit] * HOUR_MS
        found = []
        for infusion in self.infusions:
            for segment in infusion.segments:
                start, end = ((ms - self.admitted) / unit for ms in (segment.start, segment.end))
                first = segment is infusion.segments[0]
                found.append(Delivery(infusion.drug, "iv", start, end, segment.amount, counted=first))
        for dose in self.given:
            start = (dose.time - self.admitted) / unit
            end = start + dose.hours / UNIT_HOURS[self.model.time_unit]
            found.append(Delivery(dose.drug, dose.route, start, end, dose.amount))
        return tuple(found)

    @cached_property
    def grid(self) -> NDArray[np.int64]:
        """ms along which the truth is known: every `GRID_MS`, and whenever a specimen is drawn."""
        regular = np.arange(self.admitted, self.discharged + 1, GRID_MS, dtype=np.int64)
        return np.union1d(regular, np.array([s.time for s in self.specimens], dtype=np.int64))

    @cached_property
    def truth(self) -> dict[str, Floats]:
        """True outputs and exposures along `grid`; worked out when first asked for."""
        if not followed(self.model):
            return self._solved.course
        unit = UNIT_HOURS[self.model.time_unit] * HOUR_MS
        return trajectory(self.model, self.values, self.deliveries, (self.grid - self.admitted) / unit)

    @cached_property
    def results(self) -> tuple[tuple[Specimen, float], ...]:
        """What the laboratory measures in specimens, in time order: the truth with the model's residual error.

        What was looked for until it happened is seen at its own moment, and not looked for any more.
        """
        if not followed(self.model):
            found = [(replace(self.specimens[i], time=ms), v) for i, (ms, v) in self._solved.results.items()]
            return tuple(sorted(found, key=lambda result: result[0].time))
        rng = self.rng(RESULTS)
        outputs = {output.name: output for output in self.model.outputs}
        at = np.searchsorted(self.grid, [s.time for s in self.specimens])
        return tuple(
            (specimen, measured(outputs[specimen.output], float(self.truth[specimen.output][k]), rng))
            for specimen, k in zip(self.specimens, at, strict=True)
        )

    @cached_property
    def _solved(self) -> Solved:
        from connectors.feeds.ward.solved import solved  # with the compiler, which most wards do without

        names = [output.name for output in self.model.outputs]
        samples = [(specimen.time, names.index(specimen.output)) for specimen in self.specimens]
        eta = np.array([self.eta[name] for name in self.model.eta_names])
        return solved(self.model, self.id, eta, perfect_record(self), samples, self.grid)


def perfect_record(patient: WardPatient) -> tuple[InputEvent, ...]:
    """What really happened to a patient, as events that nobody sends: all doses, deliveries and covariates."""

    def told(subject: str, millis: int) -> dict[str, Any]:
        identity = event_id("truth", patient.seed, patient.id, subject, millis)
        return {"event_id": identity, "patient_id": patient.id, "time": from_millis(millis), "source": "truth"}

    found: list[InputEvent] = []
    for spec in patient.model.covariates:
        value = Quantity(value=patient.covariates[spec.name], unit=spec.unit)
        found.append(Covariate(**told(spec.name, patient.admitted), name=spec.name, value=value))
    for n, dose in enumerate(patient.given):
        lasts = Quantity(value=dose.hours, unit="h") if dose.hours > 0 else None
        amount, envelope = Quantity(value=dose.amount, unit="mg"), told(f"dose {n}", dose.time)
        found.append(DoseGiven(**envelope, drug=dose.drug, route=dose.route, amount=amount, duration=lasts))
    for n, infusion in enumerate(patient.infusions):
        # A word a day, as a pump that is not heard is not believed for ever.
        words = [(ms, s.rate) for s in infusion.segments for ms in range(s.start, s.end, DAY_MS)]
        for millis, rate in [*words, (infusion.end, 0.0)]:
            found.append(
                PumpDelivery(
                    **told(f"pump {n}", millis),
                    device_id=f"pump-{infusion.drug}",
                    drug=infusion.drug,
                    phase="stop" if millis == infusion.end else "start",
                    delivery_status="delivering" if rate > 0 else "not-delivering",
                    rate=Quantity(value=rate, unit="mg/h"),
                )
            )
    return tuple(found)


PERSON, TREATMENT, SPECIMENS, RESULTS, PUMP, VITALS, TOTALS, GAPS, CUFF, CLOCK = range(10)
"""Purposes of `WardPatient.rng`."""
