"""A chain of records in which nothing can be changed, left out or moved without being found."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from connectors.audit.chain import Entry, broken, entry_of, read_entry
from tests import factories as make
from twin.events import encode

RECORDS = [encode(make.alert(revision=n, phase="update" if n else "start")) for n in range(4)] + [b"no alert"]


def chain(records: list[bytes]) -> list[bytes]:
    links: list[Entry] = []
    for offset, value in enumerate(records):
        links.append(entry_of(links[-1] if links else None, 2 * offset, value, {"severity": "high"}))
    return [msgspec.json.encode(link) for link in links]


KEPT = {2 * offset: value for offset, value in enumerate(RECORDS)}


def forged(links: list[bytes]) -> list[bytes]:
    """Changed, with a hash that fits."""
    entry = read_entry(links[1])
    return [
        links[0],
        msgspec.json.encode(msgspec.structs.replace(entry, says={"severity": "low"}).hashed()),
        *links[2:],
    ]


def test_a_chain_that_was_left_alone_holds_also_when_old_records_are_gone() -> None:
    assert list(broken(chain(RECORDS), KEPT, 0, "alerts")) == []
    assert list(broken(chain(RECORDS), {4: RECORDS[2], 6: RECORDS[3], 8: RECORDS[4]}, 4, "alerts")) == []
    assert b"P-1" not in b"".join(chain(RECORDS)), "a patient can be erased without breaking it"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda links: [links[0], links[1].replace(b'"high"', b'"low"'), *links[2:]], "its hash is not that"),
        (forged, "does not follow the one before"),
        (lambda links: [*links[:2], *links[3:]], "one is missing or was moved"),
        (lambda links: [links[0], links[2], links[1], *links[3:]], "they were reordered"),
        (lambda links: links[:-1], "record 8 of the alerts is not told of"),
        (lambda links: [b"{}", *links[1:]], "link 0 cannot be read"),
    ],
)
def test_what_was_changed_left_out_or_moved_is_found(change: Callable[[list[bytes]], list[bytes]], said: str) -> None:
    assert said in " ".join(broken(change(chain(RECORDS)), KEPT, 0, "alerts"))


def test_a_change_of_the_alerts_themselves_is_found() -> None:
    assert "record 2 of the alerts was changed" in " ".join(broken(chain(RECORDS), KEPT | {2: b"other"}, 0, "alerts"))
    gone = {offset: value for offset, value in KEPT.items() if offset != 4}
    assert list(broken(chain(RECORDS), gone, 0, "alerts")) == [
        "record 4 of the alerts is gone, which the chain tells of"
    ]
