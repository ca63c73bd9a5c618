"""Advice, branches and samples for people: as lines of a table, as plain values for machines, and as a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from twin.clock import DAY_MS, HOUR_MS
from twin.dosing.advice import Advice, Alternative
from twin.dosing.outlook import Odds
from twin.dosing.sampling import NextSample, SampleTime
from twin.dosing.whatif import Foreseen
from twin.events import from_millis
from twin.writing import number, unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESEARCH = "For research: a person decides, and nothing of this is sent to a device."


def advice_lines(advice: Advice) -> list[str]:
    """What is advised, why, and the odds of every alternative, each probability with its Monte-Carlo error."""
    decided, advised = advice.decision, advice.advised
    lines = [
        f"{advice.patient_id}, {from_millis(advice.millis).isoformat()}: {decided.drug}, {decided.what} "
        f"({advice.model}, protocol {advice.protocol.id} {advice.protocol.hash}, ess {advice.ess:.0f})",
        f"advised: {_dose(advised)}",
        str(advice.reason),
        *([f"note: {decided.note}"] if decided.note else []),
        "",
    ]
    rows = [_row(one) for one in advice.alternatives]
    return [*lines, *aligned([("dose", "of plan", "mg", "allowed", *_heads(advice)), *rows]), "", RESEARCH]


def branch_lines(branches: Sequence[Foreseen]) -> list[str]:
    """Branches side by side: each output's median at the end, and each toxicity."""
    first = branches[0]
    days = (first.times[-1] - first.times[0]) / DAY_MS
    heads = ["branch", *(f"{band.name} in {days:.3g} d" for band in first.outputs)]
    heads += [f"{name} {one.toxicity.name}" for one in first.toxicities for name in ("worst,", "P")] + ["ess"]
    rows = [
        [
            one.words,
            *(number(band.median[-1]) for band in one.outputs),
            *(text for tox in one.toxicities for text in (number(tox.worst.median), _odds(tox.odds))),
            f"{one.ess:.0f}",
        ]
        for one in branches
    ]
    return aligned([heads, *rows])


def sample_lines(found: NextSample | None) -> list[str]:
    """When the next sample tells most, beside those of the protocol."""
    if found is None:
        return ["next sample: none that could tell more of what the dose is chosen for"]
    lines = [f"next sample: {_sample(found.best)} of {found.of}"]
    return [*lines, *(f"  the protocol's: {_sample(one)}" for one in found.by_protocol)]


def advice_values(advice: Advice) -> dict[str, Any]:
    """Advice as plain values, for JSON: amounts in mg, rates in mg/h, probabilities with their standard errors."""
    return {
        "patient_id": advice.patient_id,
        "time": from_millis(advice.millis).isoformat(),
        "model": advice.model,
        "protocol": advice.protocol.id,
        "protocol_hash": advice.protocol.hash,
        "drug": advice.decision.drug,
        "decision": advice.decision.what,
        "reason": str(advice.reason),
        "note": advice.decision.note,
        "ess": advice.ess,
        "alternatives": [_values(one) for one in advice.alternatives],
    }


def advice_figure(advice: Advice) -> Figure:
    """The odds of every alternative: bars from 0 to 1, each with two Monte-Carlo errors."""
    from matplotlib.figure import Figure

    from twin.figure.style import BLUE, ORANGE, SOFT, house_style

    named = {one.target.name: BLUE for one in advice.planned.exposures}
    named |= {one.toxicity.name: ORANGE for one in advice.planned.toxicities}
    with house_style():
        figure = Figure(figsize=(6.4, 1.2 + 1.7 * max(len(named), 1)), layout="constrained")
        axes = figure.subplots(max(len(named), 1), 1, sharex=True, squeeze=False)[:, 0]
        places = range(len(advice.alternatives))
        for axis, (name, colour) in zip(axes, named.items(), strict=False):
            found = [_found(one, name) for one in advice.alternatives]
            axis.bar(places, [one.p for one in found], yerr=[2 * one.se for one in found], color=colour, width=0.6)
            inside = name in {one.target.name for one in advice.planned.exposures}
            axis.set_title(f"P({name}{' in its window' if inside else ''})")
            axis.set_ylim(0.0, 1.0)
            if name in advice.protocol.limits:
                axis.axhline(advice.protocol.limits[name], color=SOFT, linestyle="--", linewidth=1.0)
        axes[-1].set_xticks(list(places), [f"{one.name}\n{number(one.amount)} mg" for one in advice.alternatives])
        figure.suptitle(f"{advice.patient_id}: {advice.decision.drug}, {advice.decision.what}")
    return figure


def _found(one: Alternative, name: str) -> Odds:
    """The odds of what is called so; none of a course that is not given."""
    within = [exposed.within for exposed in one.exposures if exposed.target.name == name]
    reached = [toxicity.reached for toxicity in one.toxicities if toxicity.toxicity.name == name]
    return next(iter([*within, *reached]), Odds(0.0, 0.0))


def _heads(advice: Advice) -> list[str]:
    planned = advice.planned
    found = [f"{one.target.name}, {unit(one.target.unit)}" for one in planned.exposures]
    found = [text for head in found for text in (head, "P(in window)")]
    return [*found, *(f"P({one.toxicity.name})" for one in planned.toxicities)]


def _row(one: Alternative) -> list[str]:
    told = [text for exposed in one.exposures for text in (number(exposed.median), _odds(exposed.within))]
    risks = [_odds(toxicity.reached) + ("" if toxicity.kept else " !") for toxicity in one.toxicities]
    later = f", {one.delay / DAY_MS:g} d later" if one.delay else ""
    return [one.name, f"{one.factor:.0%}{later}", number(one.amount, 4), "yes" if one.allowed else "no", *told, *risks]


def _dose(one: Alternative) -> str:
    if not one.amount:
        return "none"
    later = f", {one.delay / DAY_MS:g} d later than planned" if one.delay else ""
    rates = {number(up.rate) for up in one.doses if up.running and up.rate is not None}
    at = f", from now at {' and '.join(sorted(rates))} mg/h" if rates else ""
    doses = f" in {len(one.doses)} doses" if len(one.doses) > 1 else ""
    return f"{number(one.amount, 4)} mg{doses} ({one.factor:.0%} of the plan{later}){at}"


def _odds(found: Odds) -> str:
    return f"{found.p:.1%} ± {found.se:.1%}"


def _sample(one: SampleTime) -> str:
    when = from_millis(one.millis).isoformat(timespec="minutes")
    told = f"{one.gain:.2f} ± {one.gain_se:.2f} bit, leaves {one.kept:.0%} of the standard deviation"
    return f"{one.output} at {when}, {told}"


def _values(one: Alternative) -> dict[str, Any]:
    return {
        "name": one.name,
        "of_plan": one.factor,
        "amount_mg": one.amount,
        "delay_h": one.delay / HOUR_MS,
        "allowed": one.allowed,
        "doses": [
            {
                "time": from_millis(up.step.start_ms).isoformat(),
                "amount_mg": up.step.amount,
                "rate_mg_h": up.rate,
                "running": up.running,
            }
            for up in one.doses
        ],
        "exposures": {
            e.target.name: {
                "unit": e.target.unit, "median": e.median, "in_window": e.within.p, "in_window_se": e.within.se,
                "below": e.below.p, "above": e.above.p,
            }
            for e in one.exposures
        },
        "toxicities": {
            t.toxicity.name: {"p": t.reached.p, "se": t.reached.se, "limit": t.limit, "worst": t.median}
            for t in one.toxicities
        },
    }  # fmt: skip


def aligned(rows: Iterable[Sequence[str]]) -> list[str]:
    """Rows as lines, their columns under one another; a row may end early."""
    known = [list(row) for row in rows]
    widths = [max(len(row[i]) for row in known if i < len(row)) for i in range(max(map(len, known)))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in known]
