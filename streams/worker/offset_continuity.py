"""Continuity of each partition: every offset is seen once, in order, or is shown not to exist.

Kafka delivers a partition's records in offset order, but a consumer framework between broker and twin may drop
records that it had prefetched (a known race when Faust resumes after a rebalance), or deliver them again. Either is
visible in the offsets. A record before the expected one is a repeat and is passed over; a record after it means that
something is missing, and the partition has to be rewound to the expected offset.

Not every hole is a loss: transaction markers and compaction leave offsets without a record. If delivery begins at the
same record beyond the expected offset after two rewinds, there is nothing in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

TopicPartition = tuple[str, int]

REWIND_PATIENCE = 2.0
"""Seconds to wait for the expected record after a rewind before rewinding again."""


REWINDS = 20
"""Rewinds after which a hole is believed although an earlier rewind showed more: the log's head has been deleted."""


class Verdict(Enum):
    """What to do with a record."""

    NEXT = "next"  # take it
    REPEAT = "repeat"  # seen already: pass over
    MISSING = "missing"  # pass over, and rewind the partition to `Continuity.expected`
    WAITING = "waiting"  # pass over: the rewind is under way


@dataclass
class _Partition:
    expected: int
    highest_passed_over: int | None = None
    lowest_passed_over: int = 0
    rewinds: int = 0
    begins_at: int | None = None
    rewound_at: float = 0.0


class Continuity:
    """Watches the offsets of every assigned partition. Times are the caller's, seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, _Partition] = {}
        self.gaps = 0
        self.holes = 0

    def start(self, partition: TopicPartition, offset: int) -> None:
        """The partition is assigned and its next record is at ``offset`` or, where that does not exist, after it."""
        self._partitions[partition] = _Partition(offset)

    def stop_all(self) -> None:
        """No partition is ours any more."""
        self._partitions.clear()

    def expected(self, partition: TopicPartition) -> int:
        """The offset that must come next."""
        return self._partitions[partition].expected

    def all_expected(self) -> dict[TopicPartition, int]:
        """The next offset of every partition that is ours."""
        return {partition: state.expected for partition, state in self._partitions.items()}

    def check(self, partition: TopicPartition, offset: int, now: float) -> Verdict:
        """Judge the record at ``offset``; a record of a partition that is not ours counts as a repeat."""
        state = self._partitions.get(partition)
        if state is None or offset < state.expected:
            return Verdict.REPEAT
        if offset > state.expected:
            if state.highest_passed_over is None:
                self.gaps += 1
                state.highest_passed_over = state.lowest_passed_over = offset
                state.rewound_at = now
                return Verdict.MISSING
            if offset > state.highest_passed_over:  # still records from before the rewind
                state.highest_passed_over = offset
                return Verdict.WAITING
            proven = offset == state.begins_at and offset <= state.lowest_passed_over
            if not proven and state.rewinds < REWINDS:  # once is no proof of a hole
                state.rewinds += 1
                state.begins_at = state.highest_passed_over = offset
                state.lowest_passed_over = min(offset, state.lowest_passed_over)
                state.rewound_at = now
                return Verdict.MISSING
            self.holes += 1
        state.expected = offset + 1
        state.highest_passed_over = state.begins_at = None
        state.rewinds = 0
        return Verdict.NEXT

    def overdue(self, now: float) -> list[TopicPartition]:
        """Partitions whose rewind brought nothing within `REWIND_PATIENCE`; each is counted as rewound at ``now``."""
        late = []
        for partition, state in self._partitions.items():
            if state.highest_passed_over is not None and now - state.rewound_at > REWIND_PATIENCE:
                state.rewound_at = now
                late.append(partition)
        return late
