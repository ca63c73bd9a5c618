"""The patients of a worker's partitions: who has a twin in memory, and who has something to come by itself.

A patient's queue stays once it is known, some hundred bytes; its *state* (the twin, and what the stream knows around
it) is in memory only while it is *resident*. So what is done for all of a partition costs as much as its residents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from streams.worker.turns.queues import PatientQueue


class Patients:
    """See the module's docstring.

    Attributes:
        withheld: patients whose twin withholds something until the topics are level.
        bursts: patients of whom late arrivals wait for one another.
    """

    def __init__(self) -> None:
        self._queues: dict[str, PatientQueue] = {}
        self._residents: defaultdict[int, dict[str, PatientQueue]] = defaultdict(dict)
        self.withheld: set[str] = set()
        self.bursts: set[str] = set()

    def __len__(self) -> int:
        return len(self._queues)

    def __iter__(self) -> Iterator[PatientQueue]:
        return iter(list(self._queues.values()))

    def find(self, patient_id: str) -> PatientQueue | None:
        """The patient's queue, if it is known."""
        return self._queues.get(patient_id)

    def of(self, patient_id: str, partition: int) -> PatientQueue:
        """The patient's queue, made if it was not known."""
        queue = self._queues.get(patient_id)
        if queue is None:
            queue = self._queues[patient_id] = PatientQueue(patient_id, partition)
        return queue

    @property
    def resident(self) -> int:
        """Number of patients whose state is in memory."""
        return sum(map(len, self._residents.values()))

    def residents(self, partition: int) -> Collection[PatientQueue]:
        """Those of one partition whose state is in memory."""
        return self._residents[partition].values()

    def all_residents(self) -> Iterator[PatientQueue]:
        """Those of all partitions."""
        return (queue for queues in self._residents.values() for queue in queues.values())

    def enter(self, queue: PatientQueue) -> None:
        """The patient's state is in memory."""
        self._residents[queue.partition][queue.patient_id] = queue

    def leave(self, queue: PatientQueue) -> None:
        """Drop the patient's state, which the row that is stored holds to the last bit."""
        queue.state = None
        del self._residents[queue.partition][queue.patient_id]

    def remember(self, queue: PatientQueue) -> None:
        """Note what of a twin is to come by itself: what it withholds, and late arrivals that wait."""
        if queue.state is not None:
            (self.withheld.add if queue.state.withheld else self.withheld.discard)(queue.patient_id)
            bursts = queue.state.burst.waiting and queue.state.quarantined is None
            (self.bursts.add if bursts else self.bursts.discard)(queue.patient_id)

    def with_withheld(self) -> list[PatientQueue]:
        """Those whose twin withholds something, in order of their ids."""
        return [self._queues[patient_id] for patient_id in sorted(self.withheld)]

    def with_bursts(self) -> list[PatientQueue]:
        """Those of whom late arrivals wait, in order of their ids."""
        return [self._queues[patient_id] for patient_id in sorted(self.bursts)]

    def clear(self) -> None:
        """No partition is held any more."""
        self._queues.clear()
        self._residents.clear()
        self.withheld.clear()
        self.bursts.clear()
