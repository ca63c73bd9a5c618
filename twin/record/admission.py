"""The door of the twin: an event is checked against the patient's model and put into canonical units, once.

Canonical are mg for amounts of drug, mg/h for rates, h for durations, the model's own units for what it predicts or
reads as a covariate. What cannot be used is refused with a reason code, and a text that names field, value and mend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from twin.events import (
    VITAL_RANGES,
    AdviceRequested,
    BadEvent,
    Covariate,
    DeviceAssociation,
    DoseGiven,
    DrugLevel,
    Envelope,
    InputEvent,
    LabResult,
    Measurement,
    ModelMove,
    PlannedDose,
    PumpDelivery,
    PumpTotals,
    Quantity,
    RegimenPlanned,
    VitalSample,
    to_millis,
)
from twin.model.entrances import states_taking, takes
from twin.model.spec import CovariateSpec, Model, OutputSpec, output_index
from twin.observation.kinds import kind_of
from twin.record.limits import TIMES, usual_dose
from twin.units import AMOUNT_UNIT, RATE_UNIT, UnitError, convert, drug_amount, drug_rate

EARLIEST_MS = 631_152_000_000
"""1990-01-01: a device that lost its clock says 1970 or 1980, and a twin would be folded over all the years since."""

MOST_FLOW = 1_500.0
"""mL/h; no infusion pump delivers more (volumetric pumps end at 999 to 1200 mL/h)."""

MOST_RATE = 100_000.0
"""mg/h; above any chemotherapy (high-dose methotrexate, the largest, is given at some thousands). Of a drug with a
usual dose no more than `twin.record.limits.TIMES` of them in an hour, each in half a minute."""

MOST_AMOUNT = 200_000.0
"""mg in one dose; as `MOST_RATE`."""

LONGEST_HOURS = 24.0 * 60
"""Longest duration of one dose that is believed, in hours."""

LONGEST_DRAW_HOURS = 24.0
"""Longest standard deviation of a time of drawing that is believed, in hours."""

SHORTEST_DRAW_HOURS = 1.0 / 3600.0
"""A time of drawing that is known to the second is known."""

MOST_NOISE = 10.0
"""Standard deviations of an additive error that noise takes a level below 0; what lies further is a code."""

MISSING_CODES = frozenset({-99.0, -999.0, -9999.0, -99999.0})
"""What data sets write for a missing value, where a result may be negative by nature."""

OTHER_ANALYTES = frozenset(
    {
        "neutrophils", "leukocytes", "platelets", "haemoglobin", "creatinine", "bilirubin", "alt", "ast", "albumin",
        "aag", "glucose", "crp", "ldh", "PSA", "CEA", "CA125", "CA19-9", "CA15-3", "AFP", "HCG", "CTC", "ctDNA",
        "ctDNA_fraction",
    }
)  # fmt: skip
"""Laboratory values that are no mistake although the patient's model does not use them; they are accepted, unread."""

SomeEvent = TypeVar("SomeEvent", bound=Envelope)
SomeMeasurement = TypeVar("SomeMeasurement", bound=Measurement)


class RepeatedDose(NamedTuple):
    """``amount`` mg over ``duration`` h, given every ``every`` h for ever; ``rated`` if its rate stays as it is."""

    drug: str
    entrance: str
    amount: float
    duration: float
    every: float
    rated: bool = False


Settles = Callable[[Model, RepeatedDose], bool]
"""Whether a model's typical patient comes to a steady state under a dose (`twin.solver.settling.settles`)."""


def admit(event: InputEvent, model: Model, settles: Settles) -> InputEvent:
    """The event in canonical units.

    Raises:
        BadEvent: reasons ``far_past``, ``unknown_unit``, ``negative_amount``, ``rate_out_of_range``, ``out_of_range``,
            ``unknown_drug``, ``unknown_state``, ``no_steady_state``, ``unknown_analyte``, ``unknown_covariate``,
            ``unknown_level``, ``not_for_a_twin``.
    """
    if to_millis(event.time) < EARLIEST_MS:
        said = f"field 'time': {event.time.isoformat()} is before 1990; set the clock of {event.source!r}"
        raise BadEvent("far_past", said, event.patient_id, event.event_id)
    try:
        return _canonical(event, model, settles)
    except _Refused as refused:
        raise BadEvent(refused.reason, str(refused), event.patient_id, event.event_id) from None


class _Refused(ValueError):
    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def _canonical(event: InputEvent, model: Model, settles: Settles) -> InputEvent:
    match event:
        case VitalSample():  # first, for nearly all are
            unit, low, high = VITAL_RANGES[event.channel]
            value = event.value if event.value.unit == unit else _in("value", event.value, unit)
            if not low <= value.value <= high:
                _within("value", value, low, high)
            if event.clock_behind is None:  # as with nearly all
                return event if value is event.value else _with(event, value=value)
            return _with(event, value=value, clock_behind=_clock(event.clock_behind))
        case PumpDelivery():
            _known_drug(event.drug, model)
            rate, behind = _rate(event.rate, event.concentration, event.drug, model), _clock(event.clock_behind)
            return _with(event, rate=rate, concentration=None, clock_behind=behind)
        case PumpTotals():
            _known_drug(event.drug, model)
            delivered, behind = _delivered(event.delivered, event.concentration), _clock(event.clock_behind)
            return _with(event, delivered=delivered, concentration=None, clock_behind=behind)
        case DoseGiven():
            _known_drug(event.drug, model)
            _known_state(event, model)
            amount, duration = _amount("amount", event.amount), _hours(event.duration)
            every = _interval(event.steady_every)
            if every is not None:
                hours = 0.0 if duration is None else duration.value
                rated = event.keeps == "rate"
                dose = RepeatedDose(event.drug, event.entrance, amount.value, hours, every.value, rated)
                _require_steady_state(dose, model, settles)
            return _with(event, amount=amount, duration=duration, steady_every=every)
        case RegimenPlanned():
            _known_drug(event.drug, model)
            return _with(event, doses=tuple(_planned(dose) for dose in event.doses))
        case AdviceRequested() if event.drug is not None:
            _known_drug(event.drug, model)
        case DrugLevel():
            return _level(event, model)
        case LabResult():
            return _lab(event, model)
        case Covariate():
            return _covariate(event, model)
        case ModelMove():
            raise _Refused("not_for_a_twin", "field 'kind': a twin goes by one model; who keeps it, a worker, moves it")
        case DeviceAssociation() if event.expected_every is not None:
            return _with(
                event, expected_every=_positive("expected_every", _in("expected_every", event.expected_every, "h"))
            )
    return event


def _with(event: SomeEvent, **changes: object) -> SomeEvent:
    held = event.__dict__
    for name, value in changes.items():
        if held[name] is not value:
            return event.model_copy(update=changes)
    return event  # as most are told, and a copy takes its time


def _in(field: str, quantity: Quantity, unit: str, molar_mass: float | None = None) -> Quantity:
    if quantity.unit == unit:
        return quantity
    try:
        return Quantity(value=convert(quantity.value, quantity.unit, unit, molar_mass), unit=unit)
    except UnitError as error:
        raise _Refused("unknown_unit", f"field '{field}': {error}") from None


@contextmanager
def _unit_of(field: str) -> Iterator[None]:
    """Refuses what cannot be converted in the name of its field."""
    try:
        yield
    except UnitError as error:
        raise _Refused("unknown_unit", f"field '{field}': {error}") from None


def _known_drug(drug: str, model: Model) -> None:
    if drug not in model.drugs:
        raise _Refused(
            "unknown_drug", f"field 'drug': {drug!r} is no drug of {model.id}; it has {', '.join(model.drugs)}"
        )


def _known_state(dose: DoseGiven, model: Model) -> None:
    """Refuse a state that the dose cannot enter."""
    if dose.state is None or takes(model, dose.drug, dose.route, dose.state):
        return
    states = ", ".join(states_taking(model, dose.drug))
    said = f"field 'state': {dose.state!r} of {model.id} takes no {dose.drug} by route {dose.route!r}"
    raise _Refused("unknown_state", f"{said}; it enters {states or 'none'}")


def _positive(field: str, quantity: Quantity) -> Quantity:
    if quantity.value <= 0:
        raise _Refused("negative_amount", f"field '{field}': {quantity.value} {quantity.unit} must be above 0")
    return quantity


def _not_negative(field: str, quantity: Quantity) -> Quantity:
    if quantity.value < 0:
        raise _Refused("negative_amount", f"field '{field}': {quantity.value} {quantity.unit} must not be negative")
    return quantity


def _within(field: str, quantity: Quantity, low: float, high: float, reason: str = "out_of_range") -> Quantity:
    if not low <= quantity.value <= high:
        said = f"{quantity.value:g} {quantity.unit}"
        raise _Refused(
            reason, f"field '{field}': {said} is outside {low:g} to {high:g} {quantity.unit}; check the unit"
        )
    return quantity


def _amount(field: str, quantity: Quantity) -> Quantity:
    amount = _not_negative(field, _in(field, quantity, AMOUNT_UNIT))
    if amount.value > MOST_AMOUNT:
        said = f"field '{field}': {amount.value:g} mg is more than {MOST_AMOUNT:g} mg; check the unit"
        mend = "a model that counts in another one (ug, U) converts recorded mg itself, [inputs.X] scale"
        raise _Refused("out_of_range", f"{said}; {mend}")
    return amount


def _clock(behind: Quantity | None) -> Quantity | None:
    return None if behind is None else _in("clock_behind", behind, "s")


def _hours(duration: Quantity | None) -> Quantity | None:
    if duration is None:
        return None
    hours = _not_negative("duration", _in("duration", duration, "h"))
    return _within("duration", hours, 0, LONGEST_HOURS) if hours.value > 0 else None


def _interval(every: Quantity | None) -> Quantity | None:
    if every is None:
        return None
    hours = _positive("steady_every", _in("steady_every", every, "h"))
    return _within("steady_every", hours, 0.1, LONGEST_HOURS)


def _require_steady_state(dose: RepeatedDose, model: Model, settles: Settles) -> None:
    if not settles(model, dose):
        said = (
            f"field 'steady_every': {dose.amount:g} mg every {dose.every:g} h never come to a steady state in the "
            f"typical patient of {model.id}"
        )
        raise _Refused("no_steady_state", f"{said}; record the doses one by one")


def _rate(rate: Quantity, concentration: Quantity | None, drug: str, model: Model) -> Quantity:
    _not_negative("rate", rate)
    strength = (
        None if concentration is None else _positive("concentration", _in("concentration", concentration, "mg/mL"))
    )
    with _unit_of("rate"):
        per_hour = rate if rate.unit == RATE_UNIT else Quantity(value=drug_rate(rate, strength), unit=RATE_UNIT)
    if strength is not None:
        flow = Quantity(value=per_hour.value / strength.value, unit="mL/h")
        _within("rate", flow, 0, MOST_FLOW, "rate_out_of_range")
    usual = usual_dose(model, drug, "iv")
    most = MOST_RATE if usual is None else min(MOST_RATE, TIMES * usual)
    return _within("rate", per_hour, 0, most, "rate_out_of_range")


def _delivered(delivered: Quantity, concentration: Quantity | None) -> Quantity:
    _not_negative("delivered", delivered)
    strength = (
        None if concentration is None else _positive("concentration", _in("concentration", concentration, "mg/mL"))
    )
    with _unit_of("delivered"):
        return Quantity(value=drug_amount(delivered, strength), unit=AMOUNT_UNIT)


def _planned(dose: PlannedDose) -> PlannedDose:
    return PlannedDose(time=dose.time, amount=_amount("doses.amount", dose.amount), duration=_hours(dose.duration))


def _level(event: DrugLevel, model: Model) -> DrugLevel:
    output = _output(event.analyte, model)
    if output is None:
        known = ", ".join(o.name for o in model.outputs)
        raise _Refused(
            "unknown_analyte", f"field 'analyte': {event.analyte!r} is no output of {model.id}; it has {known}"
        )
    level = _weighable("level", _measured(event, output), output)
    if level.value.value < -MOST_NOISE * output.error.additive:
        noise = f"over {MOST_NOISE:g} standard deviations below 0; leave out what codes a missing value"
        raise _Refused("out_of_range", f"field 'value': a level of {level.value.value:g} {output.unit} is {noise}")
    return level


def _measured(event: SomeMeasurement, output: OutputSpec) -> SomeMeasurement:
    """A measured value of an output with its limits, in the output's unit."""
    limits = {field: limit for field in ("lloq", "uloq") if (limit := getattr(event, field)) is not None}
    canonical = {
        field: _positive(field, _in(field, limit, output.unit, output.molar_mass)) for field, limit in limits.items()
    }
    value = _in("value", event.value, output.unit, output.molar_mass)
    if not kind_of(output).weighs_negative(output):
        _not_negative("value", value)
    if value.value <= 0 and event.below_lloq and event.lloq is None:
        raise _Refused("out_of_range", "field 'lloq': missing; a value below its limit is only known by that limit")
    refusal = kind_of(output).refusal(output, value.value, limited=event.below_lloq or event.above_uloq)
    if refusal is not None:
        raise _Refused("out_of_range", refusal)
    return _with(event, value=value, **canonical, draw_time_sd=_draw_time(event, output))


def _weighable(what: str, measured: SomeMeasurement, output: OutputSpec) -> SomeMeasurement:
    if measured.value.value == 0 and not measured.below_lloq and not kind_of(output).weighs_zero(output):
        text = f"field 'value': a {what} of 0 {output.unit} cannot be weighed; send 'below_lloq' with 'lloq'"
        raise _Refused("out_of_range", text)
    return measured


def _draw_time(event: Measurement, output: OutputSpec) -> Quantity | None:
    """How uncertain the time of drawing is, in hours; ``None`` when it is taken as it stands."""
    if event.draw_time_sd is None:
        return None
    hours = _not_negative("draw_time_sd", _in("draw_time_sd", event.draw_time_sd, "h"))
    if not kind_of(output).sampled:
        raise _Refused("out_of_range", f"field 'draw_time_sd': {output.name} is seen, not drawn; leave it out")
    return _within("draw_time_sd", hours, 0, LONGEST_DRAW_HOURS) if hours.value >= SHORTEST_DRAW_HOURS else None


def _lab(event: LabResult, model: Model) -> LabResult:
    output = _output(event.analyte, model)
    if output is not None:
        result = _measured(event, output)
        if result.value.value in MISSING_CODES:
            text = f"field 'value': {result.value.value:g} {output.unit} codes a missing value; leave it out"
            raise _Refused("out_of_range", text)
        return result if kind_of(output).zero_below(output) is not None else _weighable("result", result, output)
    for covariate in model.covariates:
        if covariate.name == event.analyte:
            _seen(covariate, "analyte", model)
            return _with(event, value=_plausible(event.value, covariate))
    if event.analyte not in OTHER_ANALYTES:
        raise _Refused("unknown_analyte", f"field 'analyte': {event.analyte!r} is not known; see the event vocabulary")
    _not_negative("value", event.value)
    return event


def _covariate(event: Covariate, model: Model) -> Covariate:
    for covariate in model.covariates:
        if covariate.name == event.name:
            _seen(covariate, "name", model)
            value = event.value if event.level is None else _of_level(event.level, covariate)
            assert value is not None, "a covariate without a level has its value"
            return _with(event, value=_plausible(value, covariate), level=None)
    known = ", ".join(c.name for c in model.covariates) or "none"
    raise _Refused("unknown_covariate", f"field 'name': {event.name!r} is no covariate of {model.id}; it has {known}")


def _seen(covariate: CovariateSpec, field: str, model: Model) -> None:
    """Refuse a report of the class that nobody sees."""
    if covariate.unseen:
        said = f"field '{field}': {covariate.name!r} is the class that nobody sees of {model.id}, and is weighed"
        mend = "take [mixture] out of the model file where it is reported"
        raise _Refused("unknown_covariate", f"{said}; {mend}")


def _of_level(level: str, covariate: CovariateSpec) -> Quantity:
    known = dict(covariate.levels)
    if level not in known:
        names = ", ".join(known) or "none; send its 'value'"
        raise _Refused("unknown_level", f"field 'level': {level!r} is no level of {covariate.name}; it has {names}")
    return Quantity(value=known[level], unit=covariate.unit)


def _plausible(value: Quantity, covariate: CovariateSpec) -> Quantity:
    """Within the range that the model file believes; some covariate effects leave the possible outside it."""
    if covariate.levels:
        found = _in("value", value, covariate.unit)
        if found.value not in dict(covariate.levels).values():
            known = ", ".join(f"{number:g} ({name})" for name, number in covariate.levels)
            raise _Refused("out_of_range", f"field 'value': {found.value:g} is no level of {covariate.name}: {known}")
        return found
    low = 0.0 if covariate.low is None else covariate.low
    high = float("inf") if covariate.high is None else covariate.high
    return _within("value", _in("value", value, covariate.unit, covariate.molar_mass), low, high)


def _output(analyte: str, model: Model) -> OutputSpec | None:
    index = output_index(model, analyte)
    return None if index is None else model.outputs[index]
