"""Where each account begins, once it has parted from the others: which of the particles kept before are its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twin.patient.accounts.standing import Standing
from twin.patient.checkpoints import Point
from twin.timeline.pumps.mismatch import Mismatch
from twin.timeline.pumps.silence import RUNNING, Hypothesis, Open, log_prior_of_rest, parted, spread
from twin.timeline.pumps.taking import Uncertain, continued, ways
from twin.timeline.timeline import Timeline


def standings_of(
    before: Point,
    silence: Sequence[Open],
    mismatch: Mismatch | None,
    doses: Sequence[Uncertain],
    due: int,
    running: Timeline,
    account: Callable[[Hypothesis], Timeline],
) -> list[Standing]:
    """Where each account begins that has parted from the others by ``due`` (ms); the first is that all is as told.

    Args:
        before: where the fold stood before.
        silence, mismatch, doses: what is in doubt, at most one of them.
        due: ms.
        running: the timeline of the first account.
        account: that of each other one.
    """
    others = ways(doses) if doses else parted(silence, due) if mismatch is None else spread(mismatch)
    first = RUNNING._replace(log_prior=log_prior_of_rest(others))
    found = [Standing(first, running, before.position)]
    alike = before.mismatch == mismatch and bool(before.silence) == bool(silence)
    positions = before.positions if alike and bool(before.doses) <= bool(doses) else (before.position,)
    for number, one in enumerate(others, start=1):
        at = continued(one, before.doses) if doses else number
        position = positions[at] if at < len(positions) else before.position
        found.append(Standing(one, account(one), position))
    return found
