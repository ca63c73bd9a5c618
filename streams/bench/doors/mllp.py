"""HL7 v2 over MLLP: messages that a second of a core takes, each acknowledged when Kafka has what it tells.

The messages are those of a simulated ward with pumps, monitors and a laboratory. They come over several connections,
each of which waits for its answers, and are written before the time counts. By the listener's processor time, which
a busy machine stretches less than the clock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from connectors.speaking.counts import Counts
from connectors.speaking.hl7 import Hl7Writer, Message
from connectors.speaking.mllp import MllpSender
from connectors.speaking.words import Words
from streams.bench.doors.listener import listening
from streams.bench.stream import BenchmarkFailed
from twin.events import from_millis

CONNECTIONS = 16
WARM_UP = 0.2
"""Share of the messages that are sent before the listener's time counts."""


def mllp_cost(bootstrap: str, count: int, say: Callable[[str], object]) -> dict[str, Any]:
    """``mllp_per_s`` and ``mllp_mib`` of so many messages.

    Raises:
        BenchmarkFailed: the listener ended, or refused a message.
    """
    with listening(bootstrap, "hl7") as listener:
        write = Hl7Writer(Words(listener.spoken.measured))
        messages: list[Message] = []
        while len(messages) < count:
            written = (write(told.event, from_millis(told.time)) for told in listener.take(count))
            messages += [message for message in written if message is not None]
        first = round(WARM_UP * count)
        say(f"{count} messages over MLLP")
        _send(listener.address, messages[:first])
        before = listener.processor_seconds()
        _send(listener.address, messages[first:count])
        spent = listener.processor_seconds() - before
        return {"mllp_per_s": round((count - first) / spent), "mllp_mib": round(listener.mib(), 1)}


def _send(address: str, messages: Sequence[Message]) -> None:
    """Over `CONNECTIONS` at once, until each message has its answer."""
    refused: list[str] = []
    counts = Counts(refused.append)

    def lane(mine: Sequence[Message]) -> None:
        sender = MllpSender(address, lambda: bool(refused), counts)
        for message in mine:
            sender.send(*message)
        sender.close()

    threads = [threading.Thread(target=lane, args=(messages[n::CONNECTIONS],)) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if refused:
        raise BenchmarkFailed(f"the listener did not take a message: {refused[0]}")
