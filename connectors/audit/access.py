"""An access: who did or wanted what, to which patient, when, from where, and what came of it.

No value of a patient is in it, and nothing that somebody wrote. Each console that runs numbers its accesses from 0
under an id of its own (``seat``), so that one that never came to Kafka is missed. A repetition of one, of a console
that did not know whether Kafka had it, is the same to the last byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

import msgspec

Deed = Literal["console", "log_in", "log_out", "read", "act", "ask", "knock"]
"""``console``: it began or ended; ``read``, ``act`` (about an alert, a dead letter or one's own account) and ``ask`` (a
twin) say themselves; ``knock``: something that is not there, or by no name of this console."""

Outcome = Literal["begins", "done", "refused", "failed"]
"""``begins``: somebody who may is about to act; how that ended is told by a later access with this ``subject``."""


class Access(msgspec.Struct, frozen=True, omit_defaults=True):
    """One access.

    Attributes:
        deed: what was done or wanted.
        outcome: what came of it.
        what: of which kind of thing: ``ward``, ``patient``, ``alerts``, ``alert``, ``advice``, ``account``,
            ``letters``, ``letter``, ``held``, ``file``.
        who: the account or token; empty where nobody is known.
        role: as what they were let in; empty where nobody logs in.
        patient: the pseudonym; empty where it is about several, or one of whom nothing is known.
        group: patterns of the patients who are seen, where it is about several; none are all.
        subject: id of the event that was sent, or of the alert that it was about.
        address: from where, as the connection has it.
        status: what HTTP answered; 0 where it was not asked by HTTP, or is not answered yet.
        times: how often, where the same was refused again within a minute.
        time: when, UTC; seat and number: see above.
    """

    deed: Deed
    outcome: Outcome
    what: str = ""
    who: str = ""
    role: str = ""
    patient: str = ""
    group: tuple[str, ...] = ()
    subject: str = ""
    address: str = ""
    status: int = 0
    times: int = 1
    time: str = ""
    seat: str = ""
    number: int = -1

    def stamped(self, time: datetime, seat: str, number: int) -> Access:
        """As the number-th of a console, at a time."""
        at = time.isoformat(timespec="milliseconds")
        return msgspec.structs.replace(self, time=at, seat=seat, number=number)


encode = msgspec.json.encode
read_access = msgspec.json.Decoder(Access).decode


def missing(accesses: Iterable[Access]) -> Iterator[str]:
    """What is wrong with the numbers of the accesses of a partition, in words; nothing where none is missing.

    The oldest that is kept of a console is where its numbers begin.
    """
    last: dict[str, Access] = {}
    for access in accesses:
        before = last.get(access.seat)
        if before is not None and access.number <= before.number:
            if access.number == before.number and access != before:
                yield f"console {access.seat} tells of number {access.number} in two ways: one of them was changed"
            continue  # a repetition
        if before is not None and access.number != before.number + 1:
            first, end = before.number + 1, access.number - 1
            gone = f"number {first} is" if first == end else f"numbers {first} to {end} are"
            yield f"of what console {access.seat} tells {gone} missing"
        last[access.seat] = access
