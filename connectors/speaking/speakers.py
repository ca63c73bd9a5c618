"""How a lane of events is said in each protocol: what it can carry as its messages, the rest as our own JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar
from urllib.parse import urlsplit

from connectors.feeds.stream import Spoken, TimedEvent
from connectors.speaking.counts import Counts
from twin.events import InputEvent, from_millis

if TYPE_CHECKING:
    from connectors.speaking.fhir import Resource

Plainly = Callable[[Sequence[InputEvent]], object]
"""Says events as our own JSON on the topics; returns when Kafka has them, or when it is to stop."""


class Speaker(Protocol):
    """Says the events of one lane, in their order; each is safe before the next is said."""

    def say(self, told: Sequence[TimedEvent]) -> None:
        """Say these; returns when they are safe, refused for good, or when it is to stop."""

    def close(self) -> None:
        """Let go of connections."""


FHIR_JSON = "application/fhir+json"

Opens = Callable[[Plainly, Callable[[], bool], Counts], Speaker]
"""Opens a lane's speaker: how to say plainly what the protocol cannot, whether to stop, where to count."""


def speaker_of(spoken: Spoken) -> Opens:
    """How lanes of this are opened.

    Raises:
        OSError: the tokens cannot be read.
    """
    if spoken.protocol == "hl7":
        return lambda plainly, stopped, counts: Hl7Speaker(spoken, plainly, stopped, counts)
    if spoken.protocol == "mqtt":
        return lambda plainly, stopped, counts: MqttSpeaker(spoken, plainly, stopped, counts)
    if spoken.protocol == "fhir":
        return lambda plainly, stopped, counts: FhirSpeaker(spoken, plainly, stopped, counts)
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
        _say(told, self._write, lambda message: self._sender.send(*message), self._plainly)

    def close(self) -> None:
        self._sender.close()


class FhirSpeaker:
    """Says results, readings and doses as resources of FHIR R4: to our own way in over HTTP, or to a FHIR server.

    Where the URL has a path it is that of a server, on which resources are put by their ids.
    """

    def __init__(self, spoken: Spoken, plainly: Plainly, stopped: Callable[[], bool], counts: Counts) -> None:
        from connectors.speaking.fhir import FhirWriter
        from connectors.speaking.http import HttpSender
        from connectors.speaking.source import source_name, tokens_of
        from connectors.speaking.words import Words

        self._write, self._plainly = FhirWriter(Words(spoken.measured)), plainly
        self._source = source_name(spoken)
        self._sender = HttpSender(spoken.to, tokens_of(spoken.folder, [self._source]), stopped, counts)
        self._put = bool(urlsplit(spoken.to).path.strip("/"))

    def say(self, told: Sequence[TimedEvent]) -> None:
        _say(told, self._write, self._send, self._plainly)

    def close(self) -> None:
        self._sender.close()

    def _send(self, resource: Resource) -> None:
        if self._put:
            self._sender.put(f"/{resource.kind}/{resource.id}", resource.kind, resource.text, FHIR_JSON)
        else:
            self._sender.message(self._source, resource.kind, resource.text, FHIR_JSON)


class MqttSpeaker:
    """Publishes over MQTT 5 what devices and laboratories say."""

    def __init__(self, spoken: Spoken, plainly: Plainly, stopped: Callable[[], bool], counts: Counts) -> None:
        from connectors.speaking.mqtt import MqttSender, publication

        self._write, self._plainly = publication, plainly
        self._sender = MqttSender(spoken.to, stopped, counts)

    def say(self, told: Sequence[TimedEvent]) -> None:
        _say(told, self._write, self._sender.send, self._plainly)

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


Written = TypeVar("Written")


def _say(
    told: Sequence[TimedEvent],
    write: Callable[[InputEvent, datetime], Written | None],
    send: Callable[[Written], object],
    plainly: Plainly,
) -> None:
    """Events as messages where there is one, the rest plainly, in the order in which they were told."""
    plain: list[InputEvent] = []
    for millis, event in told:
        message = write(event, from_millis(millis))
        if message is None:
            plain.append(event)
            continue
        if plain:
            plainly(plain)
            plain = []
        send(message)
    if plain:
        plainly(plain)
