"""What is said of a virtual patient, and what is true: doses by hand, characteristics, and results when they come.

Truth is solved by the equations themselves (`connectors.feeds.ward.solved`) with chance that depends on the patient
and the number of the sample alone: whoever is treated otherwise is the same patient, with the same errors of measuring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from connectors.feeds.ward.patients import WardPatient
from connectors.feeds.ward.solved import Solved, solved
from streams.batch.trial.doses.schedule import Order
from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.events import Covariate, DoseGiven, InputEvent, LabResult, Quantity, event_id, from_millis
from twin.model.spec import CovariateSpec, Model, Route, output_index


class Said:
    """A patient who was ``given`` doses, and of whom blood is drawn at ``drawn`` (ms, output), in order of time."""

    def __init__(self, patient: WardPatient, given: Sequence[Order], drawn: Sequence[tuple[int, str]]) -> None:
        self.patient = patient
        self.given = list(given)
        self._drawn = drawn
        self._numbers = {output.name: i for i, output in enumerate(patient.model.outputs)}

    @property
    def eta(self) -> Floats:
        """Who the patient is, (d,)."""
        return np.array([self.patient.eta[name] for name in self.patient.model.eta_names])

    @property
    def key(self) -> tuple[object, ...]:
        """Name of the chance behind the patient's occasions (`twin.study.simulation.truth`)."""
        return (f"{self.patient.id} simulated",)

    def solved(self, until: int, grid: NDArray[np.int64] | None = None) -> Solved:
        """The course until ``until`` (ms), at ``grid`` (T,), with what was measured of samples before."""
        samples = [(at, self._numbers[output]) for at, output in self._drawn if at < until]
        happened = [*self._characteristics(self.patient.model.covariates), *self.doses(until)]
        times = np.array([until], dtype=np.int64) if grid is None else grid
        return solved(self.patient.model, self.patient.id, self.eta, happened, samples, times)

    def results(self, now: int, known: Sequence[int], model: Model) -> list[InputEvent]:
        """What was measured, is in ``model`` and known at ``now`` (ms); ``known`` (ms) is when each result comes."""
        seen = [number for number, (at, _) in enumerate(self._drawn) if at < now]
        if not seen:
            return []
        measured = self.solved(now).results
        found: list[InputEvent] = []
        for number in seen:
            name = self._drawn[number][1]
            if known[number] <= now and output_index(model, name) is not None and number in measured:
                at, value = measured[number]
                quantity = Quantity(value=value, unit=self.patient.model.outputs[self._numbers[name]].unit)
                found.append(LabResult(**self._told(f"sample {number}", at), analyte=name, value=quantity))
        return found

    def characteristics(self) -> list[InputEvent]:
        """All covariates that anybody sees, as they are known on admission."""
        return self._characteristics(self.patient.model.reported)

    def unseen(self) -> list[InputEvent]:
        """The class that the patient is of, where there is one, which nobody is told."""
        model = self.patient.model
        return self._characteristics([spec for spec in model.covariates if spec not in model.reported])

    def _characteristics(self, specs: Sequence[CovariateSpec]) -> list[InputEvent]:
        return [
            Covariate(
                **self._told(spec.name, self.patient.admitted),
                name=spec.name,
                value=Quantity(value=self.patient.covariates[spec.name], unit=spec.unit),
            )
            for spec in specs
        ]

    def doses(self, until: int) -> list[InputEvent]:
        """Doses begun before ``until`` (ms)."""
        found: list[InputEvent] = []
        for order in self.given:
            step = order.step
            if step.start_ms >= until:
                continue
            hours = (step.end_ms - step.start_ms) / HOUR_MS
            found.append(
                DoseGiven(
                    **self._told(f"dose {order.drug} {step.end_ms}", step.start_ms),
                    drug=order.drug,
                    route=cast("Route", step.route),
                    amount=Quantity(value=step.amount, unit="mg"),
                    duration=Quantity(value=hours, unit="h") if hours > 0 else None,
                )
            )
        return found

    def _told(self, subject: str, millis: int) -> dict[str, Any]:
        identity = event_id("trial of doses", self.patient.seed, self.patient.id, subject, millis)
        return {"event_id": identity, "patient_id": self.patient.id, "time": from_millis(millis), "source": "trial"}
