"""What an NM-TRAN dose record gives: amount, rate or duration, repeats, steady state, and where it enters.

Rules of NONMEM Help ("AMT", "RATE", "SS", "II", "ADDL", "CMT data item") unless said otherwise:

- ``AMT`` is in mg, as recorded (a model may declare a scale of its own), above 0.
- ``RATE`` 0: at once; above 0: an infusion of ``AMT / RATE``; -1 (modelled rate) and -2 (modelled duration): spread by
  the model, where the input of that state declares ``duration=``, else refused.
- ``DUR`` is the duration of an infusion, as Monolix's infusion duration; beside a ``RATE`` it must say the same.
- Beside clock times and dates, lengths of time (``II``, ``DUR``, and what ``RATE`` makes) are in hours, whatever the
  model's unit; else they are in the model's.
- ``ADDL`` further doses ``II`` apart are written out, as far as nothing cancels them
  (`connectors.feeds.nmtran.additional`).
- ``SS`` 1: the patient is at the steady state of that dose every ``II`` at its time, and earlier doses are forgotten. 2
  (added to what is there) and 3 (iterated from it) are refused, and the steady state of an endless infusion too.
- ``CMT`` says which state it enters (`connectors.feeds.nmtran.compartments`), and it enters that one alone; none or 0
  is the model's main drug, wherever the model has it enter by that route.
- A bioavailability leaves ``RATE`` as it is and changes how long the infusion lasts, as in NONMEM; of ``DUR`` it
  changes the rate (`twin.model.coefficients`).
- A dose given at once goes by the route that the input of its state names, else by that of the drug's usual regimen.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from connectors.feeds.nmtran.compartments import compartment
from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord
from connectors.feeds.nmtran.times import LONGEST_YEARS, clock_hours
from twin.model.entrances import calls_into, states_taking, takes
from twin.model.formula import arguments_of
from twin.model.spec import Model, Route
from twin.model.structure import analyse, input_calls

ROUTES: tuple[Route, ...] = ("iv", "oral", "sc", "im", "ip")

MOST_ADDITIONAL_DOSES = 10_000
"""Written-out doses of one record."""


@dataclass(frozen=True)
class Dose:
    """One dose record; times in hours.

    Attributes:
        amount: mg.
        duration: hours of an infusion, or ``None`` for a dose at once.
        times: hours since the origin at which it is given.
        steady_every: hours between the doses of a steady state before the first of ``times``.
        state: the one that it enters alone.
        keeps: whether a bioavailability leaves the rate of an infusion as it is.
    """

    drug: str
    route: Route
    amount: float
    duration: float | None
    times: tuple[float, ...]
    steady_every: float | None
    state: str | None = None
    keeps: Literal["rate"] | None = None


def dose_of(record: DataRecord, model: Model, unit_hours: float, clock: bool, notes: Counter[str]) -> Dose:
    """The dose of a record.

    Args:
        unit_hours: hours in the model's unit of time.
        clock: whether lengths of time are in hours, as they are beside clock times, or in the model's unit.

    Raises:
        BadRecord: it cannot be given as recorded; with the reason.
    """
    amount = record.number("AMT")
    if amount is None or amount <= 0:
        shown = "missing" if amount is None else f"{amount:g}"
        endless = "; an endless infusion to steady state is not supported" if record.number("SS") else ""
        raise BadRecord(f"AMT of a dose is {shown}; it must be above 0 mg{endless}")
    drug, route, state, spread = _entrance(record, model)
    unit = 1.0 if clock else unit_hours
    duration = _duration(record, amount, spread, notes)
    duration = None if duration is None else duration * unit
    every = _interval(record, unit)
    steady = record.integer("SS") or 0
    if steady not in (0, 1):
        named = {2: " (a steady state on top of what is there)", 3: " (a steady state iterated from what is there)"}
        raise BadRecord(f"SS {steady}{named.get(steady, '')} is not supported; write 1, or the doses before it out")
    if steady and every <= 0:
        raise BadRecord("SS 1 needs II, the interval of the doses, above 0")
    if steady and duration is not None and duration > every:
        raise BadRecord(f"SS 1: an infusion over {duration:g} h lasts longer than II; make it an infusion of its own")
    way: Route = route or ("iv" if duration is not None else usual_route(model, drug))
    if state is not None:
        way = _route_into(model, drug, state, way)
        others = [name for name in states_taking(model, drug) if name != state and takes(model, drug, way, name)]
        if others:
            said = f"doses with CMT {record.text('CMT')} entered {state} alone"
            notes[f"{said}, although {drug} by {way} enters {', '.join(others)} too"] += 1
    keeps: Literal["rate"] | None = "rate" if (record.number("RATE") or 0.0) > 0 else None
    if keeps and drug in _partly_available(model):
        notes["infusions by RATE keep it, and last as long as is available of them, as in NONMEM"] += 1
    return Dose(drug, way, amount, duration, _times(record, every), every if steady else None, state, keeps)


@functools.cache
def _partly_available(model: Model) -> frozenset[str]:
    """Drugs with a bioavailability that changes how long an infusion of a stated rate lasts."""
    return frozenset(arguments_of(call)[1][0] for call in analyse(model).fractions)


def _duration(record: DataRecord, amount: float, spread: bool, notes: Counter[str]) -> float | None:
    """Of the infusion in the record's unit, or ``None`` where the dose is given at once or spread by the model."""
    rate, duration = record.number("RATE") or 0.0, record.number("DUR") or 0.0
    if rate < 0:
        modelled = {-1.0: " (modelled rate)", -2.0: " (modelled duration)"}.get(rate)
        if modelled is None:
            raise BadRecord(f"RATE {rate:g} is none of -2, -1, 0 and above; give the rate, or 0 for a dose at once")
        if not spread:
            raise BadRecord(
                f"RATE {rate:g}{modelled} needs a model whose input there has duration=; give the rate itself, or 0 for"
                " a dose at once"
            )
        return None
    if duration < 0:
        raise BadRecord(f"DUR {duration:g} is negative; give the duration itself, or 0 for a dose at once")
    if rate > 0 and duration > 0 and not math.isclose(amount / rate, duration, rel_tol=0.01):
        raise BadRecord(f"RATE {rate:g} makes {amount / rate:g} of AMT {amount:g}, but DUR is {duration:g}; keep one")
    if rate > 0:
        return amount / rate
    if duration > 0:
        return duration
    if spread:
        notes["doses with RATE 0 were spread over the duration that the model gives them"] += 1
    return None


def _interval(record: DataRecord, unit: float) -> float:
    """II in hours, of a record whose lengths are in ``unit`` of them; 0 where there is none."""
    if record.text("II") is None:
        return 0.0
    if ":" in (record.text("II") or ""):
        return clock_hours(record, "II")
    return (record.number("II") or 0.0) * unit


def _times(record: DataRecord, every: float) -> tuple[float, ...]:
    additional = record.integer("ADDL") or 0
    if not 0 <= additional <= MOST_ADDITIONAL_DOSES:
        raise BadRecord(f"ADDL {additional} is outside 0 to {MOST_ADDITIONAL_DOSES}")
    if additional and every <= 0:
        raise BadRecord(f"ADDL {additional} needs II, the interval of the doses, above 0")
    if abs(record.hours + additional * every) > LONGEST_YEARS * 8766:
        raise BadRecord(f"ADDL {additional} with II {record.text('II')} goes more than {LONGEST_YEARS} years from 0")
    return tuple(record.hours + n * every for n in range(additional + 1))


def _entrance(record: DataRecord, model: Model) -> tuple[str, Route | None, str | None, bool]:
    """The drug that ``CMT`` receives, the route that its input names, the state, and whether it spreads a dose given at
    once."""
    number = compartment(record, model)
    if number == 0:
        entering = [arguments_of(call) for state in model.states for call in input_calls(state.derivative)]
        return model.drug, None, None, any("duration" in how for _, words, how in entering if words[0] == model.drug)
    state = model.states[number - 1]
    calls = [arguments_of(call) for call in input_calls(state.derivative)]
    if not calls:
        raise BadRecord(f"CMT {number} ({state.name}) takes no dose in {model.id}")
    drug, *routes = calls[0][1]
    route = next((route for route in ROUTES if route in routes), None)
    named = state.name if calls_into(model, drug, state.name) else None
    return drug, route, named, any("duration" in how for *_, how in calls)


def _route_into(model: Model, drug: str, state: str, wanted: Route) -> Route:
    """The route that is wanted, or else one by which the state takes the drug."""
    return next(route for route in (wanted, *ROUTES) if takes(model, drug, route, state))


def usual_route(model: Model, drug: str) -> Route:
    """The route of the drug's usual regimen, else by vein."""
    return next((regimen.route for regimen in model.regimens if regimen.drug == drug), "iv")
