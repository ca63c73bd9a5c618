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
from twin.wording import Said, amount, capital, say, share

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


def _words(view: ToxicityView, level: float, its: RuleSettings, snapshot: Snapshot, *, present: bool) -> Said:
    over = level < its.clear_below - threshold_margin(its.clear_below, its, snapshot.ess)
    return _over(view, level, snapshot.time_ms) if over else _text(view, snapshot.time_ms, present)


def _watched(view: ToxicityView) -> Watched:
    worst = f"{view.output}, {'lowest' if view.side == 'below' else 'highest'} ahead"
    q05, q95 = view.median_range or (None, None)
    return Watched(worst, view.unit, view.side, view.limit, q05=q05, median=view.median, q95=q95)


def _text(view: ToxicityView, now: int, present: bool) -> Said:
    worst, within = _worst(view), amount(f"{view.horizon_hours / 24:.3g}", "d")
    p = share(view.probability)
    if view.lasting_hours:
        so_far: str = ""
        if view.since_ms is not None:
            so_far = say("toxicity.so_far", ", so far for {time}", time=_days(now - view.since_ms))
        lasting = amount(f"{view.lasting_hours / 24:.3g}", "d")
        if view.side == "below":
            return say(
                "toxicity.lasting_below",
                "{what} with probability {p} within {time}: below {limit} for {lasting} in a row{so_far}; {worst}.",
                what=_sentence(view), p=p, time=within, limit=_amount(view, view.limit), lasting=lasting, so_far=so_far,
                worst=worst,
            )  # fmt: skip
        return say(
            "toxicity.lasting_above",
            "{what} with probability {p} within {time}: above {limit} for {lasting} in a row{so_far}; {worst}.",
            what=_sentence(view), p=p, time=within, limit=_amount(view, view.limit), lasting=lasting, so_far=so_far,
            worst=worst,
        )  # fmt: skip
    if present:
        return say(
            "toxicity.now",
            "In {what} now with probability {p}: {value} (median); {worst}.",
            what=_graded(view), p=share(view.p_now), value=_amount(view, view.now), worst=worst,
        )  # fmt: skip
    return say(
        "toxicity.ahead",
        "{what} with probability {p} within {time}; {worst}.",
        what=_sentence(view), p=p, time=within, worst=worst,
    )  # fmt: skip


def _over(view: ToxicityView, level: float, now: int) -> Said:
    """What came of it, once it is no longer to be expected."""
    measured: str = ""
    if view.measured is not None:
        value, when = view.measured
        seen, ago = _amount(view, value), _days(now - when)
        if view.side == "below":
            measured = say("toxicity.lowest", "; the lowest measured was {value}, {time} ago", value=seen, time=ago)
        else:
            measured = say("toxicity.highest", "; the highest measured was {value}, {time} ago", value=seen, time=ago)
    return say(
        "toxicity.over",
        "{what} is no longer expected (probability {p} within {time}): now {value} (median){measured}.",
        what=_sentence(view), p=share(level), time=amount(f"{view.horizon_hours / 24:.3g}", "d"),
        value=_amount(view, view.now), measured=measured,
    )  # fmt: skip


def _sentence(view: ToxicityView) -> Said:
    return capital(_graded(view))


def _graded(view: ToxicityView) -> str:
    if view.grade is None or view.lasting_hours:
        return named(view)
    grade = f"{view.grade}"
    if view.ctcae == "5.0":
        return say("toxicity.graded", "grade {grade} {name}", grade=grade, name=named(view))
    return say(
        "toxicity.graded_by",
        "grade {grade} {name} (CTCAE v{version})",
        grade=grade, name=named(view), version=view.ctcae or "",
    )  # fmt: skip


def _worst(view: ToxicityView) -> Said:
    value = _amount(view, view.median)
    when = say("toxicity.about_now", "about now")
    if view.day >= NEAR:
        when = say("toxicity.in", "in {time}", time=amount(f"{view.day:.2g}", "d"))
    if view.side == "below":
        return say("toxicity.nadir", "nadir {value} (median) {when}", value=value, when=when)
    return say("toxicity.peak", "peak {value} (median) {when}", value=value, when=when)


def _amount(view: ToxicityView, value: float) -> Said:
    return amount(f"{value:.2g}" if view.side == "below" else f"{value:.3g}", view.unit, view.output)


def _days(millis: int) -> Said:
    return amount(f"{millis / DAY_MS:.2g}", "d")
