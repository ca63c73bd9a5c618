"""Warfarin in the virtual patients of Augustin et al. 2023.

    python -m tests.twin.dosing.warfarin.figures DIR [ARM [CHUNKS]]

Each day a patient's INR is measured and told to a twin (ARM ``twin``, or the mode is found: ``mode``), and the dose is
chosen that keeps it in 2 to 3 (`twin.dosing.horizon.window`). Patients come in 50 chunks of 20, each spread over all
genotypes; both INRs of a chunk go to a file in DIR, and what is there is not done again: so it can be stopped and gone
on with, and several may share a folder. CHUNKS is after how many there are enough. A patient's numbers are the same in
any company. Told of the days that the article's tables were read on: the share of measured INRs within 2 to 3 with
Wilson's 95 % interval, of those above 4, and of the true ones within. Day n is the n-th sample, after n - 1 doses.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.twin.dosing.warfarin.cohort import DAYS, Trial, benchmark
from twin import PatientTwin
from twin.arrays import Floats
from twin.clock import DAY_MS
from twin.dosing.horizon.window import keep_in_window
from twin.dosing.protocol import Protocol, load_protocol
from twin.events import Covariate, DoseGiven, InputEvent, LabResult, Quantity, from_millis
from twin.filter.trunk import Trunk
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.library import load_model
from twin.patient.accounts.component import Component, beginning
from twin.record.history import History
from twin.record.orders import PlanStep
from twin.record.recording import insert_event
from twin.solver.settling import settles
from twin.trial.doses.arms import by_mode

FOLDER = Path(__file__).parent
TOLD = (3, 5, 8, 11, 15, 19)
BAYES = dict(zip(TOLD, (0.599, 0.791, 0.765, 0.834, 0.789, 0.751), strict=True))
"""Published: share within 2 to 3 of the article's arm that plans by posterior means."""

PATIENTS, CHUNK, STRIDE = 1000, 20, 377
"""Of the benchmark, of a chunk, and from one patient of it to the next: without a common divisor."""

PARTICLES = 200
BEGIN_MS = 1_700_000_000_000
PLANNED_DAYS = 40
BEFORE_MS = 60_000
"""The dose is chosen a minute before its time, by the sample of the morning."""


class Bedside:
    """One patient as those see it who dose: what was given and measured, and what is planned."""

    def __init__(self, name: str, number: int, trial: Trial, model: Model, protocol: Protocol, arm: str) -> None:
        self.model, self.protocol, self.arm, self.id = model, protocol, arm, name
        self.twin = PatientTwin(self.id, model, PARTICLES) if arm == "twin" else None
        self.events: list[InputEvent] = []
        self.plan = [5.0] * PLANNED_DAYS
        people = {"S22": trial.s22, "S33": trial.s33, "AGE": trial.age, "VKORC1": trial.vkorc1}
        units = {spec.name: spec.unit for spec in model.covariates}
        self._tell([
            Covariate(
                **self._head(name, BEGIN_MS - DAY_MS), name=name,
                value=Quantity(value=float(values[number]), unit=units[name]),
            )
            for name, values in people.items()
        ])  # fmt: skip

    def choose(self, day: int, value: float) -> float:
        """The dose (mg) of a day, of which the INR is told."""
        at = BEGIN_MS + day * DAY_MS
        head = self._head(f"inr {day}", at - 2 * BEFORE_MS)
        self._tell([LabResult(**head, analyte="inr", value=Quantity(value=value, unit="1"))])
        steps = tuple(
            PlanStep(BEGIN_MS + d * DAY_MS, BEGIN_MS + d * DAY_MS, mg, "oral") for d, mg in enumerate(self.plan)
        )
        parts = [replace(part, plan={"warfarin": steps}) for part in self._believed(at - BEFORE_MS)]
        if self.twin is None:
            amount = by_mode(parts[0], self.protocol)[0].step.amount
        else:
            found = keep_in_window(parts, self.protocol)
            amount = found.doses[0].step.amount
        self._tell([
            DoseGiven(
                **self._head(f"dose {day}", at), drug="warfarin", route="oral", amount=Quantity(value=amount, unit="mg")
            )
        ] if amount > 0.0 else [])  # fmt: skip
        self.plan[day] = amount
        return float(amount)

    def _believed(self, now: int) -> list[Component]:
        if self.twin is not None:
            return list(self.twin.components(now))
        history, kernel = History(), compile_model(self.model)
        for event in self.events:
            insert_event(history, event, self.model, settles)
        return [beginning(now, Trunk(kernel, self.id), history, {}, 1)]

    def _tell(self, events: list[InputEvent]) -> None:
        self.events += events
        if self.twin is not None and events:
            self.twin.observe(events)

    def _head(self, subject: str, millis: int) -> dict[str, object]:
        return {
            "event_id": f"{self.id} {subject}",
            "patient_id": self.id,
            "time": from_millis(millis),
            "source": "trial",
        }


def treated(trial: Trial, names: Sequence[str], arm: str) -> tuple[Floats, Floats]:
    """Measured and true INR (D, N) of all patients in an arm."""
    model, protocol = load_model(str(FOLDER / "warfarin_inr.toml")), load_protocol(FOLDER / "warfarin.toml")
    ward = [Bedside(name, i, trial, model, protocol, arm) for i, name in enumerate(names)]
    measured, true = [], []
    for day in range(DAYS):
        true.append(trial.true_inr())
        measured.append(true[-1] * trial.errors[day])
        if day < DAYS - 1:
            trial.dose(
                np.array([one.choose(day, value) for one, value in zip(ward, measured[-1].tolist(), strict=True)])
            )
    return np.array(measured), np.array(true)


def wilson(share: float, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927, J Am Stat Assoc 22:209)."""
    z = 1.959964
    middle, width = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float((middle - width) / (1 + z * z / n)), float((middle + width) / (1 + z * z / n))


def _share(inr: Floats, low: float = 2.0, high: float = 3.0) -> float:
    return float(((inr >= low) & (inr <= high)).mean())


def _table(measured: Floats, true: Floats) -> str:
    n = measured.shape[1]
    lines = []
    for day in TOLD:
        seen, real = measured[day - 1], true[day - 1]
        low, high = wilson(_share(seen), n)
        lines.append(
            f"day {day:2}: {_share(seen):.3f} ({low:.3f} to {high:.3f}), published {BAYES[day]:.3f}; > 4: "
            f"{float((seen > 4.0).mean()):.4f}, < 2: {float((seen < 2.0).mean()):.3f}; true within {_share(real):.3f}"
        )
    return "\n".join(lines)


def chunk(number: int) -> NDArray[np.int64]:
    """Numbers of the patients of a chunk."""
    return STRIDE * np.arange(CHUNK * number, CHUNK * (number + 1)) % PATIENTS


def main(folder: str, arm: str = "twin", chunks: str = str(PATIENTS // CHUNK)) -> None:
    """See the head of the module."""
    whole, found = benchmark(), []
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(int(chunks)):
        file = Path(folder) / f"{arm}-{number:02}.npy"
        if not file.exists():
            begun, who = time.process_time(), chunk(number)
            inrs = np.array(treated(whole.of(who), [f"warfarin-{one + 1}" for one in who], arm))
            print(f"chunk {number}: {time.process_time() - begun:.0f} s of processor time", file=sys.stderr, flush=True)
            partial = file.with_suffix(".partial.npy")
            np.save(partial, inrs)
            partial.rename(file)
        found.append(np.load(file))
    every = np.concatenate(found, axis=2)
    print(f"{every.shape[2]} patients, {arm}\n{_table(*every)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
