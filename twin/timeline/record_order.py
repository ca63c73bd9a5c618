"""Facts of one instant in the order that their source gave them, as moments that differ.

To the equations a moment is a whole millisecond, and whatever is seen at one is seen before anything is given there. A
source that has an order, as the lines of a data file, says more: a level on the line below a dose was drawn after it.
So an instant is drawn out where that matters: what is seen, or set anew, below a dose lies a millisecond after it, and
what stands below that lies there too. What a millisecond changes is far below any assay.

    line  said at t     moment
    1     level         t          before the dose
    2     dose          t
    3     level         t + 1 ms   after it
    4     dose          t + 1 ms

What has no sequence number stays where it is: a level before a dose.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from twin.events import DoseGiven, DrugLevel, LabResult, StateReset
from twin.record.facts import ClinicalEvent
from twin.record.history import History

Placed = tuple[int, ClinicalEvent, int]
"""The ms that the equations meet a fact at, the fact, and the ms that it was recorded at."""


def in_record_order(history: History) -> list[Placed]:
    """The facts that stand, each at its moment, in the order of moments."""
    if not history.ordered:
        return [(millis, fact, millis) for millis, fact in history.effective()]
    return list(_drawn_out(history.effective()))


def _drawn_out(facts: Iterable[tuple[int, ClinicalEvent]]) -> Iterator[Placed]:
    moment, above = -(2**63), list[ClinicalEvent]()
    for millis, instant in groupby(facts, key=lambda each: each[0]):
        # Where the instant before was drawn out as far as this one, it goes on from there.
        reached = millis <= moment
        if not reached:
            moment, above = millis, []
        for sequence, line in groupby((fact for _, fact in instant), key=lambda fact: fact.sequence):
            row = list(line)
            if (reached or sequence is not None) and _differs_below(row, above):
                moment, above = moment + 1, []
            if reached or sequence is not None:
                above += row
            yield from ((moment, fact, millis) for fact in row)


def _differs_below(row: Sequence[ClinicalEvent], above: Sequence[ClinicalEvent]) -> bool:
    """Whether a line must be told apart from those above it, of the same moment."""
    doses = [fact for fact in above if isinstance(fact, DoseGiven)]
    resets = any(isinstance(fact, StateReset) for fact in above)
    looked = any(isinstance(fact, DrugLevel | LabResult) for fact in above)
    seen = any(isinstance(fact, DrugLevel | LabResult) for fact in row)
    emptied = any(isinstance(fact, StateReset) for fact in row)
    # Doses in steady state at one instant make one steady state together, which stands for all that was before it: what
    # is seen at their moment is seen in it.
    settled = any(isinstance(fact, DoseGiven) and fact.steady_every is not None for fact in row)
    added = any(dose.steady_every is None for dose in doses)
    return (seen and bool(doses or resets)) or (emptied and bool(doses)) or (settled and (added or looked))
