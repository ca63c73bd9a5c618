"""From when on two timelines of one patient differ: what was folded before that moment still stands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin.timeline.delivery import Delivered
from twin.timeline.timeline import Timeline


def first_difference(old: Timeline, new: Timeline) -> int | None:
    """Earliest time (ms) from which two timelines of one patient differ; ``None`` when they say the same."""
    same_prior = np.array_equal(old.widening, new.widening)
    if old.start != new.start or not same_prior or not np.array_equal(old.covariates[0], new.covariates[0]):
        return min(old.start, new.start)
    found = [
        _first_unequal_row(old.change, old.rates[1:], new.change, new.rates[1:]),
        _first_unequal_row(
            old.kick,
            np.column_stack([old.kick_column, old.kick_amount]),
            new.kick,
            np.column_stack([new.kick_column, new.kick_amount]),
        ),
        _first_unequal_row(old.epoch, old.covariates, new.epoch, new.covariates),
        _first_unequal([(o.millis, o) for o in old.observations], [(o.millis, o) for o in new.observations]),
        _first_unequal([(m, "reset") for m in old.resets.tolist()], [(m, "reset") for m in new.resets.tolist()]),
        _first_unequal(list(old.steady.items()), list(new.steady.items())),
        *(_first_delivered(old.delivered[drug], new.delivered[drug]) for drug in old.delivered),
    ]
    since = min((millis for millis in found if millis is not None), default=None)
    if since is None:
        return None
    # A sample that may have been drawn after the change, though it was recorded before it.
    seen = (*old.observations, *new.observations)
    return min([since, *(o.millis for o in seen if o.moments and o.millis < since <= o.moments[-1])])


def _first_delivered(old: Delivered, new: Delivered) -> int | None:
    """As `first_difference`, of what was delivered of one drug: it is told even where no equation reads it."""
    found = [
        _first_unequal([(step[0], step) for step in old.rate], [(step[0], step) for step in new.rate]),
        _first_unequal([(dose[0], dose) for dose in old.impulses], [(dose[0], dose) for dose in new.impulses]),
        _first_unequal(
            [(one.start, one[:4]) for one in old.told_twice], [(one.start, one[:4]) for one in new.told_twice]
        ),
        _first_unequal([(dose.start, dose) for dose in old.recorded], [(dose.start, dose) for dose in new.recorded]),
    ]
    return min((millis for millis in found if millis is not None), default=None)


def _first_unequal_row(
    old_times: NDArray[np.int64], old: NDArray[np.float64], new_times: NDArray[np.int64], new: NDArray[np.float64]
) -> int | None:
    """As `_first_unequal`, of rows (M, C) with their times (M,)."""
    both = min(len(old_times), len(new_times))
    unequal = (old_times[:both] != new_times[:both]) | (old[:both] != new[:both]).any(axis=1)
    if unequal.any():
        first = int(unequal.argmax())
        return int(min(old_times[first], new_times[first]))
    longer = old_times if len(old_times) > both else new_times
    return int(longer[both]) if len(longer) > both else None


def _first_unequal(old: list[tuple[int, object]], new: list[tuple[int, object]]) -> int | None:
    for left, right in zip(old, new, strict=False):
        if left != right:
            return min(left[0], right[0])
    longer = old if len(old) > len(new) else new
    shorter = min(len(old), len(new))
    return longer[shorter][0] if len(longer) > shorter else None
