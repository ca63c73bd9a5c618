"""A plan over the courses that are left, for people as lines and for machines as plain values."""

from __future__ import annotations

from typing import Any

from twin.dosing.horizon.plan import ByThen, CourseAhead, Horizon
from twin.dosing.outlook import Odds
from twin.dosing.telling import aligned
from twin.events import from_millis
from twin.writing import number, unit


def horizon_lines(plan: Horizon) -> list[str]:
    """Each dose with its odds, and by what the later ones will be told."""
    names = list(plan.courses[-1].toxicities)
    rows = [("course", "dose", "of plan", "P(in window)", *(f"P({name})" for name in names))]
    for one in plan.courses:
        odds = [one.within, *(one.toxicities.get(name) for name in names)]
        rows.append((from_millis(one.begins).isoformat(timespec="minutes"), *_dose(one), *(_odds(p) for p in odds)))
    said = f"plan ahead of {plan.drug}: the first dose is firm, the others will be chosen when samples are known"
    lines = [said, *aligned(rows)]
    if plan.by_then is not None:
        by, when = plan.by_then, from_millis(plan.by_then.millis).isoformat(timespec="minutes")
        lines.append(
            f"later doses: {by.above:.0%} of the plan if {by.output} at {when} is above {number(by.value)} "
            f"{unit(by.unit)}, else {by.below:.0%}, on average"
        )
    if not plan.kept:
        lines.append("no doses keep every limit over these courses: those shown are the smallest that are allowed")
    elif plan.first == 0.0:
        lines.append("no allowed dose keeps every limit over these courses: the first one is left out")
    return lines


def horizon_values(plan: Horizon) -> dict[str, Any]:
    """The same for JSON: amounts in mg, probabilities with their standard errors."""
    by = plan.by_then
    return {
        "courses": [
            {
                "time": from_millis(one.begins).isoformat(),
                "planned_mg": one.planned,
                "of_plan": dict(zip(("q05", "median", "q95"), one.factor, strict=True)),
                "firm": number_of == 0,
                "in_window": None if one.within is None else one.within._asdict(),
                "toxicities": {name: p._asdict() for name, p in one.toxicities.items()},
            }
            for number_of, one in enumerate(plan.courses)
        ],
        "by_then": None if by is None else _by(by),
        "worth": plan.worth,
        "limits_kept": plan.kept,
    }


def _by(by: ByThen) -> dict[str, Any]:
    return {name: value for name, value in by._asdict().items() if name != "millis"} | {
        "time": from_millis(by.millis).isoformat()
    }


def _dose(one: CourseAhead) -> tuple[str, str]:
    low, middle, high = one.factor
    if low == high:
        return f"{number(one.planned * middle, 4)} mg", f"{middle:.0%}"
    amounts = (
        f"{number(one.planned * middle, 4)} mg ({number(one.planned * low, 4)} to {number(one.planned * high, 4)})"
    )
    return amounts, f"{middle:.0%} ({low:.0%} to {high:.0%})"


def _odds(found: Odds | None) -> str:
    return "" if found is None else f"{found.p:.1%} ± {found.se:.1%}"
