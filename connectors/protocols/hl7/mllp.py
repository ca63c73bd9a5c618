"""Frames of MLLP (HL7 v2 Implementation Guide, appendix C): 0x0B, a message, 0x1C 0x0D."""

from __future__ import annotations

from collections.abc import Iterator

BEGIN, END, RETURN = b"\x0b", b"\x1c", b"\r"

LONGEST = 1 << 20
"""Bytes of a frame that are taken."""


class FrameTooLong(ValueError):
    """More bytes than a frame may have, and no end of it: the connection cannot be understood any more."""


def framed(text: bytes) -> bytes:
    """A message as it goes over the wire."""
    return BEGIN + text + END + RETURN


class Frames:
    """Takes what comes over one connection and gives frames.

    Bytes before a frame's beginning are noise, and a new beginning abandons what was not ended; both are counted.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._buffer = bytearray()
        self.noise = 0
        self.abandoned = 0

    @property
    def half(self) -> bool:
        """Whether a frame has begun that has not ended."""
        return bool(self._buffer)

    def feed(self, received: bytes) -> Iterator[bytes]:
        """The frames that are whole now.

        Raises:
            FrameTooLong: of one that has not ended in time; what came before it was given.
        """
        self._buffer += received
        while True:
            begin = self._buffer.find(BEGIN)
            if begin < 0:
                self.noise += len(self._buffer)
                self._buffer.clear()
                return
            if begin:
                self.noise += begin
                del self._buffer[:begin]
            end = self._buffer.find(END + RETURN, 1)
            again = self._buffer.find(BEGIN, 1, end if end >= 0 else len(self._buffer))
            if again >= 0:
                self.abandoned += 1
                del self._buffer[:again]
                continue
            if (end if end >= 0 else len(self._buffer)) - 1 > self._longest:
                raise FrameTooLong(f"a frame of more than {self._longest} bytes")
            if end < 0:
                return
            frame = bytes(self._buffer[1:end])
            del self._buffer[: end + 2]
            yield frame
