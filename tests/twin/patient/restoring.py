"""Rows restored from two threads at once, as the first thing that a fresh process decodes.

``python -m tests.twin.patient.restoring [PROCESSES]``: processes are forked from one that has imported all and decoded
nothing, which is a fresh process without the seconds that importing costs. Prints how many ended how (exit code, or the
negative number of the signal that ended them).
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter

import msgspec

from twin.alerts.ledger import AlertLedger
from twin.alerts.rules import rules_hash
from twin.patient import averaged
from twin.patient.advising.desk import NO_ADVICE
from twin.patient.rivals import Rivals
from twin.patient.state_row import TwinState, pack_books, pack_state, unpack, unpack_history
from twin.record.history import History

PROCESSES = 100

NO_MODELS = Rivals(())


def restore_from_two_threads(row: bytes, average: bytes) -> None:
    """Decode a twin's row, its history and rival models' row in two threads that begin together."""
    together = threading.Barrier(2)
    whole: list[bool] = []

    def restore() -> None:
        together.wait()
        history = unpack_history(unpack(row, "hash").history)
        whole.append(history.keys == [] and averaged._decoded(average, NO_MODELS).patient_id == "P")

    threads = [threading.Thread(target=restore) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(0 if whole == [True, True] else 1)


def main(processes: int = PROCESSES) -> Counter[int]:
    """How many fresh processes ended with which code."""
    nothing = AlertLedger()
    row = pack_state(TwinState("P", "hash", rules_hash(), 1, History(), nothing, nothing, ()))
    version = averaged.AVERAGE_VERSION
    average = msgspec.msgpack.encode(
        averaged.AverageRow(
            version, "P", NO_MODELS.hash, rules_hash(), 1, [], nothing, nothing, [], pack_books([]), NO_ADVICE
        )
    )
    sys.setswitchinterval(1e-6)  # the two meet far more often than they would by chance
    ended: Counter[int] = Counter()
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            restore_from_two_threads(row, average)
        ended[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])] += 1
    return ended


if __name__ == "__main__":
    print(dict(main(*map(int, sys.argv[1:]))))
