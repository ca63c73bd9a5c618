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
from twin.wording import Said, amount, bare, say, share
from twin.writing import number

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
    stop = amount(str(rule["stop"]), UNIT)
    if newest is not None and newest < rule["stop"]:
        said = say("leucovorin.none", "leucovorin none any more: the newest level is under {stop}", stop=stop)
    elif early or known.risen >= rule["injury"]:
        said = _more_leucovorin(rule, early, newest is not None and newest < rule["lower"])
    elif any(value > line for hour, line in rule["late"] for value in _near(known, hour)):
        said = say(
            "leucovorin.late",
            "leucovorin {usual} until the level is under {stop} (delayed late elimination)",
            usual=_every(rule, "every"),
            stop=stop,
        )
    else:
        said = say(
            "leucovorin.usual",
            "leucovorin {usual} from {begin} h on, {doses} doses (no level says that elimination is delayed)",
            usual=_every(rule, "every"),
            begin=rule["begin"],
            doses=rule["doses"],
        )
    return Spoken(rule["id"], said, rule["source"])


def _more_leucovorin(rule: Mapping[str, Any], early: bool, low: bool) -> Said:
    """For delayed early elimination or renal injury; ``low``: the newest level is under the lower line already."""
    why = say("leucovorin.early", "delayed early elimination")
    if not early:
        why = say("leucovorin.injury", "acute renal injury")
    often, stop = _every(rule, "often"), amount(str(rule["stop"]), UNIT)
    if low:
        return say(
            "leucovorin.often",
            "leucovorin {often}, until the level is under {stop} ({why})",
            often=often,
            stop=stop,
            why=why,
        )
    return say(
        "leucovorin.high",
        "leucovorin {high} iv every {hours} h until it is under {lower}, "
        "then {often}, until it is under {stop} ({why})",
        high=amount(str(rule["high"]), "mg"),
        hours=rule["often"],
        lower=bare(str(rule["lower"]), UNIT),
        often=often,
        stop=stop,
        why=why,
    )


def _every(rule: Mapping[str, Any], hours: str) -> Said:
    dose = amount(str(rule["amount"]), "mg")
    return say("leucovorin.every", "{dose} every {hours} h", dose=dose, hours=rule[hours])


def _glucarpidase(known: _Known, components: Sequence[Component]) -> Iterable[Spoken]:
    rule = rules()["glucarpidase"]
    crossed = [hour for hour in _lines(known) if any(value > _line(hour) for value in _near(known, hour))]
    if crossed:
        yield Spoken(rule["id"], _indicated(rule, known, crossed[-1], components[0]), rule["source"])
    elif known.hours < HOURS[-1] and components[0].trunk.kernel.model.drug == DRUG:
        said = say(
            "glucarpidase.odds",
            "glucarpidase not by any level so far; the twin has a line that lies ahead crossed with probability {p}",
            p=share(crossing_probability(components)),
        )
        yield Spoken(rule["id"], said, rule["source"])


def _indicated(rule: Mapping[str, Any], known: _Known, hour: float, component: Component) -> Said:
    """What the consensus says where the line of an ``hour`` was crossed."""
    first, last = rule["window"]
    line = amount(str(_line(hour)), UNIT)
    above = say("glucarpidase.above", "above {line} at {hour} h", line=line, hour=round(hour))
    if known.risen < rule["risen"]:
        return say(
            "glucarpidase.risen",
            "glucarpidase not by the consensus: {above}, but creatinine is not {risen} times what it was",
            above=above,
            risen=rule["risen"],
        )
    if known.hours > last:
        return say(
            "glucarpidase.over",
            "glucarpidase may be indicated ({above}), though best within {first} to {last} h, which are over",
            above=above,
            first=first,
            last=last,
        )
    return say(
        "glucarpidase.indicated",
        "glucarpidase may be indicated, {units}: {above}; best by {last} h, {left} h from now",
        units=_units(rule, component),
        above=above,
        last=last,
        left=float(number(last - known.hours, 2)),
    )


def _units(rule: Mapping[str, Any], component: Component) -> Said:
    model = component.trunk.kernel.model
    names = [covariate.name for covariate in model.covariates]
    if "WT" not in names:
        return say("glucarpidase.units", "{units} U/kg", units=rule["units"])
    weight = float(component.timeline.covariates_at(component.millis)[names.index("WT")])
    return say(
        "glucarpidase.units_at",
        "{units} U/kg, {total} U at {weight} kg",
        units=rule["units"],
        total=float(number(rule["units"] * weight, 3)),
        weight=float(number(weight, 3)),
    )


def _lines(known: _Known) -> tuple[float, ...]:
    """Hours of the lines that count after an infusion so long."""
    return HOURS if known.infused <= LINES["short_infusion"].value + 0.5 else HOURS[-1:]


def _line(hour: float) -> float:
    return LINES[f"line_{hour:.0f}h"].value


def _near(known: _Known, hour: float) -> list[float]:
    return [value for at, value in known.levels if abs(at - hour) <= NEAR_HOURS]
