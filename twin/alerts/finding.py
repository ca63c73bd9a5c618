"""What a rule finds: how far its condition holds for one subject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twin.alerts.settings import RuleSettings, Severity
from twin.events import Subject, Watched

Words = str | Callable[[], str]
"""A text, or what makes it when somebody asks for it: of most findings nothing is ever told."""

Quantity = Watched | Callable[[], Watched | None] | None
"""A quantity with its numbers, or what works them out when somebody asks for them."""


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
        words: what is said of it (`text`).
        ending: what is said when the alert ends because its episode is over (`outcome`).
        advice: what to check or do.
        settings: by which it is judged, where they are others than the rule has for everybody.
        quantity: what is behind the level, with its quantiles and its limit, where there is one (`watched`).
        about: what it shares with the alerts that it may be the cause, or the consequence, of
            (`RuleSettings.inhibited_by`): its subject, unless said; nothing, if it is the cause of no other now.
    """

    rule: str
    subject: Subject
    level: float
    severity: Severity
    words: Words
    probabilistic: bool = False
    horizon_hours: float | None = None
    newest_ms: int | None = None
    urgent: bool = False
    began_ms: int | None = None
    stage: str = ""
    episode_ms: int | None = None
    ending: Words = ""
    advice: str = ""
    settings: RuleSettings | None = None
    quantity: Quantity = None
    about: tuple[Subject, ...] | None = None

    @property
    def text(self) -> str:
        """What is said of it."""
        return self.words if isinstance(self.words, str) else self.words()

    @property
    def outcome(self) -> str:
        """What is said when the alert ends because its episode is over."""
        return self.ending if isinstance(self.ending, str) else self.ending()

    @property
    def watched(self) -> Watched | None:
        """The quantity behind the level, where there is one."""
        return self.quantity() if callable(self.quantity) else self.quantity
