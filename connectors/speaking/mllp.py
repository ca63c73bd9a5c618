"""A sender of MLLP that waits for each message's acknowledgement, as gateways of hospitals do.

An answer belongs to the message that it names in MSA-2; one that comes for another is passed over. A message is sent
again until it is accepted or refused for good: after an answer that asks for it (AE, CE), after none in time, and on a
new connection where the old one broke.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

from connectors.protocols.hl7.mllp import Frames, framed
from connectors.services.ports import joined
from connectors.speaking.counts import Counts
from connectors.speaking.place import place_of

ANSWER_SECONDS = 15.0
"""Longest wait for an answer, three times what our own listener takes."""

AGAIN_SECONDS = 1.0
"""Before a message is sent again."""

ACCEPTED, LATER = ("AA", "CA"), ("AE", "CE")


class MllpSender:
    """One connection to ``host:port``, opened when there is something to send.

    Args:
        address: where somebody listens.
        stopped: whether to give up.
        counts: what became of the messages.
        sleep: for a while, in seconds; given so that a test needs no time.
    """

    def __init__(
        self, address: str, stopped: Callable[[], bool], counts: Counts, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._place = place_of(address, 2575)
        self._stopped, self._counts, self._sleep = stopped, counts, sleep
        self._connection: socket.socket | None = None
        self._frames = Frames()

    def send(self, kind: str, text: bytes) -> bool:
        """Whether the message was accepted; False where it never will be, or where it is to stop."""
        number = text.split(b"|", 10)[9]
        while not self._stopped():
            try:
                code = self._answer(framed(text), number)
            except (OSError, EOFError):
                self.close()
                self._counts.waited(joined(*self._place))
                self._sleep(AGAIN_SECONDS)
                continue
            if code in ACCEPTED:
                self._counts.accepted(kind)
                return True
            if code not in LATER:
                self._counts.refused(f"{kind}: answered with {code}")
                return False
            self._counts.again()
            self._sleep(AGAIN_SECONDS)
        return False

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
        self._connection = None

    def _answer(self, frame: bytes, number: bytes) -> str:
        """The code of the acknowledgement of the message with this control id.

        Raises:
            OSError, EOFError: nobody is there, or the answer did not come.
        """
        if self._connection is None:
            self._connection = socket.create_connection(self._place, timeout=ANSWER_SECONDS)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._frames = Frames()
        self._connection.sendall(frame)
        while received := self._connection.recv(65_536):
            for answer in self._frames.feed(received):
                acknowledged = next((line for line in answer.split(b"\r") if line.startswith(b"MSA")), b"")
                said = acknowledged.split(b"|")
                if len(said) > 2 and said[2] == number:
                    return said[1].decode("ascii", "replace")
        raise EOFError("the connection was closed without an answer")
