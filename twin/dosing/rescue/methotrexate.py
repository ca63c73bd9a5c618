"""After methotrexate: what published rules say of leucovorin and glucarpidase, and what the twin foresees beside it.

The rules are data with their sources (``published.toml``): the schedules of the label by level, hour and creatinine,
and the consensus on glucarpidase. Hours are from the beginning of the newest infusion. They read levels as they were
measured; the twin's own odds of a level above a line that lies ahead stand beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from twin.alerts.conditions.methotrexate import DRUG, HOURS, LINES, UNIT
from twin.clock import HOUR_MS
from twin.dosing.published import Spoken, rules
from twin.dosing.rescue.crossing import crossing_probability
from twin.patient.accounts.component import Component
from twin.patient.ahead.levels import infused_hours
from twin.patient.averaged import AveragedTwin
from twin.patient.reading import COURSE_GAP_MS
from twin.patient.twin import PatientTwin
from twin.timeline.delivery import Delivered
from twin.writing import number
from twin.writing import unit as written

NEAR_HOURS = 3.0
"""A level counts for a line when it is drawn within this of its hour (assumed)."""


class _Known(NamedTuple):
    """What the rules read: ms at which the infusion began and its hours, hours from it until now, levels as (hour,
    umol/L), and creatinine now over that before the infusion."""

    begun: int
    infused: float
    hours: float
    levels: tuple[tuple[float, float], ...]
    risen: float


def rescue(twin: PatientTwin | AveragedTwin, now: int | None = None) -> tuple[Spoken, ...]:
    """What the rules say; nothing where no methotrexate was given in the last week.

    Args:
        twin: that has observed the patient; it stays as it is.
        now: ms, not before its newest event, which it is by default.
    """
    return rescue_on(twin.components(now))


def rescue_on(components: Sequence[Component]) -> tuple[Spoken, ...]:
    """The same for a belief that is a mixture of ``components``."""
    known = _known(components[0])
    if known is None:
        return ()
    return (_leucovorin(known), *_glucarpidase(known, components))


def _known(component: Component) -> _Known | None:
    model, timeline, now = component.trunk.kernel.model, component.timeline, component.millis
    starts = [at for at in timeline.delivered.get(DRUG, Delivered()).starts(COURSE_GAP_MS) if at <= now]
    if not starts or now - starts[-1] > WEEK_HOURS * HOUR_MS:
        return None
    begun = starts[-1]
    outputs = [i for i, output in enumerate(model.outputs) if output.unit == UNIT and output.name.startswith(DRUG)]
    levels = tuple(
        ((one.millis - begun) / HOUR_MS, one.value)
        for one in timeline.observations
        if one.output in outputs and begun < one.millis <= now
    )
    names = [covariate.name for covariate in model.covariates]
    risen = 1.0
    if "creatinine" in names:
        column = names.index("creatinine")
        before, after = (float(timeline.covariates_at(at)[column]) for at in (begun, now))
        risen = after / before
    infused = infused_hours(timeline.delivered[DRUG], begun)
    return _Known(begun, infused, (now - begun) / HOUR_MS, levels, risen)


WEEK_HOURS = 168.0
"""How long after the beginning of an infusion its rescue is spoken of."""


def _leucovorin(known: _Known) -> Spoken:
    rule = rules()["leucovorin"]
    newest = known.levels[-1][1] if known.levels else None
    early = any(value >= line for hour, line in rule["early"] for value in _near(known, hour))
    why = "delayed early elimination" if early else "acute renal injury"
    usual, often = f"{rule['amount']} mg every {rule['every']} h", f"{rule['amount']} mg every {rule['often']} h"
    if newest is not None and newest < rule["stop"]:
        said = f"none any more: the newest level is under {rule['stop']} {written(UNIT)}"
    elif early or known.risen >= rule["injury"]:
        high = f"{rule['high']} mg iv every {rule['often']} h until it is"
        below = newest is not None and newest < rule["lower"]
        said = f"{often}, until the level is" if below else f"{high} under {rule['lower']}, then {often}, until it is"
        said = f"{said} under {rule['stop']} {written(UNIT)} ({why})"
    elif any(value > line for hour, line in rule["late"] for value in _near(known, hour)):
        said = f"{usual} until the level is under {rule['stop']} {written(UNIT)} (delayed late elimination)"
    else:
        said = f"{usual} from {rule['begin']} h on, {rule['doses']} doses (no level says that elimination is delayed)"
    return Spoken(rule["id"], f"leucovorin {said}", rule["source"])


def _glucarpidase(known: _Known, components: Sequence[Component]) -> Iterable[Spoken]:
    rule = rules()["glucarpidase"]
    first, last = rule["window"]
    crossed = [hour for hour in _lines(known) if any(value > _line(hour) for value in _near(known, hour))]
    if crossed:
        above = f"above {_line(crossed[-1]):g} {written(UNIT)} at {crossed[-1]:.0f} h"
        if known.risen < rule["risen"]:
            said = f"not by the consensus: {above}, but creatinine is not {rule['risen']} times what it was"
        elif known.hours > last:
            said = f"may be indicated ({above}), though best within {first} to {last} h, which are over"
        else:
            left = number(last - known.hours, 2)
            said = f"may be indicated, {_units(rule, components[0])}: {above}; best by {last} h, {left} h from now"
        yield Spoken(rule["id"], f"glucarpidase {said}", rule["source"])
    elif known.hours < HOURS[-1] and components[0].trunk.kernel.model.drug == DRUG:
        p = crossing_probability(components)
        said = f"not by any level so far; the twin has a line that lies ahead crossed with probability {p:.0%}"
        yield Spoken(rule["id"], f"glucarpidase {said}", rule["source"])


def _units(rule: Mapping[str, Any], component: Component) -> str:
    model = component.trunk.kernel.model
    names = [covariate.name for covariate in model.covariates]
    if "WT" not in names:
        return f"{rule['units']} U/kg"
    weight = float(component.timeline.covariates_at(component.millis)[names.index("WT")])
    return f"{rule['units']} U/kg, {number(rule['units'] * weight, 3)} U at {number(weight, 3)} kg"


def _lines(known: _Known) -> tuple[float, ...]:
    """Hours of the lines that count after an infusion so long."""
    return HOURS if known.infused <= LINES["short_infusion"].value + 0.5 else HOURS[-1:]


def _line(hour: float) -> float:
    return LINES[f"line_{hour:.0f}h"].value


def _near(known: _Known, hour: float) -> list[float]:
    return [value for at, value in known.levels if abs(at - hour) <= NEAR_HOURS]
