"""The life of an alert: a pure state machine over what the rules find.

A rule finds, for each subject it watches (a drug, a device, a target), how far its condition holds: the *level* of a
`Finding`, a probability or a ratio. `advance` compares the level with the rule's two thresholds and moves each
condition along

    quiet ──level above raise_above──▶ pending ──for raise_after──▶ active ──level under clear_below──▶ clearing
      ▲                                                               ▲                                   │
      └───────────────────────── for clear_after ─────────────────────┴──── level back over clear_below ──┘

and returns the transitions to publish: start, update, end. Nothing here depends on what has been published:
`twin.alerts.ledger` numbers the transitions, and withdraws what a refolded history no longer supports.

What people do about an alert comes after this (`twin.alerts.care`): here nobody has seen it. So an alert of a rule that
latches is *latched* when its condition is gone.

An alert that stands is told again when it is another matter (more severe, at another stage, a probability that moved),
when something was measured since, and else every `RuleSettings.refresh_ms`, so that it never speaks of days ago. When
it ends it says what came of it: of a course that is over the outcome, whatever the next course is like.

A probability that comes from particles is only known to within its Monte-Carlo error, so it may cross a threshold by
chance alone. The two thresholds must lie further apart than that error; where few effective particles make it larger,
a crossing counts only when it exceeds the threshold by so many standard errors (`twin.alerts.chance`).

Terms and transitions follow IEC 60601-1-8 and IHE PCD ACM in spirit: one alert escalates, it is not raised twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from twin.alerts.chance import Z, standard_error, threshold_margin
from twin.alerts.evidence import evidence_of
from twin.alerts.finding import Finding
from twin.alerts.inhibition import Cause, Standing, cause_of
from twin.alerts.settings import RANK, RETIRED, RuleSettings, Severity
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS
from twin.events import (
    LIVE,
    Action,
    Alert,
    AlertCause,
    AlertEvidence,
    AlertHandling,
    AlertPhase,
    AlertState,
    Subject,
    event_id,
    from_millis,
)
from twin.record.origins import OriginsOf, unknown
from twin.wording import Said, Wording, say, wording_of

MATERIAL = 0.1
"""A probability that moved by this much since it was last published is worth an update."""


class Handled(msgspec.Struct, frozen=True, array_like=True):
    """What somebody did about an alert last: what, who, when and why, and by which action."""

    action: Action
    by: str
    time_ms: int
    reason: str
    event_id: str


class Transition(msgspec.Struct, frozen=True, array_like=True):
    """What is published of an alert at ``time_ms``; ``onset_ms`` is when its condition began to hold.

    Attributes:
        started_ms, ended_ms: when it was first published, and when its condition was gone.
        worsened: times (ms) at which its severity rose, or its level entered the next band; ``band`` is the highest.
        inhibited_by: the alert that stands as its cause.
        shelved_until_ms, handled: what people did about it.
        evidence: on what it rests, as it was judged last.
        said: what ``text`` was made from, where it can be told in another language.
    """

    alert_id: str
    rule: str
    subject: Subject
    state: AlertState
    phase: AlertPhase
    severity: Severity
    onset_ms: int
    time_ms: int
    text: str
    probability: float | None = None
    horizon_hours: float | None = None
    freshness_hours: float | None = None
    advice: str = ""
    started_ms: int = 0
    ended_ms: int | None = None
    worsened: tuple[int, ...] = ()
    band: int = 0
    inhibited_by: Cause | None = None
    shelved_until_ms: int | None = None
    handled: Handled | None = None
    evidence: AlertEvidence | None = None
    said: Wording | None = None

    @property
    def live(self) -> bool:
        """The alert stands after this transition."""
        return self.state in LIVE

    def again(self, phase: AlertPhase, millis: int) -> Transition:
        """The alert as it was last told, told again at ``millis``."""
        if self.freshness_hours is None:
            return msgspec.structs.replace(self, phase=phase, time_ms=millis)
        freshness = self.freshness_hours + (millis - self.time_ms) / HOUR_MS
        return msgspec.structs.replace(self, phase=phase, time_ms=millis, freshness_hours=freshness)


class Condition(msgspec.Struct, frozen=True, array_like=True):
    """One rule's condition for one subject: its phase, since when, and the last transition of its latest alert.

    ``stage`` is the one the alert was last told at; ``episode_ms``, ``outcome``, the ``ending`` it was made from, and
    ``about`` are those of the newest finding.
    """

    rule: str
    subject: Subject
    phase: Literal["quiet", "pending", "active", "clearing"]
    since_ms: int
    alert: Transition | None
    stage: str = ""
    episode_ms: int | None = None
    outcome: str = ""
    about: tuple[Subject, ...] | None = None
    ending: Wording | None = None


class AlertBook(msgspec.Struct, frozen=True, array_like=True):
    """Every condition of one patient that is not at rest, sorted by rule and subject: part of the twin's checkpoint."""

    conditions: tuple[Condition, ...] = ()

    @property
    def live(self) -> tuple[Transition, ...]:
        """The alerts that stand, each by its last transition."""
        return tuple(c.alert for c in self.conditions if c.alert is not None and c.alert.live)


def advance(
    book: AlertBook,
    findings: Iterable[Finding],
    snapshot: Snapshot,
    settings: Mapping[str, RuleSettings],
    model_hash: str,
    origins_of: OriginsOf = unknown,
) -> tuple[AlertBook, tuple[Transition, ...]]:
    """Move every condition to ``snapshot.time_ms``; the transitions, sorted by rule and subject.

    There is at most one for each alert; where one begins of which the last is latched, that one ends before. Snapshots
    are given in event-time order. A rule may leave out a subject it judged before: see `RuleSettings.when_absent`.
    ``origins_of`` says of which events of the record something is judged; it is asked of what is told.
    """
    found = _stirring(findings, book, settings)
    before = {(condition.rule, condition.subject): condition for condition in book.conditions}
    conditions: list[Condition] = []
    published: list[Transition] = []
    for rule, subject in sorted(found.keys() | before.keys()):
        condition = before.get((rule, subject)) or Condition(rule, subject, "quiet", snapshot.time_ms, None)
        finding, its = found.get((rule, subject)), settings.get(rule, RETIRED)
        if finding is not None and finding.settings is not None:
            its = finding.settings
        if finding is None and its.when_absent == "clear":
            finding = _nothing_left(condition, its)
        if finding is not None:
            last = condition.alert
            condition, transition = _step(condition, finding, its, snapshot, model_hash, origins_of)
            if condition.about != finding.about:
                condition = msgspec.structs.replace(condition, about=finding.about)
            if transition is not None:
                published += [*_superseded(last, transition), transition]
        if not _at_rest(condition, snapshot.time_ms):
            conditions.append(condition)
    return _inhibited(conditions, published, settings, snapshot.time_ms)


def _stirring(
    findings: Iterable[Finding], book: AlertBook, settings: Mapping[str, RuleSettings]
) -> dict[tuple[str, Subject], Finding]:
    """What the rules find that have a condition, or may come to one: of the others everything is quiet and stays so."""
    every = tuple(findings)
    rules = {condition.rule for condition in book.conditions}
    for finding in every:
        its = finding.settings or settings.get(finding.rule, RETIRED)
        if finding.level > its.raise_above:
            rules.add(finding.rule)
    return {(finding.rule, finding.subject): finding for finding in every if finding.rule in rules}


def _superseded(last: Transition | None, now: Transition) -> list[Transition]:
    """The end of an alert that was latched, where another of its condition begins."""
    if last is None or last.state != "latched" or last.alert_id == now.alert_id:
        return []
    ended = last.again("end", now.time_ms)
    text = say("alert.again", "It holds again, and another alert tells of that.")
    return [msgspec.structs.replace(ended, state="resolved", text=str(text), said=text.wording)]


def _inhibited(
    conditions: list[Condition], published: list[Transition], settings: Mapping[str, RuleSettings], now: int
) -> tuple[AlertBook, tuple[Transition, ...]]:
    """The book and the transitions, now that it is known which alerts stand as the cause of others."""
    standing = {n: _standing(c, c.alert) for n, c in enumerate(conditions) if c.alert and c.alert.state == "active"}
    for number, one in standing.items():
        condition, alert = conditions[number], conditions[number].alert
        assert alert is not None, "it stands"
        cause = cause_of(one, alert.inhibited_by, standing.values(), settings)
        if cause == alert.inhibited_by:
            continue
        changed = msgspec.structs.replace(alert, inhibited_by=cause)
        if alert in published:
            published[published.index(alert)] = changed
        else:
            changed = changed.again("inhibited" if cause else "update", now)
            published.append(changed)
        conditions[number] = msgspec.structs.replace(condition, alert=changed)
    return AlertBook(tuple(conditions)), tuple(published)


def _standing(condition: Condition, alert: Transition) -> Standing:
    about = (condition.subject,) if condition.about is None else condition.about
    return Standing(Cause(condition.rule, condition.subject, alert.alert_id), alert.severity, about)


def to_alert(
    transition: Transition, revision: int, *, patient_id: str, model: str, model_hash: str, rules_hash: str
) -> Alert:
    """The transition as it goes on the wire, with the revision that `twin.alerts.ledger.reconcile` gave it."""
    done, cause = transition.handled, transition.inhibited_by
    return Alert(
        event_id=event_id("alert", transition.alert_id, revision),
        patient_id=patient_id,
        time=from_millis(transition.time_ms),
        source="dosetwin",
        model=model,
        model_hash=model_hash,
        alert_id=transition.alert_id,
        rule=transition.rule,
        subject=transition.subject,
        state=transition.state,
        phase=transition.phase,
        severity=transition.severity,
        revision=revision,
        onset=from_millis(transition.onset_ms),
        probability=transition.probability,
        horizon_hours=transition.horizon_hours,
        freshness_hours=transition.freshness_hours,
        text=transition.text,
        advice=transition.advice or None,
        rules_hash=rules_hash,
        inhibited_by=None if cause is None else AlertCause(cause.rule, cause.alert_id),
        shelved_until=None if transition.shelved_until_ms is None else from_millis(transition.shelved_until_ms),
        handled=None if done is None else _handling(done),
        evidence=transition.evidence,
        said=transition.said,
    )


def _handling(done: Handled) -> AlertHandling:
    return AlertHandling(done.action, done.by, from_millis(done.time_ms), done.reason, done.event_id)


def _nothing_left(condition: Condition, settings: RuleSettings) -> Finding:
    """What is found of a subject that there is nothing left to judge of."""
    text: str = say("alert.left", "No longer under observation.")
    if condition.outcome:
        text = condition.outcome if condition.ending is None else Said(condition.outcome, condition.ending)
    return Finding(
        condition.rule, condition.subject, -math.inf, settings.severity, text, episode_ms=condition.episode_ms
    )


def _step(
    condition: Condition,
    finding: Finding,
    settings: RuleSettings,
    snapshot: Snapshot,
    model_hash: str,
    origins_of: OriginsOf,
) -> tuple[Condition, Transition | None]:
    told: Transition | None
    if finding.episode_ms != condition.episode_ms and condition.phase in ("active", "clearing"):
        finding = _nothing_left(condition, settings)
        moved, told = _clear(condition, finding, settings, snapshot)
    else:
        moved, told = _judged(condition, finding, settings, snapshot, model_hash)
    if told is None:
        return moved, None
    alert = msgspec.structs.replace(told, evidence=evidence_of(finding, settings, snapshot, origins_of))
    return msgspec.structs.replace(moved, alert=alert), alert


def _judged(
    condition: Condition, finding: Finding, settings: RuleSettings, snapshot: Snapshot, model_hash: str
) -> tuple[Condition, Transition | None]:
    if finding.episode_ms != condition.episode_ms:
        condition = _quiet(condition)
    raise_above, clear_below = settings.raise_above, settings.clear_below
    if finding.probabilistic:
        raise_above += threshold_margin(settings.raise_above, settings, snapshot.ess)
        clear_below -= threshold_margin(settings.clear_below, settings, snapshot.ess)
    if condition.phase in ("quiet", "pending"):
        holds = finding.level > raise_above
        moved = (
            _toward_raise(condition, finding, settings, snapshot, model_hash) if holds else (_quiet(condition), None)
        )
    elif finding.level < clear_below:
        return _toward_clear(condition, finding, settings, snapshot)
    else:
        moved = _stay(condition, finding, settings, snapshot)
    outcome = finding.outcome
    ends = {"outcome": str(outcome), "ending": wording_of(outcome)}
    return msgspec.structs.replace(moved[0], episode_ms=finding.episode_ms, **ends), moved[1]


def _toward_raise(
    condition: Condition, finding: Finding, settings: RuleSettings, snapshot: Snapshot, model_hash: str
) -> tuple[Condition, Transition | None]:
    now = snapshot.time_ms
    began = now if finding.began_ms is None else min(finding.began_ms, now)
    onset = condition.since_ms if condition.phase == "pending" else began
    if not finding.urgent and now - onset < settings.raise_after_ms:
        return msgspec.structs.replace(condition, phase="pending", since_ms=onset), None
    about, text = finding.subject, finding.text
    started = Transition(
        alert_id=event_id(snapshot.patient_id, finding.rule, about.kind, about.name, onset, model_hash),
        rule=finding.rule,
        subject=finding.subject,
        state="active",
        phase="start",
        severity=finding.severity,
        onset_ms=onset,
        time_ms=now,
        probability=finding.level if finding.probabilistic else None,
        horizon_hours=finding.horizon_hours,
        freshness_hours=snapshot.hours_since(finding.newest_ms),
        text=str(text),
        said=wording_of(text),
        advice=finding.advice,
        started_ms=now,
        band=_band(finding, settings, snapshot),
    )
    return Condition(finding.rule, finding.subject, "active", now, started, finding.stage), started


def _toward_clear(
    condition: Condition, finding: Finding, settings: RuleSettings, snapshot: Snapshot
) -> tuple[Condition, Transition | None]:
    since = condition.since_ms if condition.phase == "clearing" else snapshot.time_ms
    if snapshot.time_ms - since < settings.clear_after_ms:
        return msgspec.structs.replace(condition, phase="clearing", since_ms=since), None
    return _clear(condition, finding, settings, snapshot)


def _clear(
    condition: Condition, finding: Finding, settings: RuleSettings, snapshot: Snapshot
) -> tuple[Condition, Transition]:
    ended = _published(condition, finding, "latched" if settings.latching else "resolved", "end", snapshot)
    ended = msgspec.structs.replace(ended, ended_ms=snapshot.time_ms, inhibited_by=None)
    return Condition(condition.rule, condition.subject, "quiet", snapshot.time_ms, ended), ended


def _stay(
    condition: Condition, finding: Finding, settings: RuleSettings, snapshot: Snapshot
) -> tuple[Condition, Transition | None]:
    """Still active; told again when there is a reason (see the module docstring)."""
    active = msgspec.structs.replace(
        condition, phase="active", since_ms=snapshot.time_ms if condition.phase == "clearing" else condition.since_ms
    )
    alert = condition.alert
    assert alert is not None, "an active condition has an alert"
    band = _band(finding, settings, snapshot)
    worse = RANK[finding.severity] > RANK[alert.severity] or band > alert.band
    if not worse and not _is_news(condition, finding, settings, snapshot):
        return active, None
    updated = _published(condition, finding, "active", "escalate" if worse else "update", snapshot)
    if worse:
        times = (*alert.worsened, snapshot.time_ms)
        updated = msgspec.structs.replace(updated, worsened=times, band=max(band, alert.band))
    return msgspec.structs.replace(active, alert=updated, stage=finding.stage), updated


def _band(finding: Finding, settings: RuleSettings, snapshot: Snapshot) -> int:
    """How many of the rule's bands the level has entered for certain."""
    error = Z * standard_error(finding.level, snapshot.ess) if finding.probabilistic else 0.0
    return sum(finding.level - error > band for band in settings.bands)


def _is_news(condition: Condition, finding: Finding, settings: RuleSettings, snapshot: Snapshot) -> bool:
    alert = condition.alert
    assert alert is not None, "an active condition has an alert"
    if finding.probabilistic and alert.probability is not None:
        by_chance = 2 * Z * standard_error(finding.level, snapshot.ess)
        if abs(finding.level - alert.probability) >= max(MATERIAL, by_chance):
            return True
    measured = finding.newest_ms is not None and finding.newest_ms == snapshot.last_observation_ms
    return (
        finding.stage != condition.stage
        or (measured and finding.newest_ms is not None and finding.newest_ms > alert.time_ms)
        or (snapshot.time_ms - alert.time_ms >= settings.refresh_ms and finding.text != alert.text)
    )


def _published(
    condition: Condition, finding: Finding, state: AlertState, phase: AlertPhase, snapshot: Snapshot
) -> Transition:
    """The alert with what is found now; while it lives its severity only rises, so that it cannot chatter."""
    alert = condition.alert
    assert alert is not None, "only a raised alert is published again"
    text = finding.text
    return msgspec.structs.replace(
        alert,
        state=state,
        phase=phase,
        severity=max(alert.severity, finding.severity, key=RANK.__getitem__),
        time_ms=snapshot.time_ms,
        probability=finding.level if finding.probabilistic else None,
        horizon_hours=finding.horizon_hours,
        freshness_hours=snapshot.hours_since(finding.newest_ms),
        text=str(text),
        said=wording_of(text),
        advice=finding.advice,
    )


def _quiet(condition: Condition) -> Condition:
    return msgspec.structs.replace(condition, phase="quiet")


def _at_rest(condition: Condition, now: int) -> bool:
    """Quiet, nothing latched, and not cleared at this very moment: another event of the same millisecond may raise the
    same alert."""
    alert = condition.alert
    return condition.phase == "quiet" and (alert is None or (alert.time_ms < now and not alert.live))
