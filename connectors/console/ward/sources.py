"""When each source of a patient was heard last, and whether a whole feed has fallen silent.

What counts is when the broker took a word, by whatever clock its sender goes: a pump whose clock is wrong is heard all
the same. Only the newest words of each source are read when a console starts; a source that spoke before them is not
known until it speaks again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from connectors.console.pulse import WELL, Pulse, span
from connectors.kafka.topics import LABS, ORDERS, PUMP, VITALS

SOURCES: Mapping[str, str] = {PUMP: "pump", VITALS: "vitals", LABS: "labs", ORDERS: "orders"}
"""Topic of each source, and what the ward calls it."""

STEADY = (PUMP, VITALS)
"""Sources that speak all the time, so that their silence says something."""

TAIL = 2_000
"""Words a partition that are read of each source when a console starts."""

MOST_PATIENTS = 20_000
"""Of whom is noted when they were heard: whoever may write to a topic may write any name."""

TURN = 2.0
"""Seconds within which what was heard is told together, so that pages share one frame."""

KNOWN = 64
"""Pauses of a feed that are remembered; before there are half as many nothing is said of its silence."""

SHORTEST = 3.0
"""Seconds for which a feed may always be silent."""

TIMES = 3.0
"""A feed is silent when it has said nothing for so many times its longest pause but one (assumed)."""

LOUD, USED_TO = 60.0, 3600.0
"""Seconds after which a silence is said aloud, and after which it is no news any more."""


class HeardFrame(msgspec.Struct, frozen=True):
    """When (ms) the sources of each patient were heard last, of those heard after turn ``since``; ``now`` by the
    console's clock."""

    type: str
    since: int
    turn: int
    now: int
    heard: dict[str, dict[str, int]]


class SourceFigures(msgspec.Struct, frozen=True):
    """One source as a whole: words since the console began, patients, the newest word (ms), its usual longest pause
    and for how long it has been silent (s)."""

    source: str
    topic: str
    words: int
    patients: int
    newest: int | None
    pause: float | None
    silent: float | None


@dataclass(slots=True)
class _Feed:
    """What is known of one source as a whole."""

    words: int = 0
    newest: int | None = None
    at: float | None = None
    pauses: deque[float] = field(default_factory=lambda: deque(maxlen=KNOWN))

    def hear(self, arrived_ms: int, at: float | None) -> None:
        self.words += 1
        self.newest = max(arrived_ms, self.newest or 0)
        if at is not None:
            if self.at is not None:
                self.pauses.append(at - self.at)
            self.at = at

    def usual(self) -> float | None:
        """The longest pause but one, which a single hiccup does not change; None before enough was heard."""
        return sorted(self.pauses)[-2] if len(self.pauses) >= KNOWN // 2 else None


class Sources:
    """When each source of each patient was heard last. Not thread-safe: `LiveBoard` locks it.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, dict[str, int]] = {}
        self._turns: dict[str, int] = {}
        self._feeds = {topic: _Feed() for topic in SOURCES}

    def hear(self, topic: str, patient_id: str, arrived_ms: int, *, live: bool) -> None:
        """A word came about a patient; one that is not ``live`` was there before this console."""
        self._feeds[topic].hear(arrived_ms, self._clock() if live else None)
        if patient_id not in self._heard and len(self._heard) >= MOST_PATIENTS:
            return
        source, known = SOURCES[topic], self._heard.setdefault(patient_id, {})
        if arrived_ms > known.get(source, -1):
            known[source] = arrived_ms
            self._turns[patient_id] = self.turn()

    def turn(self) -> int:
        """The present turn, whose words are not all heard yet."""
        return int(self._clock() // TURN)

    def since(self, turn: int) -> HeardFrame:
        """What was heard after a turn (-1: all) until now.

        It reaches the turn before the present one, whose words are not all heard yet: who spoke in it is told again.
        Else nobody would be told of a patient whose sources speak in every turn.
        """
        until = self.turn() - 1
        heard = {name: dict(self._heard[name]) for name, at in self._turns.items() if turn < at}
        return HeardFrame("heard", turn, until, round(time.time() * 1000), heard)

    def feed(self) -> Pulse:
        """Whether a feed that used to speak all the time has fallen silent, and which."""
        now, silent = self._clock(), []
        for topic in STEADY:
            one = self._feeds[topic]
            usual = one.usual()
            if usual is None or one.at is None:
                continue
            since, allowed = now - one.at, max(SHORTEST, TIMES * usual)
            if since > allowed:
                silent.append((since, topic, usual, max(LOUD, 2 * allowed) <= since < USED_TO))
        if not silent:
            return WELL
        since, topic, usual, loud = max(silent)
        text = (
            f"No word of any source of {SOURCES[topic]} ({topic}) for {span(since)}; "
            f"before, one came at least every {max(usual, 0.1):.1f} s."
        )
        return Pulse(2 if loud else 1, text, since)

    def figures(self) -> tuple[SourceFigures, ...]:
        """Every source as a whole."""
        now = self._clock()
        return tuple(
            SourceFigures(
                name,
                topic,
                one.words,
                sum(name in heard for heard in self._heard.values()),
                one.newest,
                one.usual(),
                None if one.at is None else now - one.at,
            )
            for topic, name in SOURCES.items()
            for one in (self._feeds[topic],)
        )
