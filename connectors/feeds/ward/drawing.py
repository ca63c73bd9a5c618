"""Who comes to a simulated ward, what is ordered, and what becomes of it: drawn from a seed and a number.

A patient is of the model's own population, treated by its usual regimen; one infusion of each meets something (`ROTA`).
"""

from __future__ import annotations

import numpy as np

from connectors.feeds.analytes import drug_of
from connectors.feeds.ward.patients import (
    CLOCK,
    GAPS,
    PERSON,
    SPECIMENS,
    TREATMENT,
    Given,
    Orders,
    Planned,
    Specimen,
    WardPatient,
)
from connectors.feeds.ward.physiology import followed, individual
from connectors.feeds.ward.pump import Infusion, Scenario, infuse
from twin.clock import DAY_MS, HOUR_MS, MINUTE_MS, UNIT_HOURS
from twin.events import event_id
from twin.model.spec import CovariateSpec, MixtureSpec, Model, OutputSpec, RegimenSpec
from twin.model.typical import typical_values
from twin.observation.kinds import kind_of
from twin.study.site_effects import effects_of

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

UNPLANNED_MS = 5 * DAY_MS
"""How long after a planned infusion one runs that nobody planned (assumed)."""


def ward_name(seed: int, start: int, days: float, models: tuple[Model, ...]) -> str:
    """First part of patient ids, different for every other ward, so that two wards on one broker do not mix."""
    return f"W{event_id('ward', seed, start, days, *(model.id for model in models))[:5]}"


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
