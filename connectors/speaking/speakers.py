"""How a lane of events is said in each protocol: what it can carry as its messages, the rest as our own JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from connectors.feeds.stream import Spoken, TimedEvent
from connectors.speaking.counts import Counts
from twin.events import InputEvent, from_millis

Plainly = Callable[[Sequence[InputEvent]], object]
"""Says events as our own JSON on the topics; returns when Kafka has them, or when it is to stop."""


class Speaker(Protocol):
    """Says the events of one lane, in their order; each is safe before the next is said."""

    def say(self, told: Sequence[TimedEvent]) -> None:
        """Say these; returns when they are safe, refused for good, or when it is to stop."""

    def close(self) -> None:
        """Let go of connections."""


Opens = Callable[[Plainly, Callable[[], bool], Counts], Speaker]
"""Opens a lane's speaker: how to say plainly what the protocol cannot, whether to stop, where to count."""


def speaker_of(spoken: Spoken) -> Opens:
    """How lanes of this are opened.

    Raises:
        OSError: the tokens cannot be read.
    """
    if spoken.protocol == "hl7":
        return lambda plainly, stopped, counts: Hl7Speaker(spoken, plainly, stopped, counts)
    return lambda _, stopped, counts: HttpSpeaker(spoken, stopped, counts)


class Hl7Speaker:
    """Says results, readings and deliveries in HL7 v2 over MLLP."""

    def __init__(self, spoken: Spoken, plainly: Plainly, stopped: Callable[[], bool], counts: Counts) -> None:
        from connectors.speaking.hl7 import Hl7Writer
        from connectors.speaking.mllp import MllpSender
        from connectors.speaking.words import Words

        self._write, self._plainly = Hl7Writer(Words(spoken.measured)), plainly
        self._sender = MllpSender(spoken.to, stopped, counts)

    def say(self, told: Sequence[TimedEvent]) -> None:
        plain: list[InputEvent] = []
        for millis, event in told:
            message = self._write(event, from_millis(millis))
            if message is None:
                plain.append(event)
                continue
            if plain:
                self._plainly(plain)
                plain = []
            self._sender.send(*message)
        if plain:
            self._plainly(plain)

    def close(self) -> None:
        self._sender.close()


class HttpSpeaker:
    """Says every event over HTTP as it is, each source by its token."""

    def __init__(self, spoken: Spoken, stopped: Callable[[], bool], counts: Counts) -> None:
        from connectors.speaking.http import HttpSender
        from connectors.speaking.source import tokens_of

        self._sender = HttpSender(spoken.to, tokens_of(spoken.folder, spoken.sources), stopped, counts)

    def say(self, told: Sequence[TimedEvent]) -> None:
        self._sender.events([event for _, event in told])

    def close(self) -> None:
        self._sender.close()
