"""How much of a drug is believed, by what the patient's model says is usual: its regimens.

A unit that is wrong makes a thousandfold dose, a decimal point a tenfold one. What is more than `TIMES` the usual is
asked about: it is held until a clinician releases it (`twin.record.held.holding`). A drug that no regimen of the model
gives has only the limits of admission, which are those of any drug.
"""

from __future__ import annotations

from twin.events import DoseGiven, InputEvent, PumpTotals, RegimenPlanned
from twin.model.spec import Model, RegimenSpec

TIMES = 100.0
"""How many times the usual dose is believed: ten for a dose that was escalated, ten for a patient unlike others."""


def amount_of(regimen: RegimenSpec, model: Model) -> float:
    """mg of one dose for a patient with the reference body surface."""
    surface = next((c.reference for c in model.covariates if c.name == "BSA"), 1.0)
    return regimen.amount * (surface if regimen.amount_unit == "mg/m2" else 1.0)


def usual_dose(model: Model, drug: str, route: str) -> float | None:
    """The largest dose (mg) of the regimens that give a drug by this route, or else by any; ``None`` for no regimen."""
    of_drug = [regimen for regimen in model.regimens if regimen.drug == drug]
    by_route = [regimen for regimen in of_drug if regimen.route == route]
    return max((amount_of(regimen, model) for regimen in by_route or of_drug), default=None)


def usual_course(model: Model, drug: str) -> float | None:
    """All mg of a drug that the regimens give in their cycles; ``None`` for no regimen."""
    amounts = [amount_of(regimen, model) * regimen.cycles for regimen in model.regimens if regimen.drug == drug]
    return sum(amounts) if amounts else None


def asked_about(event: InputEvent, model: Model) -> str | None:
    """Why an event in canonical units is held, where what it says is so unusual; otherwise ``None``."""
    match event:
        case DoseGiven():
            return _compared(event.amount.value, usual_dose(model, event.drug, event.route), "dose")
        case RegimenPlanned():
            largest = max(dose.amount.value for dose in event.doses)
            return _compared(largest, usual_dose(model, event.drug, event.route), "dose")
        case PumpTotals():
            return _compared(event.delivered.value, usual_course(model, event.drug), "course")
    return None


def _compared(amount: float, usual: float | None, what: str) -> str | None:
    if usual is None or amount <= TIMES * usual:
        return None
    return f"{amount:.4g} mg are {amount / usual:,.0f} times the usual {what} of {usual:.4g} mg; check the unit"
