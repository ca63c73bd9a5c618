"""What a rule finds: how far its condition holds for one subject."""

from __future__ import annotations

from dataclasses import dataclass

from twin.alerts.settings import RuleSettings, Severity
from twin.events import Subject, Watched


@dataclass(frozen=True, slots=True)
class Finding:
    """How far one rule's condition holds for one subject, at one moment.

    Attributes:
        level: what is compared with the rule's thresholds; a probability when ``probabilistic``.
        newest_ms: time of the newest measurement or report behind it; its age is the alert's freshness.
        urgent: raise at once, without waiting for ``raise_after_ms``.
        began_ms: since when the condition holds, where the rule knows it better than the moment of looking.
        stage: a standing alert that comes to another stage is told again at once (running, ended; ahead, now).
        episode_ms: which course or interval it is about, by its beginning. An alert is about one of them.
        outcome: what is said when the alert ends because its episode is over.
        advice: what to check or do.
        settings: by which it is judged, where they are others than the rule has for everybody.
        watched: the quantity behind the level, with its quantiles and its limit, where there is one.
        about: what it shares with the alerts that it may be the cause, or the consequence, of
            (`RuleSettings.inhibited_by`): its subject, unless said; nothing, if it is the cause of no other now.
    """

    rule: str
    subject: Subject
    level: float
    severity: Severity
    text: str
    probabilistic: bool = False
    horizon_hours: float | None = None
    newest_ms: int | None = None
    urgent: bool = False
    began_ms: int | None = None
    stage: str = ""
    episode_ms: int | None = None
    outcome: str = ""
    advice: str = ""
    settings: RuleSettings | None = None
    watched: Watched | None = None
    about: tuple[Subject, ...] | None = None
