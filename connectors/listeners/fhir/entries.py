"""An entry of a history or search: which version of which resource it is, and the message that is made of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import msgspec

from connectors.facts.memory import Memory
from connectors.protocols.fhir.resource import local, member, text_of
from connectors.protocols.fhir_servers.server import instant_of
from twin.events import event_id

_Any = TypeVar("_Any")

_decoder = msgspec.json.Decoder()


class Version(NamedTuple):
    """A version of a resource.

    Attributes:
        raw: its entry's bytes.
        body: the resource; empty where it was deleted.
        kind, id, version: which; ``version`` is empty where the server does not say it.
        at: when it was made, by the server's clock, where that is known.
        deleted: whether it is the deletion.
    """

    raw: bytes
    body: dict[str, Any]
    kind: str
    id: str
    version: str
    at: datetime | None
    deleted: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """By which it is known again."""
        return self.kind, self.id, self.version

    def message(self, beside: Iterable[bytes]) -> bytes:
        """A bundle of this version and what it refers to."""
        own = self.raw
        if self.deleted:
            response = {"etag": f'W/"{self.version}"'} | ({"lastModified": self.at.isoformat()} if self.at else {})
            request = {"method": "DELETE", "url": f"{self.kind}/{self.id}"}
            own = json.dumps({"request": request, "response": response}).encode()
        return b'{"resourceType":"Bundle","type":"history","entry":[' + b",".join([own, *beside]) + b"]}"


def version_of(raw: bytes, kind: str, *, after: datetime | None) -> Version | None:
    """The version that an entry is; None where it is of another kind, as what is only included.

    Args:
        raw: the entry's bytes.
        kind: of the resources that were asked for.
        after: when the version before it was made. A deletion of which the server does not say when it was, as some do
            not, was after that and before all that comes later.
    """
    try:
        said = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Version(raw, {}, kind, "", event_id(raw.hex()), None)  # reading it says what is wrong with it
    resource, response = member(said, "resource"), member(said, "response")
    number = text_of(member(response, "etag")).removeprefix("W/").strip('"')
    at = instant_of(text_of(member(response, "lastModified")))
    if text_of(member(said, "request", "method")) == "DELETE":
        named, _, id_ = local(text_of(member(said, "request", "url")).split("?")[0]).partition("/")
        at = at or (after + timedelta(microseconds=1) if after is not None else None)
        return Version(raw, {}, kind, id_, number, at, deleted=True) if named == kind and id_ else None
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        return None
    number = text_of(member(resource, "meta", "versionId")) or number
    at = instant_of(text_of(member(resource, "meta", "lastUpdated"))) or at
    return Version(raw, resource, kind, text_of(resource.get("id")), number, at)


def in_groups(of: Iterable[_Any], size: int) -> Iterator[Sequence[_Any]]:
    """So many at a time, in order."""
    listed = list(of)
    return (listed[start : start + size] for start in range(0, len(listed), size))


def read_until(kind: str) -> tuple[str, ...]:
    """Under which a memory notes until when a kind has been read."""
    return ("fhir", "read", kind)


AGAIN = ("fhir", "again")
"""Under which a memory notes how often all has been read again."""


def known_by(memory: Memory, patient: str) -> tuple[str, ...]:
    """Under which a memory notes by what a Patient was identified, since all was last read again."""
    return ("fhir", "patient", memory.noted(AGAIN), patient)
