"""The points of a fold in order of time, of which those that only a late event needs rest as bytes.

What comes in order needs the newest point, and a row two or three before. All others say what was foreseen, what rules
looked at and what they found, hour after hour much the same: as objects a fifth of a twin, as bytes a fiftieth.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

import msgspec

from twin.alerts.lifecycle import AlertBook
from twin.alerts.misfit import Evidence
from twin.alerts.snapshot import Snapshot
from twin.events import ToxicityAhead, share_names
from twin.filter.trunk import TrunkPosition
from twin.patient.checkpoints import (
    POINTS_KEPT,
    SNAPSHOTS_KEPT,
    Point,
    forget_clouds,
    ladder,
    resumable,
    shed,
)
from twin.solver.cloud import Cloud
from twin.timeline.pumps.mismatch import Mismatch
from twin.timeline.pumps.silence import Open
from twin.timeline.pumps.taking import Uncertain

TAIL = 2
"""Newest points that never rest, as `twin.patient.checkpoints.resumable` asks for them."""


class _PointRow(msgspec.Struct, frozen=True, array_like=True):
    """A point but for its snapshot; ``positions`` and ``foreseen`` are numbers of those that points share."""

    millis: int
    positions: tuple[int, ...]
    book: AlertBook
    foreseen: int
    evidence: Evidence
    silence: tuple[Open, ...]
    mismatch: Mismatch | None
    doses: tuple[Uncertain, ...]


class _PointBytes(msgspec.Struct, array_like=True):
    point: msgspec.Raw
    snapshot: msgspec.Raw


class _PointsBytes(msgspec.Struct, array_like=True):
    foreseen: list[tuple[bytes, ...]]
    points: list[_PointBytes]


# Made once, on import: to make a decoder builds its types, which two threads must never do at the same time.
_decoder = msgspec.msgpack.Decoder(_PointsBytes)
_point_decoder = msgspec.msgpack.Decoder(_PointRow)
_snapshot_decoder = msgspec.msgpack.Decoder(Snapshot | None)
_NO_SNAPSHOT = msgspec.Raw(msgspec.msgpack.encode(None))


class PackedPoints(NamedTuple):
    """Points as bytes, when each is (ms), and the positions that they share; ``silent``: some know of a silence."""

    millis: array[int]
    packed: bytes
    positions: tuple[TrunkPosition, ...]
    silent: bool


NONE = PackedPoints(array("q"), zlib.compress(msgspec.msgpack.encode(_PointsBytes([], []))), (), False)


def pack_points(points: Sequence[Point], before: PackedPoints = NONE, snapshots: int = SNAPSHOTS_KEPT) -> PackedPoints:
    """Points as bytes, after those that are so ``before``; of the newest so many ``snapshots`` are kept.

    Beliefs and clouds stay what they are. What is bytes already is only copied.
    """
    whole = _decoder.decode(zlib.decompress(before.packed))
    number = {id(one): at for at, one in enumerate(before.positions)}
    positions, told = list(before.positions), {texts: at for at, texts in enumerate(whole.foreseen)}
    for p in points:
        for one in p.positions:
            if number.setdefault(id(one), len(positions)) == len(positions):
                positions.append(one)
        texts = tuple(one.model_dump_json().encode() for one in p.foreseen)
        row = _PointRow(
            p.millis,
            tuple(number[id(one)] for one in p.positions),
            p.book,
            told.setdefault(texts, len(told)),
            p.evidence,
            p.silence,
            p.mismatch,
            p.doses,
        )
        whole.points.append(_PointBytes(*(msgspec.Raw(msgspec.msgpack.encode(part)) for part in (row, p.snapshot))))
    for older in whole.points[: max(len(whole.points) - snapshots, 0)]:
        older.snapshot = _NO_SNAPSHOT
    whole.foreseen = list(told)
    packed = zlib.compress(msgspec.msgpack.encode(whole), 1)
    silent = before.silent or any(point.silence for point in points)
    return PackedPoints(before.millis + array("q", (p.millis for p in points)), packed, tuple(positions), silent)


def forgetting(rest: PackedPoints, newest: Cloud | None) -> PackedPoints:
    """The same points, of whose clouds only the ``newest`` stays."""
    return rest._replace(
        positions=tuple(one if one.cloud is None or one.cloud is newest else one.forgotten() for one in rest.positions)
    )


def unpack_points(rest: PackedPoints) -> list[Point]:
    """Inverse of `pack_points`."""
    found = _decoder.decode(zlib.decompress(rest.packed))
    foreseen = [tuple(ToxicityAhead.model_validate_json(text) for text in texts) for texts in found.foreseen]
    points = []
    for one in found.points:
        p, snapshot = _point_decoder.decode(one.point), _snapshot_decoder.decode(one.snapshot)
        position, *others = (rest.positions[at] for at in p.positions)
        told = foreseen[p.foreseen], p.evidence, snapshot, p.silence
        points.append(Point(p.millis, position, p.book, *told, tuple(others), p.mismatch, p.doses))
    return points


class Points(Sequence[Point]):
    """The points that a fold has passed and still knows, in order of time.

    To look at the newest ones wakes none of the others; they are kept as `twin.patient.checkpoints` says.

    Attributes:
        thinned_until: time (ms) up to which not every point was kept.
    """

    __slots__ = ("_changed", "_resting", "_rungs", "_tail", "thinned_until")

    def __init__(self, points: Iterable[Point] = ()) -> None:
        self._tail = list(points)
        self._rungs: PackedPoints | None = None
        self._resting: PackedPoints | None = None
        self._changed = True
        self.thinned_until = -(2**63)

    def __len__(self) -> int:
        return len(self._tail) + (len(self._resting.millis) if self._resting else 0)

    @overload
    def __getitem__(self, at: int) -> Point: ...
    @overload
    def __getitem__(self, at: slice) -> list[Point]: ...
    def __getitem__(self, at: int | slice) -> Point | list[Point]:
        if isinstance(at, slice) or self._resting is None:
            return self.awake()[at]
        back = at if at < 0 else at - len(self)
        return self._tail[back] if -len(self._tail) <= back < 0 else self.awake()[at]

    def __iter__(self) -> Iterator[Point]:
        return iter(self.awake())

    @property
    def silent(self) -> bool:
        """Whether a point knows of a silent pump."""
        resting = self._resting is not None and self._resting.silent
        return resting or any(point.silence for point in self._tail)

    @property
    def millis(self) -> tuple[int, ...]:
        """When each is (ms)."""
        before = () if self._resting is None else self._resting.millis
        return (*before, *(point.millis for point in self._tail))

    def awake(self) -> list[Point]:
        """All of them; what is done to the list is done to the points."""
        if self._resting is not None:
            self._tail[:0] = unpack_points(self._resting)
            self._resting = self._rungs = None
        self._changed = True
        return self._tail

    def append(self, point: Point) -> None:
        """Add the newest point, and thin the older ones now and then."""
        self._tail.append(point)
        self._changed = True
        if len(self) >= 2 * POINTS_KEPT:
            points = self.awake()
            points[:] = ladder(points)
            self.thinned_until = points[-POINTS_KEPT].millis
        forget_clouds(self._tail)

    def pop(self) -> Point:
        """Forget the newest point."""
        self._changed = True
        return self._tail.pop() if len(self._tail) > 1 else self.awake().pop()

    def resumable(self) -> list[Point]:
        """What a row keeps, see `twin.patient.checkpoints.resumable`."""
        rungs = [] if self._rungs is None else unpack_points(self._rungs)
        return resumable([*rungs, *self._tail])

    def rest(self) -> None:
        """Take less memory until an event comes that is late."""
        if self._resting is not None and not self._changed:
            return
        self._changed = False
        shed(self._tail)
        if len(self) > TAIL:
            newest, rungs = self._tail[-1].position.cloud, self.resumable()[:-TAIL]
            before = NONE if self._resting is None else forgetting(self._resting, newest)
            self._resting = pack_points(self._tail[:-TAIL], before, SNAPSHOTS_KEPT - TAIL)
            self._rungs, self._tail = pack_points(rungs), self._tail[-TAIL:]
        for foreseen in (one for point in self._tail for one in point.foreseen):
            share_names(foreseen)
