"""Columns of numbers as bytes, for rows: times by their differences, which compress well, ranks and values as they are.

Little-endian, eight bytes a number.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np

from twin.record.readings.clocks import Clocks, ClockWords
from twin.record.readings.fevers import Fevers
from twin.record.readings.windows import ReadingWindows

Readings = tuple[bytes, bytes, bytes, bytes]
"""Times, ranks and values of what is kept, and the ranks of what counts no more."""


class BadColumns(ValueError):
    """Columns that do not belong together; the message says why."""


def pack_times(times: Sequence[int]) -> bytes:
    """Whole numbers in order, as ms since 1970."""
    return np.diff(np.array(times, dtype="<i8"), prepend=0).astype("<i8").tobytes()


def unpack_times(raw: bytes) -> list[int]:
    """Inverse of `pack_times`."""
    return [int(millis) for millis in np.cumsum(np.frombuffer(raw, dtype="<i8"))]


def pack_floats(values: Sequence[float]) -> bytes:
    """Numbers of any size."""
    return np.array(values, dtype="<f8").tobytes()


def unpack_floats(raw: bytes) -> array[float]:
    """Inverse of `pack_floats`."""
    return array("d", np.frombuffer(raw, dtype="<f8"))


def pack_readings(kept: ReadingWindows | Fevers) -> Readings:
    """What is kept of readings."""
    return pack_times(kept.times), _pack_ranks(kept.ranks), pack_floats(kept.values), _pack_ranks(sorted(kept.gone))


def unpack_readings(
    times: bytes, ranks: bytes, values: bytes, gone: bytes, *, length: int = 1
) -> tuple[array[int], array[int], array[float], set[int]]:
    """Inverse of `pack_readings`; ``length`` is that of their windows.

    Raises:
        BadColumns: not of one length.
    """
    if length < 1:
        raise BadColumns(f"its readings are in windows of {length} ms")
    _require_alike(times, ranks, values, [gone])
    return array("q", unpack_times(times)), _unpack_ranks(ranks), unpack_floats(values), set(_unpack_ranks(gone))


def pack_clocks(clocks: Clocks) -> tuple[list[tuple[str, bytes, bytes, bytes]], bytes]:
    """What is kept of the clocks of devices: of each its name, times, ranks and offsets; and what was taken back."""
    words = [
        (d, pack_times(w.times), _pack_ranks(w.ranks), pack_times(w.behind)) for d, w in sorted(clocks.words.items())
    ]
    return words, _pack_ranks(sorted(clocks.gone))


def unpack_clocks(words: Iterable[tuple[str, bytes, bytes, bytes]], gone: bytes) -> Clocks:
    """Inverse of `pack_clocks`.

    Raises:
        BadColumns: not of one length.
    """
    clocks = Clocks()
    for device, times, ranks, behind in words:
        _require_alike(times, ranks, behind, [gone])
        columns = array("q", unpack_times(times)), _unpack_ranks(ranks), array("q", unpack_times(behind))
        clocks.words[device] = ClockWords(*columns)
    clocks.gone = set(_unpack_ranks(gone))
    return clocks


def _require_alike(times: bytes, ranks: bytes, values: bytes, others: Iterable[bytes]) -> None:
    if not len(times) == len(ranks) == len(values) or any(len(column) % 8 for column in (times, *others)):
        raise BadColumns("its readings do not each have a time, a rank and a value")


def _pack_ranks(ranks: Sequence[int]) -> bytes:
    return np.array(ranks, dtype="<u8").tobytes()


def _unpack_ranks(raw: bytes) -> array[int]:
    return array("Q", np.frombuffer(raw, dtype="<u8"))
