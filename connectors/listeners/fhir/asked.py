"""What is asked of which server: where it is, how it is read, and that its memory is its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from connectors.facts.memory import Memory
from connectors.facts.profile import Profile, ProfileError
from connectors.listeners.fhir.entries import AGAIN, read_until
from connectors.protocols.fhir.reading import WANTED
from connectors.protocols.fhir_servers.server import Unusable, port_of, safe_address
from connectors.services.ports import joined

SERVER = ("fhir", "server")
"""Under which a memory notes which server it is of."""


@dataclass(frozen=True)
class Asked:
    """How a server is read.

    Attributes:
        server: its base address, where it is reached; that of the profile, if empty.
        since: from when on, where it was never read; all there is, if None.
        again: read from there on once more.
        every: seconds from one reading to the next, where nothing wakes it before.
        count: versions on a page.
        endpoint: our address as the server reaches it, for its notifications; without it none are asked for.
        plain: whether facts may come without TLS from another machine.
    """

    server: str = ""
    since: datetime | None = None
    again: bool = False
    every: float = 10.0
    count: int = 200
    endpoint: str = ""
    plain: bool = False

    @property
    def address(self) -> str:
        """Of the server, ``host:port``."""
        parts = urlsplit(self.server)
        return joined(parts.hostname or "", port_of(parts))

    def of(self, profile: Profile) -> tuple[Asked, Profile]:
        """What is asked, and the profile of the source, with all addresses of the server in it.

        Raises:
            ProfileError: it is of another protocol, names kinds without facts, or nobody says where the server is.
            Unusable: facts would come in the clear.
        """
        if profile.protocol != "fhir":
            raise ProfileError(
                f"source {profile.source!r} speaks {profile.protocol}; a FHIR server has protocol = 'fhir'"
            )
        if unknown := [kind for kind in profile.resources if kind not in WANTED]:
            raise ProfileError(f"field 'resources' {unknown[0]!r}: kinds that are read are {', '.join(WANTED)}")
        reached = (self.server or profile.server).rstrip("/")
        if not reached:
            raise ProfileError("where the server is: give --server, or server = 'https://...' in the profile")
        if not self.plain:
            safe_address(reached, f"--server {reached}: patients' facts would come in the clear; what is asked")
        servers = dict.fromkeys(one for one in (profile.server, reached) if one)
        return replace(self, server=reached), replace(profile, servers=tuple(servers))

    def remember(self, memory: Memory, profile: Profile) -> None:
        """Note which server the memory is of, and begin again where that is wanted.

        Raises:
            Unusable: it is of another one, whose ids would be taken for those of this one.
        """
        known = memory.noted(SERVER)
        if known and known != profile.server:
            mend = f"set server = {known!r} in the profile if it is the same one, else give the source another id"
            raise Unusable(f"the memory of source {profile.source!r} is of the server {known}: {mend}")
        memory.note(SERVER, profile.server)
        if self.again:
            memory.note(AGAIN, str(int(memory.noted(AGAIN) or 0) + 1))
            for kind in WANTED:
                memory.note(read_until(kind), self.since.isoformat() if self.since else "")


def as_read(profile: Profile, memory: Memory) -> Profile:
    """The profile with the server that its memory is of, where it names none itself."""
    known = memory.noted(SERVER)
    return replace(profile, servers=(known,)) if known and not profile.server else profile
