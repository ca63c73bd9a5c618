"""Facts by their ids, of which those that nobody works with rest as bytes, some dozens together.

A fact is an object of a kilobyte that is looked at when something new is told, and hardly ever else. At rest facts are
what a row has of them (`twin.events.encode`), compressed: a tenth. The first that is asked for wakes those it rests
with; they rest again as they were, for facts never change.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, MutableMapping
from typing import cast

import msgspec

from twin.events import decode, encode, share_names
from twin.record.corrections import Superseded
from twin.record.facts import ClinicalEvent

TOGETHER = 64
"""Facts that rest, and wake, together."""

# Made once, on import: to make a decoder builds its types, which two threads must never do at the same time.
_decoder = msgspec.msgpack.Decoder(dict[str, bytes])


class FactTable(MutableMapping[str, ClinicalEvent | Superseded]):
    """Facts, and what is left of those that never count again, in the order in which they were put in.

    Attributes:
        ids: to look for an id without waking anything.
    """

    __slots__ = ("_awake", "_blocks", "_fresh", "ids")

    def __init__(self) -> None:
        self.ids: dict[str, ClinicalEvent | Superseded | int] = {}
        self._blocks: list[bytes] = []
        self._awake: dict[str, int] = {}
        self._fresh: list[str] = []

    def __getitem__(self, event_id: str) -> ClinicalEvent | Superseded:
        found = self.ids[event_id]
        if isinstance(found, int):
            self._wake(found)
            found = self.ids[event_id]
            assert not isinstance(found, int), "all that rests together is awake"
        return found

    def __setitem__(self, event_id: str, fact: ClinicalEvent | Superseded) -> None:
        self.ids[event_id] = fact
        self._awake.pop(event_id, None)
        if not isinstance(fact, Superseded):
            self._fresh.append(event_id)

    def __delitem__(self, event_id: str) -> None:
        raise TypeError(f"{event_id!r}: a fact that was told is never forgotten")

    def __contains__(self, event_id: object) -> bool:
        return event_id in self.ids

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def rest(self) -> None:
        """Take less memory until a fact is asked for."""
        texts = {i: encode(fact) for i in self._fresh if not isinstance(fact := self[i], Superseded)}
        self._fresh.clear()
        self.ids.update(self._awake)
        self._awake.clear()
        while texts:
            if self._blocks and len(last := _decoder.decode(zlib.decompress(self._blocks[-1]))) < TOGETHER:
                self._blocks.pop()
                texts = last | texts
            together = dict(list(texts.items())[:TOGETHER])
            texts = {i: text for i, text in texts.items() if i not in together}
            self.ids.update((i, len(self._blocks)) for i in together if not isinstance(self.ids[i], Superseded))
            self._blocks.append(zlib.compress(msgspec.msgpack.encode(together), 1))

    def encoded(self) -> dict[str, bytes]:
        """Every fact that may count, as a row has it; nothing wakes for it."""
        texts: dict[str, bytes] = {}
        for block in self._blocks:
            texts.update(_decoder.decode(zlib.decompress(block)))
        texts.update((i, encode(fact)) for i in self._fresh if not isinstance(fact := self[i], Superseded))
        return texts

    def _wake(self, number: int) -> None:
        for event_id, text in _decoder.decode(zlib.decompress(self._blocks[number])).items():
            if not isinstance(self.ids[event_id], int):
                continue  # another stands in place of it by now
            fact = cast(ClinicalEvent, decode(text))
            share_names(fact)
            self.ids[event_id], self._awake[event_id] = fact, number
