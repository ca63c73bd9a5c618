"""Parts of what is believed at one instant: one model's particles by one account of what was delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twin.filter.belief import prior
from twin.filter.trunk import Trunk, TrunkPosition
from twin.patient.accounts.standing import Standing, shares
from twin.record.history import History
from twin.record.orders import Plan
from twin.timeline.covariates import widened
from twin.timeline.timeline import Timeline, build


@dataclass(frozen=True)
class Component:
    """Particles that a twin's belief is a mixture of.

    Attributes:
        millis: now.
        trunk: of one model, which carries them.
        position: where they stand, with their clouds.
        timeline: what was delivered and measured, by this account.
        plan: planned doses as they stand.
        share: how much of the whole belief it is; shares sum to one.
    """

    millis: int
    trunk: Trunk
    position: TrunkPosition
    timeline: Timeline
    plan: Plan
    share: float


def as_of(
    millis: int, trunk: Trunk, standings: Sequence[Standing], plan: Plan, since: int, share: float = 1.0
) -> tuple[Component, ...]:
    """Every account of one model, of which all together have a ``share``; they stand where they did at ``since``.

    The particles stand on the newest point of the grid by then, whether they were kept or are solved again, so that
    what is worked out from them is the same to the last bit.
    """
    parts = shares([one.log_weight for one in standings])
    return tuple(
        Component(millis, trunk, _standing(trunk, one, since), one.timeline, plan, share * part)
        for one, part in zip(standings, parts, strict=True)
    )


def _standing(trunk: Trunk, one: Standing, since: int) -> TrunkPosition:
    position = trunk.remembered(one.position, one.timeline, since)
    return trunk.advance_to_grid(trunk.forward(position, one.timeline, since), one.timeline, since)


def beginning(millis: int, trunk: Trunk, history: History, plan: Plan, particles: int) -> Component:
    """The population, of a patient of whom nothing is known yet but characteristics and a plan."""
    timeline = build(history, trunk.kernel, begun=millis)
    assert timeline is not None, "a record that has begun has a timeline"
    belief = prior(widened(trunk.kernel.model, timeline.widening), particles, trunk.patient_id)
    return Component(millis, trunk, trunk.begin(timeline, belief), timeline, plan, 1.0)
