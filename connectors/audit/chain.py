"""A chain of records: each holds the hash of the one before, so that none can be changed, left out or moved unseen.

A record tells of one record of another topic: where it stands, the SHA-256 of its bytes, and what it says, but not of
whom. So a patient can be erased, and the chain still holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

import msgspec

BEGINNING = "0" * 64
"""The hash before the first record."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One link.

    Attributes:
        number: its place, from 0.
        before: hash of the link before, or `BEGINNING`.
        offset: of the record that it tells of, in the partition of the same number.
        digest: SHA-256 of that record's value, in hexadecimal digits.
        says: what the record says, without whom it is about; empty where it cannot be read.
        hash: SHA-256 of all this.
    """

    number: int
    before: str
    offset: int
    digest: str
    says: dict[str, str | int] = {}
    hash: str = ""

    def hashed(self) -> Entry:
        """With the hash of what it says."""
        return msgspec.structs.replace(self, hash=_hash_of(self))


# Made once, on import: to make a decoder builds its types, which two threads must never do at the same time.
read_entry = msgspec.json.Decoder(Entry).decode


def entry_of(before: Entry | None, offset: int, value: bytes, says: Mapping[str, str | int]) -> Entry:
    """The link after ``before`` that tells of a record, and what that says."""
    number, last = (0, BEGINNING) if before is None else (before.number + 1, before.hash)
    return Entry(number, last, offset, hashlib.sha256(value).hexdigest(), dict(says)).hashed()


def broken(raw: Iterable[bytes], records: Mapping[int, bytes], begins: int, of: str) -> Iterator[str]:
    """What is wrong with a chain, each in words; nothing where it holds.

    Args:
        raw: the links as they are stored, in order.
        records: values of the records that are still kept, by offset.
        begins: the offset of the oldest that is still kept.
        of: what the records are, in words.
    """
    last: Entry | None = None
    told: dict[int, str] = {}
    for place, value in enumerate(raw):
        try:
            entry = read_entry(value)
        except msgspec.MsgspecError as error:
            yield f"link {place} cannot be read: {error}"
            continue
        number, before = (0, BEGINNING) if last is None else (last.number + 1, last.hash)
        if entry.number != number:
            yield f"link {place} says that it is number {entry.number}, expected {number}: one is missing or was moved"
        elif entry.before != before:
            yield f"link {entry.number} does not follow the one before it: one of them was changed"
        if entry.hash != _hash_of(entry):
            yield f"link {entry.number} was changed: its hash is not that of what it says"
        if last is not None and entry.offset <= last.offset:
            yield f"link {entry.number} tells of record {entry.offset} after record {last.offset}: they were reordered"
        told[entry.offset] = entry.digest
        last = entry
    for offset, value in sorted(records.items()):
        if offset not in told:
            yield f"record {offset} of the {of} is not told of: the chain ends before it, or lacks it"
        elif told[offset] != hashlib.sha256(value).hexdigest():
            yield f"record {offset} of the {of} was changed after it was told of"
    for offset in sorted(told.keys() - records.keys()):
        if offset >= begins:
            yield f"record {offset} of the {of} is gone, which the chain tells of"


def _hash_of(entry: Entry) -> str:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(entry, hash=""))).hexdigest()
