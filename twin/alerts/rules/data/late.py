"""A result that came so late that it was not there when it was needed: nobody could decide by it.

The level is the time between drawing and report over the time allowed. Less is allowed where something was given or
planned in between, an hour or more after the drawing: a trough, or a count of the same morning, is drawn just before
what is given anyway. The onset is the report, in event time, whenever the twin was told; the next result of the same
kind that came in time clears it. A result whose source does not say when it was reported is taken to be in time.
"""

from __future__ import annotations

from functools import partial

from twin.alerts.finding import Finding
from twin.alerts.settings import SettingsFor, Threshold, severity_of, stated
from twin.alerts.snapshot import ReportView, Snapshot
from twin.clock import HOUR_MS
from twin.events import Subject, Watched
from twin.wording import Said, amount, say
from twin.writing import number

RULE = "data.late"
TITLE = "Result came late"

SETTINGS = stated(
    "minor",
    "delayed",
    {
        "raise_above": Threshold(1.0, "1", assumed="it took as long as is allowed"),
        "clear_below": Threshold(0.99, "1", assumed="times are exact, so the gap is nominal"),
        "late": Threshold(72, "h", assumed="a level that is sent to another laboratory is back in three working days"),
        "late_for_decision": Threshold(6, "h", assumed="a house's own laboratory reports within hours, day and night"),
        "own": Threshold(1, "h", assumed="what follows the drawing at once was decided before it"),
    },
    when_absent="hold",
    latching=True,
)
"""A number that nobody waited for harms little; one that something was decided without may have been the reason to
decide otherwise, and that stays so, so it latches until it is seen."""

SETTLED = severity_of("reversible", "prompt")
"""Where something was given or planned without it."""


def find(snapshot: Snapshot, settings_for: SettingsFor) -> tuple[Finding, ...]:
    """One finding for every output or covariate that was ever reported: of the result that was reported last."""
    its, found = settings_for(""), []
    for view in snapshot.reports:
        without = _decided_without(view, round(its.number("own") * HOUR_MS))
        allowed = its.number("late_for_decision" if without else "late")
        hours = view.delay_ms / HOUR_MS
        level = hours / allowed
        found.append(
            Finding(
                rule=RULE,
                subject=Subject("output", view.output),
                level=level,
                severity=SETTLED if without else its.severity,
                words=partial(_text, view, hours, without),
                newest_ms=view.drawn_ms,
                began_ms=view.reported_ms if level >= its.raise_above else None,
                episode_ms=view.drawn_ms if level >= its.raise_above else None,
                ending=say("late.another", "Another result has been reported since."),
                advice=_advice(without),
                settings=its,
                quantity=partial(Watched, "delay", "h", "above", allowed, hours),
            )
        )
    return tuple(found)


def _decided_without(view: ReportView, own: int) -> tuple[tuple[int, str, str], ...]:
    """What was decided before the report, but not at once after the drawing."""
    return tuple(one for one in view.decided if one[0] > view.drawn_ms + own)


def _text(view: ReportView, hours: float, without: tuple[tuple[int, str, str], ...]) -> Said:
    value, delay = amount(number(view.value), view.unit, view.output), amount(number(hours), "h")
    if not without:
        return say(
            "late.reported", "{output}: {value} was reported {time} after it was drawn.",
            output=view.output, value=value, time=delay,
        )  # fmt: skip
    when, what, drug = without[0]
    more: str = say("late.more", ", and {n} more", n=len(without) - 1) if len(without) > 1 else ""
    after = amount(number((when - view.drawn_ms) / HOUR_MS), "h")
    if what == "planned":
        return say(
            "late.planned",
            "{output}: {value} was reported {time} after it was drawn; without it {drug} was planned {after} after the "
            "drawing{more}.",
            output=view.output, value=value, time=delay, drug=drug, after=after, more=more,
        )  # fmt: skip
    return say(
        "late.given",
        "{output}: {value} was reported {time} after it was drawn; without it {drug} was given {after} after the "
        "drawing{more}.",
        output=view.output, value=value, time=delay, drug=drug, after=after, more=more,
    )  # fmt: skip


def _advice(without: tuple[tuple[int, str, str], ...]) -> str:
    if not without:
        return "Ask the laboratory what held it up, and whether the time of drawing is right."
    drugs = ", ".join(dict.fromkeys(drug for _, _, drug in without))
    return (
        f"Look whether what was decided of {drugs} still holds with this result; change what is still to come, and ask "
        "what held the result up."
    )
