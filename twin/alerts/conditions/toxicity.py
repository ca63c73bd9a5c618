"""What the rules of toxicities find: one that falls or rises, at all or for long, judged and worded alike.

The level is the probability that the output is beyond its limit now, or comes to be within the horizon; of a toxicity
that lasts, that it does for so long. Harm that lies days ahead begins later than harm that is there: the alert is
graver once the output is beyond the limit, more likely than not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twin.alerts.chance import threshold_margin
from twin.alerts.finding import Finding
from twin.alerts.settings import RuleSettings, severity_of
from twin.alerts.snapshot import Snapshot, ToxicityView
from twin.clock import DAY_MS
from twin.events import Subject, Watched
from twin.writing import unit as written

NEAR = 0.25
"""Days: a worst value nearer than this is now, for a count hardly moves in six hours (assumed)."""

JudgedBy = Callable[[ToxicityView, float], tuple[RuleSettings, bool]]
"""The settings by which a toxicity is judged at a level, and whether it is to be raised at once."""


def watched(
    snapshot: Snapshot,
    rule: str,
    settings: RuleSettings,
    chosen: Callable[[ToxicityView], bool],
    advice: str,
    judged_by: JudgedBy | None = None,
) -> tuple[Finding, ...]:
    """One finding for every toxicity of the snapshot that this rule watches; ``judged_by`` where the rule's settings
    are not for all of them alike."""
    views = [view for view in snapshot.toxicities if chosen(view)]
    if not views:
        return ()
    outputs = [view.output for view in views]
    found = []
    assert settings.harm is not None, "the settings of a rule say its harm"
    for view in views:
        present = view.p_now > settings.number("present")
        level = view.probability if view.lasting_hours else max(view.probability, view.p_now)
        alone = outputs.count(view.output) == 1
        its, urgent = (settings, False) if judged_by is None else judged_by(view, level)
        found.append(
            Finding(
                rule=rule,
                subject=Subject("output", view.output) if alone else Subject("toxicity", view.name),
                level=level,
                severity=severity_of(settings.harm, "prompt") if present else settings.severity,
                words=partial(_words, view, level, its, snapshot, present=present),
                probabilistic=True,
                horizon_hours=view.horizon_hours,
                newest_ms=snapshot.last_observation_ms,
                urgent=urgent,
                stage="now" if present else "ahead",
                advice=advice,
                settings=its,
                quantity=partial(_watched, view),
            )
        )
    return tuple(found)


def named(view: ToxicityView) -> str:
    """A toxicity as people call it.

    >>> named(ToxicityView("leukopenia_g4", "leukocytes", "below", 1.0, "10*9/L", 0.1, 2.0, 8.0, 504.0, 0.0, 4.0))
    'leukopenia'
    """
    words = view.name.split("_")
    if words[-1][:1] == "g" and words[-1][1:].isdigit():
        words.pop()
    return " ".join(["prolonged", *words[:-1]] if words[-1] == "prolonged" else words)


def _words(view: ToxicityView, level: float, its: RuleSettings, snapshot: Snapshot, *, present: bool) -> str:
    over = level < its.clear_below - threshold_margin(its.clear_below, its, snapshot.ess)
    return _over(view, level, snapshot.time_ms) if over else _text(view, snapshot.time_ms, present)


def _watched(view: ToxicityView) -> Watched:
    worst = f"{view.output}, {'lowest' if view.side == 'below' else 'highest'} ahead"
    q05, q95 = view.median_range or (None, None)
    return Watched(worst, view.unit, view.side, view.limit, q05=q05, median=view.median, q95=q95)


def _text(view: ToxicityView, now: int, present: bool) -> str:
    worst = f"{_extreme(view)} {_amount(view, view.median)} (median) {_when(view.day)}"
    within = f"within {view.horizon_hours / 24:.3g} d"
    if view.lasting_hours:
        so_far = "" if view.since_ms is None else f", so far for {(now - view.since_ms) / DAY_MS:.2g} d"
        beyond = f"{view.side} {_amount(view, view.limit)} for {view.lasting_hours / 24:.3g} d in a row{so_far}"
        return f"{_sentence(view)} with probability {view.probability:.0%} {within}: {beyond}; {worst}."
    if present:
        at = f"{_amount(view, view.now)} (median)"
        return f"In {_graded(view)} now with probability {view.p_now:.0%}: {at}; {worst}."
    return f"{_sentence(view)} with probability {view.probability:.0%} {within}; {worst}."


def _over(view: ToxicityView, level: float, now: int) -> str:
    """What came of it, once it is no longer to be expected."""
    measured = ""
    if view.measured is not None:
        value, when = view.measured
        worst = "lowest" if view.side == "below" else "highest"
        measured = f"; the {worst} measured was {_amount(view, value)}, {(now - when) / DAY_MS:.2g} d ago"
    left = f"probability {level:.0%} within {view.horizon_hours / 24:.3g} d"
    at = f"{_amount(view, view.now)} (median)"
    return f"{_sentence(view)} is no longer expected ({left}): now {at}{measured}."


def _sentence(view: ToxicityView) -> str:
    graded = _graded(view)
    return f"{graded[0].upper()}{graded[1:]}"


def _graded(view: ToxicityView) -> str:
    if view.grade is None or view.lasting_hours:
        return named(view)
    version = "" if view.ctcae == "5.0" else f" (CTCAE v{view.ctcae})"
    return f"grade {view.grade} {named(view)}{version}"


def _extreme(view: ToxicityView) -> str:
    return "nadir" if view.side == "below" else "peak"


def _amount(view: ToxicityView, value: float) -> str:
    return f"{value:.2g} {written(view.unit)}" if view.side == "below" else f"{value:.3g} {written(view.unit)}"


def _when(day: float) -> str:
    return f"in {day:.2g} d" if day >= NEAR else "about now"
