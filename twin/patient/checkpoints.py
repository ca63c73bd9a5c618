"""Points that a fold has passed: where it stood, kept closely for the recent past and as a ladder before it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from twin.alerts.lifecycle import AlertBook
from twin.alerts.misfit import NO_EVIDENCE, Evidence
from twin.alerts.snapshot import Snapshot
from twin.events import ToxicityAhead
from twin.filter.trunk import TrunkPosition
from twin.resting_arrays import rest
from twin.timeline.pumps.mismatch import Mismatch
from twin.timeline.pumps.silence import Open
from twin.timeline.pumps.taking import Uncertain

BELIEFS_KEPT = 6
"""Rungs of the ladder that older points are thinned to, at growing distances: late events are folded in from one."""

POINTS_KEPT = 48
"""Points that are all kept, newest first: two days of hourly estimates."""

SNAPSHOTS_KEPT = 12
"""Newest points of which a twin at rest knows what rules looked at, to judge again what a device says hours late."""

CLOUDS_KEPT = 2
"""Distinct particle clouds kept in memory; older ones are solved again when an event is late enough to need them."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where the fold stands after everything at or before ``millis``.

    While pumps are silent (``silence``) that is by the account that they run; ``rest`` is by each that they stopped.
    While it is in doubt when in a stretch something went in (``mismatch``) it is evenly; ``rest`` is early and late.
    While it is in doubt whether doses were taken (``doses``) it is as is more likely; ``rest`` is each other way.
    """

    millis: int
    position: TrunkPosition
    book: AlertBook
    foreseen: tuple[ToxicityAhead, ...] = ()
    evidence: Evidence = NO_EVIDENCE
    snapshot: Snapshot | None = None
    silence: tuple[Open, ...] = ()
    rest: tuple[TrunkPosition, ...] = ()
    mismatch: Mismatch | None = None
    doses: tuple[Uncertain, ...] = ()

    @property
    def positions(self) -> tuple[TrunkPosition, ...]:
        """By every account."""
        return self.position, *self.rest


def forget_clouds(points: list[Point]) -> None:
    """Leave clouds with few points, the newest ones; that of the estimate grid with the newest alone."""
    clouds: list[int] = []
    for i in range(len(points) - 1, -1, -1):
        position = points[i].position
        if position.cloud is None:
            break
        if position.grid_cloud is not None and i < len(points) - 1:
            position = replace(position, grid_cloud=None)
            rest = tuple(replace(other, grid_cloud=None) for other in points[i].rest)
            points[i] = replace(points[i], position=position, rest=rest)
        if id(position.cloud) not in clouds:
            clouds.append(id(position.cloud))
        if len(clouds) > CLOUDS_KEPT:
            rest = tuple(other.forgotten() for other in points[i].rest)
            points[i] = replace(points[i], position=position.forgotten(), rest=rest)


def shed(points: list[Point]) -> None:
    """Leave no more than a twin that waits for its next event needs: the newest cloud of the trunk.

    The estimate grid's is stepped on again from there, and older ones are solved again if an event is that late; so is
    what a device's late report would let rules judge again, beyond the newest `SNAPSHOTS_KEPT`.
    """
    newest = points[-1].position.cloud if points else None
    shared: dict[tuple[int, int], TrunkPosition] = {}
    for i, point in enumerate(points):
        position, *others = (
            _at_rest(one, shared, forgets=point.position.cloud is not newest) for one in point.positions
        )
        snapshot = point.snapshot if i >= len(points) - SNAPSHOTS_KEPT else None
        points[i] = replace(point, position=position, rest=tuple(others), snapshot=snapshot)
    positions = [one for point in points for one in point.positions]
    rest({id(one.belief): one.belief for one in positions}.values())
    rest({id(one.cloud): one.cloud for one in positions if one.cloud is not None}.values())


def _at_rest(position: TrunkPosition, shared: dict[tuple[int, int], TrunkPosition], *, forgets: bool) -> TrunkPosition:
    """A position without what is stepped on again, or solved; the same of all points where it is."""
    left = position.forgotten() if forgets else replace(position, grid_cloud=None)
    return shared.setdefault((id(left.belief), id(left.cloud)), left)


def resumable(points: list[Point]) -> list[Point]:
    """What a row keeps: the two newest points, and the last ones of the two beliefs before theirs.

    With the newest alone, an event at the very instant a twin was saved at would fold the whole history again.
    """
    recent = points[-2:]
    known = {id(point.position.belief) for point in recent}
    last_of = {id(p.position.belief): p for p in points[:-2] if id(p.position.belief) not in known}
    return [*list(last_of.values())[-2:], *recent]


def ladder(points: list[Point]) -> list[Point]:
    """The newest points, and before them the last point of each of a few beliefs at doubling distances."""
    recent, older = points[-POINTS_KEPT:], points[:-POINTS_KEPT]
    last_of: dict[int, Point] = {id(point.position.belief): point for point in older}
    rungs = list(last_of.values())
    kept: list[Point] = []
    distance = 1
    while distance <= len(rungs) and len(kept) < BELIEFS_KEPT:
        kept.append(rungs[-distance])
        distance *= 2
    return [*reversed(kept), *recent]
