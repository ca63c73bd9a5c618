"""A simulated patient: drawn from a model's own population, treated by its usual regimen, measured as wards do.

Everything about a patient is decided here, from a seed and a number, before the first event: who it is (eta and
covariates), what was ordered, what was really given (`connectors.feeds.ward.pump`), when specimens are drawn and when
their results come. `connectors.feeds.ward.bedside` turns it into events.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from connectors.feeds.analytes import drug_of
from connectors.feeds.ward.physiology import Delivery, followed, individual, measured, trajectory
from connectors.feeds.ward.pump import Infusion, Scenario, infuse
from twin.arrays import Floats
from twin.clock import DAY_MS, HOUR_MS, MINUTE_MS, UNIT_HOURS
from twin.events import Covariate, DoseGiven, InputEvent, PumpDelivery, Quantity, event_id, from_millis
from twin.model.spec import CovariateSpec, MixtureSpec, Model, OutputSpec, RegimenSpec, Route
from twin.model.typical import typical_values
from twin.observation.kinds import kind_of
from twin.study.site_effects import effects_of

if TYPE_CHECKING:
    from connectors.feeds.ward.solved import Solved

FIRST_DOSE_MS = 2 * HOUR_MS
"""From admission to the first planned dose."""

PUMP_HOURS = 0.5
"""Infusions at least this long run by a pump; shorter ones and tablets are recorded as given by hand."""

ROTA: tuple[Scenario, ...] = (
    "as_ordered", "misprogrammed", "as_ordered", "leak", "as_ordered",
    "silence", "overdose", "occlusion", "rate_change", "early_end",
)  # fmt: skip
"""Scenarios as they come round, one a patient, so that a small ward has seen them all (frequencies are assumed)."""

SPREAD = {"BSA": 0.11, "ANC0": 0.3, "AAG": 0.3, "DPYD": 0.0}
"""SD of the logarithm about the model's reference, by covariate (assumed: BSA 1.8 +- 0.2 m2 in adults; counts and
acute-phase protein vary more in the ill; carriers of a DPYD variant are rare); `OTHER_SPREAD` elsewhere.
`SHARE_OF_ONES` is for covariates of 0 or 1."""
OTHER_SPREAD = 0.1
SHARE_OF_ONES = 0.2

LLOQ = 0.005
"""Lower limit of quantification of drug levels, mg/L (assumed; the assays behind the models have 0.0055 and lower)."""

UNPLANNED_MS = 5 * DAY_MS
"""How long after a planned infusion one runs that nobody planned (assumed)."""

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

    def truth_record(self) -> dict[str, Any]:
        """The patient as a line of the truth file: who it is, what happened and when, and the true course."""
        regular = np.searchsorted(self.grid, np.arange(self.admitted, self.discharged + 1, GRID_MS))
        outputs = {name: [float(f"{v:.6g}") for v in values[regular]] for name, values in self.truth.items()}
        units = {o.name: o.unit for o in self.model.outputs} | {
            t.state: t.unit for t in self.model.targets if t.state is not None
        }
        return {
            "patient_id": self.id,
            "model": self.model.id,
            "model_hash": self.model.hash,
            "eta": self.eta,
            "covariates": self.covariates,
            **({} if self.of_class is None else {"class": self.of_class}),
            "parameters": self.values,
            "admitted": _stamp(self.admitted),
            "discharged": _stamp(self.discharged),
            "infusions": [_infusion_record(infusion) for infusion in self.infusions],
            "sensor_gaps": [{"from": _stamp(a), "until": _stamp(b), "stored": s} for a, b, s in self.sensor_gaps],
            "clock_off": None if self.clock_off is None else _clock_record(*self.clock_off),
            "units": units,
            "start": _stamp(int(self.grid[regular[0]])),
            "every_seconds": GRID_MS // 1000,
            "outputs": outputs,
        }


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


def draw_patient(
    model: Model, index: int, seed: int, admitted: int, days: float, ward: str, scenario: Scenario | None = None
) -> WardPatient:
    """Patient number ``index`` of a ward: the same for the same arguments.

    Args:
        admitted: ms of admission; the patient stays ``days`` days.
        ward: the first part of the patient's id.
        scenario: of one infusion; by default the one whose turn it is.

    Raises:
        ValueError: the model has no regimen to treat a patient with, though its drugs do something.
    """
    if not model.regimens and not {each.drug for each in model.inputs if each.enters_nothing} >= set(model.drugs):
        raise ValueError(f"model {model.id} has no [[regimens]], so nobody knows how to treat a patient of it")
    rng = np.random.default_rng([seed, index, PERSON])
    draws = rng.standard_normal(len(model.eta_names))
    covariates = {c.name: _covariate(c, model.mixture, rng) for c in model.covariates}
    eta = effects_of(model, draws, covariates, seed)
    discharged = admitted + round(days * DAY_MS)
    orders = orders_of(model, covariates, admitted, discharged)
    turn = ROTA[(index + index // len(ROTA)) % len(ROTA)]  # shifts each round, so that every model meets every scenario
    infusions, given = _treatment(orders, scenario or turn, np.random.default_rng([seed, index, TREATMENT]))
    specimens = _specimens(model, admitted, discharged, orders, np.random.default_rng([seed, index, SPECIMENS]))
    return WardPatient(
        id=f"{ward}-{index + 1:03d}",
        seed=seed,
        index=index,
        model=model,
        eta=eta,
        covariates=covariates,
        values=individual(model, eta, covariates) if followed(model) else typical_values(model, covariates, eta),
        admitted=admitted,
        discharged=discharged,
        orders=orders,
        infusions=infusions,
        given=given,
        specimens=specimens,
        sensor_gaps=_sensor_gaps(admitted, discharged, np.random.default_rng([seed, index, GAPS])),
        clock_off=_clock_off(admitted, np.random.default_rng([seed, index, CLOCK])) if _meets_jump(index) else None,
    )


def _covariate(spec: CovariateSpec, mixture: MixtureSpec | None, rng: np.random.Generator) -> float:
    if mixture is not None and spec.name == mixture.covariate:
        return float(rng.choice(mixture.values, p=mixture.shares))
    if spec.levels:
        return float(rng.choice([value for _, value in spec.levels]))
    if (spec.low, spec.high) == (0, 1) and spec.unit == "1":
        return float(rng.random() < SHARE_OF_ONES)
    value = spec.reference * float(np.exp(SPREAD.get(spec.name, OTHER_SPREAD) * rng.standard_normal()))
    low, high = spec.low, spec.high
    return round(min(max(value, -np.inf if low is None else low), np.inf if high is None else high), 2)


def orders_of(model: Model, covariates: dict[str, float], admitted: int, discharged: int) -> Orders:
    """Every regimen of the model, from the first dose on and until discharge."""
    first = -(-(admitted + FIRST_DOSE_MS) // MINUTE_MS) * MINUTE_MS
    unit = UNIT_HOURS[model.time_unit]
    by_drug: Orders = {}
    for regimen in model.regimens:
        amount = _amount(regimen, covariates)
        starts = (first + round((regimen.start + k * regimen.interval) * unit * HOUR_MS) for k in range(regimen.cycles))
        doses = tuple(Planned(start, amount, regimen.duration * unit) for start in starts if start < discharged)
        route, before = by_drug.get(regimen.drug, (regimen.route, ()))
        by_drug[regimen.drug] = (route, tuple(sorted((*before, *doses), key=lambda dose: dose.time)))
    return {drug: (route, doses) for drug, (route, doses) in by_drug.items() if doses}


def _amount(regimen: RegimenSpec, covariates: dict[str, float]) -> float:
    amount = regimen.amount * (covariates["BSA"] if regimen.amount_unit == "mg/m2" else 1.0)
    return float(round(amount)) if amount >= 20 else float(f"{amount:.3g}")


def _treatment(
    orders: Orders, turn: Scenario, rng: np.random.Generator
) -> tuple[tuple[Infusion, ...], tuple[Given, ...]]:
    """What becomes of the orders. One infusion of each patient meets the scenario whose ``turn`` it is; one that nobody
    planned is half of that again, days later."""
    by_pump = [
        (drug, dose)
        for drug, (route, doses) in orders.items()
        for dose in doses
        if route == "iv" and dose.hours >= PUMP_HOURS
    ]
    struck = 0 if rng.random() < 0.75 else int(rng.integers(max(1, len(by_pump))))
    ordered: Scenario = "as_ordered" if turn == "unplanned" else turn
    infusions = tuple(
        infuse(drug, dose.time, dose.amount, dose.hours, ordered if number == struck else "as_ordered", rng)
        for number, (drug, dose) in enumerate(by_pump)
    )
    if turn == "unplanned" and by_pump:
        drug, dose = by_pump[struck]
        infusions += (infuse(drug, dose.time + UNPLANNED_MS, dose.amount / 2, dose.hours, turn, rng),)
    given = []
    for drug, (route, doses) in orders.items():
        for dose in doses:
            if (drug, dose) not in by_pump:
                time = dose.time + round(rng.uniform(-3, 3) * MINUTE_MS)
                hours_late = rng.uniform(2, 6) if rng.random() < 0.05 else rng.uniform(0.01, 0.1)
                recorded = time + round((dose.hours + hours_late) * HOUR_MS)
                given.append(Given(time, recorded, drug, route, dose.amount, dose.hours))
    return infusions, tuple(sorted(given, key=lambda dose: dose.time))


def _specimens(
    model: Model,
    admitted: int,
    discharged: int,
    orders: Orders,
    rng: np.random.Generator,
) -> tuple[Specimen, ...]:
    """Counts before treatment and every one to three days; levels around the pump's planned end, or after every second
    dose of what no pump gives."""
    found: list[Specimen] = []
    for output in model.outputs:
        measured_drug = drug_of(output, model)
        if measured_drug is None:
            time = admitted + round(rng.uniform(20, 60) * MINUTE_MS)
            while time < discharged:
                late = rng.uniform(12, 36) if rng.random() < 0.1 else rng.uniform(1, 4)
                found.append(_specimen(time, output, late, rng))
                time += round(rng.uniform(0.9, 3.0) * DAY_MS)
            continue
        _, planned = orders.get(measured_drug, ("iv", ()))
        by_hand = all(dose.hours < PUMP_HOURS for dose in planned)
        for dose in planned:
            if by_hand and rng.random() < 0.5:
                time = dose.time + round(rng.uniform(0.5, 10) * HOUR_MS)
                found.append(_specimen(time, output, rng.uniform(6, 24), rng))
            if dose.hours < PUMP_HOURS:
                continue
            after = (0.6, 0.95) if dose.hours >= 12 else (0.95, 1 + 1 / dose.hours, 1 + 5 / dose.hours)
            for fraction in after:
                if rng.random() < 0.85:
                    jitter = rng.uniform(-0.02, 0.02) * dose.hours
                    time = dose.time + round((fraction * dose.hours + jitter) * HOUR_MS)
                    found.append(_specimen(time, output, rng.uniform(6, 24), rng))
    return tuple(sorted((s for s in found if s.time < discharged), key=lambda s: (s.time, s.output)))


def _specimen(time: int, output: OutputSpec, hours_late: float, rng: np.random.Generator) -> Specimen:
    reported = time + round(hours_late * HOUR_MS)
    corrected = reported + round(rng.uniform(2, 10) * HOUR_MS) if rng.random() < 0.03 else None
    if kind_of(output).discrete:
        corrected = None  # A grade has no decimal point to slip.
    return Specimen(time, output.name, reported, corrected)


def _sensor_gaps(admitted: int, discharged: int, rng: np.random.Generator) -> tuple[tuple[int, int, bool], ...]:
    """About one gap in two days, of 20 minutes to 2 hours; half of what was missed is sent afterwards."""
    gaps = []
    time = admitted + round(rng.exponential(2.0) * DAY_MS)
    while time < discharged:
        length = round(rng.uniform(20, 120) * MINUTE_MS)
        gaps.append((time, time + length, bool(rng.random() < 0.5)))
        time += length + round(rng.exponential(2.0) * DAY_MS)
    return tuple(gaps)


def _meets_jump(index: int) -> bool:
    """Whether it is this patient's wearable whose clock jumps: the fifth of every ten (assumed)."""
    return index % 10 == 4


def _clock_off(admitted: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """A clock that jumps on the first day, by a quarter of an hour or by time zones, and is set some hours later."""
    begin = admitted + round(rng.uniform(6, 18) * HOUR_MS)
    return begin, begin + round(rng.uniform(4, 12) * HOUR_MS), int(rng.choice([900, -3600, 7200]))


def _infusion_record(infusion: Infusion) -> dict[str, Any]:
    happened = infusion.happened
    return {
        "drug": infusion.drug,
        "scenario": infusion.scenario,
        "happened": None if happened is None else [_stamp(happened[0]), _stamp(happened[1])],
        "planned_start": _stamp(infusion.planned),
        "planned_mg": infusion.amount,
        "planned_hours": infusion.hours,
        "delivered_mg": infusion.delivered,
        "segments": [
            {"from": _stamp(s.start), "until": _stamp(s.end), "rate_mg_per_h": s.rate} for s in infusion.segments
        ],
    }


def _clock_record(begin: int, end: int, behind: int) -> dict[str, Any]:
    return {"from": _stamp(begin), "until": _stamp(end), "behind_seconds": behind}


def _stamp(millis: int) -> str:
    return from_millis(millis).isoformat().replace("+00:00", "Z")


def ward_name(seed: int, start: int, days: float, models: tuple[Model, ...]) -> str:
    """First part of patient ids, different for every other ward, so that two wards on one broker do not mix."""
    return f"W{event_id('ward', seed, start, days, *(model.id for model in models))[:5]}"
