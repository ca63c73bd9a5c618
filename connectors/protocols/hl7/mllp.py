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

    Args:
        longest: bytes of a frame that are taken.
        bare: whether 0x1C alone ends a frame; what stands before the next is no noise then.
    """

    def __init__(self, longest: int = LONGEST, *, bare: bool = False) -> None:
        self._longest = longest
        self._end = END if bare else END + RETURN
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
                self._pass_over(len(self._buffer))
                self._buffer.clear()
                return
            if begin:
                self._pass_over(begin)
                del self._buffer[:begin]
            end = self._buffer.find(self._end, 1)
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
            del self._buffer[: end + len(self._end)]
            yield frame

    def _pass_over(self, length: int) -> None:
        """Count what stands before a frame as noise, but for what ends lines."""
        if self._end == END:
            length -= sum(byte in b"\r\n" for byte in self._buffer[:length])
        self.noise += length
