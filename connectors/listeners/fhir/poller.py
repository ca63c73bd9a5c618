"""What is new on a FHIR server: each kind's history since it was last read, from the oldest version to the newest.

::

    T = server's clock at the first page
    pages of Kind/_history?_since=(last T - two minutes)     newest first: gathered, then read from the oldest on
    each version not seen before, with what it refers to  ->  Intake.take  ->  Kafka has it
    note T

What lies in the overlap is known by id and version and tells nothing. A server without histories is searched by
``_lastUpdated``, which never shows what was deleted. Where the pages of a history expire before the last has come, it
is read again from what was confirmed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import structlog

from connectors.listeners.fhir.entries import Version, in_groups, read_until, version_of
from connectors.listeners.fhir.references import References, entry, is_bare
from connectors.listeners.fhir.spool import Spool
from connectors.listeners.intake import MOST_TOGETHER, Intake, NotSafe
from connectors.protocols.fhir.reading import FACTS, read
from connectors.protocols.fhir.resource import listed, member, placed, text_of
from connectors.protocols.fhir_servers.server import Gone, Page, Server, Unusable, entries_of

OVERLAP = timedelta(minutes=2)
"""So much is read again each time: what a transaction of the server wrote late has an earlier time."""

FOLLOWED = {
    "Patient": (),
    "Device": (),
    "DeviceMetric": (),
    "Medication": (("MedicationAdministration", "medication"), ("MedicationRequest", "medication"),
                   ("MedicationStatement", "medication")),
    "Specimen": (("Observation", "specimen"),),
}  # fmt: skip
"""Kinds that facts refer to, each with the searches that find what refers to one that has changed."""

MOST_SEEN = 50_000
"""Versions that are known without asking the memory; the newest."""

MOST_EXPIRED = 5
"""Times that a history is begun again because its pages expired, before the next turn."""

_log = structlog.get_logger("dosetwin.fhir")


@dataclass
class Poller:
    """Reads one server for one source.

    Attributes:
        server: that is asked.
        intake: of the source; its profile says the server's addresses and which kinds are wanted.
        folder: of what does not fit into memory; None keeps it in the system's.
        since: from when on, where it was never read; all there is, if None.
        count: versions on a page.
        sleep: waits so many seconds.
    """

    server: Server
    intake: Intake
    folder: Path | None = None
    since: datetime | None = None
    count: int = MOST_TOGETHER
    sleep: Callable[[float], Any] = asyncio.sleep
    histories: dict[str, bool] = field(default_factory=dict)
    finished: float = field(default_factory=monotonic)
    rounds: int = 0

    def __post_init__(self) -> None:
        self._references = References(self.server, self.intake.profile, self.intake.memory)
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._whole: OrderedDict[str, None] = OrderedDict()
        self._complained: set[str] = set()

    @property
    def facts(self) -> tuple[str, ...]:
        """The kinds with facts that are wanted and that the server has."""
        return tuple(kind for kind in self._wanted if kind in self.histories)

    @property
    def _wanted(self) -> tuple[str, ...]:
        """Reports come last, and wherever observations are wanted: they give them time and subject, or hold them."""
        wanted = self.intake.profile.resources or FACTS
        reports = ("DiagnosticReport",) if {"Observation", "DiagnosticReport"} & set(wanted) else ()
        return tuple(kind for kind in wanted if kind not in reports) + reports

    async def run(self, wake: asyncio.Event, every: float) -> None:
        """Read whenever it is woken, and at least each so many seconds, until cancelled."""
        while True:
            wake.clear()
            try:
                if not self.histories:
                    await self.look()
                await self.turn()
            except Unusable as error:
                self._complain("server", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await wake.wait()

    async def look(self) -> None:
        """Ask the server what it has (``metadata``): which kinds, and which of them with their history.

        Raises:
            Unusable: it does not say.
        """
        try:
            raw, _ = await self.server.ask("GET", "metadata")
            said = json.loads(raw)
        except (Gone, ValueError, RecursionError):
            raise Unusable("no CapabilityStatement at 'metadata'; is --server the base of a FHIR server?") from None
        found = {}
        for rest in listed(member(said, "rest")):
            for one in listed(rest.get("resource")):
                can = {text_of(act.get("code")) for act in listed(one.get("interaction"))}
                if can & {"history-type", "search-type"}:
                    found[text_of(one.get("type"))] = "history-type" in can
        wanted = self._wanted
        if not any(kind in found for kind in wanted):
            raise Unusable(f"its CapabilityStatement has none of {', '.join(wanted)}")
        self.histories = {kind: found[kind] for kind in (*FOLLOWED, *wanted) if kind in found}
        if absent := [kind for kind in wanted if kind not in found]:
            _log.warning("the server does not have these kinds", kinds=absent)
        if blind := self.without_history:
            _log.warning("the server keeps no history of these: what is deleted there is not seen", kinds=blind)

    @property
    def without_history(self) -> list[str]:
        """Kinds whose deletions are not seen."""
        return [kind for kind, kept in self.histories.items() if not kept]

    async def turn(self) -> None:
        """Read every kind once: what facts refer to, then the facts."""
        whole = True
        for kind in (*(kind for kind in FOLLOWED if kind in self.histories), *self.facts):
            try:
                await self._read(kind)
                self._complained.discard(kind)
            except Unusable as error:
                whole = False
                self._complain(kind, error)
        if whole:
            self.rounds += 1
            self.finished = monotonic()

    def _complain(self, kind: str, error: Unusable) -> None:
        """Say it once, not at each turn."""
        if kind not in self._complained:
            self._complained.add(kind)
            _log.error("the server cannot be read", kind=kind, why=str(error))

    async def _read(self, kind: str) -> None:
        memory, name = self.intake.memory, read_until(kind)
        noted = memory.noted(name)
        since = datetime.fromisoformat(noted) if noted else None
        if kind in FOLLOWED and since is None:  # all is looked up as it stands now; what changes from now on counts
            memory.note(name, (await self._clock(kind)).isoformat())
            return
        if kind not in FOLLOWED and since is None:
            since = self.since
        read_since = self._history if self.histories[kind] else self._search
        for _ in range(MOST_EXPIRED):
            start = since - OVERLAP if since is not None else None
            try:
                clock = await read_since(kind, start)
            except Gone:
                noted = memory.noted(name)
                since = datetime.fromisoformat(noted) if noted else since
                _log.warning("the pages of a history expired before the last had come", kind=kind)
                await self.sleep(1.0)
                continue
            if clock is not None:
                memory.note(name, clock.isoformat())
            return
        raise Unusable("its pages expire before the last has come; read a shorter time (--since) first")

    async def _clock(self, kind: str) -> datetime:
        page = await self._first(kind, {"_count": "1"}, history=self.histories[kind])
        if page.clock is None:
            raise Unusable("neither Bundle.meta.lastUpdated nor a Date: its clock is not known")
        return page.clock

    async def _first(self, kind: str, parameters: dict[str, str], *, history: bool) -> Page:
        """The first page, which cannot have expired."""
        url = f"{kind}/_history" if history else kind
        try:
            return await self.server.page(url, parameters)
        except Gone:
            raise Unusable(f"no {url}, which its CapabilityStatement has") from None

    async def _history(self, kind: str, since: datetime | None) -> datetime | None:
        """All versions since then; the server's clock when it was asked."""
        parameters = {"_count": str(self.count)} | ({"_since": _said(since)} if since else {})
        page = await self._first(kind, parameters, history=True)
        clock, links = page.clock, set()
        with Spool(self.folder) as spool:
            spool.put(page.raw)
            while page.next:
                if page.next in links:
                    raise Unusable("its pages lead in a circle")
                links.add(page.next)
                page = await self.server.page(page.next)
                spool.put(page.raw)
            at = since
            for raw in spool.from_the_last():
                versions = []
                for one in reversed(entries_of(raw)):
                    version = version_of(one, kind, after=at)
                    if version is not None:
                        at = version.at or at
                        versions.append(version)
                await self._confirmed(kind, versions)
                if at is not None and versions and (clock is None or at < clock):
                    self.intake.memory.note(read_until(kind), at.isoformat())
        return clock

    async def _search(self, kind: str, since: datetime | None) -> datetime | None:
        """All that has changed since then, page by page from the last time seen: no page moves under our feet."""
        clock: datetime | None = None
        at, url, links = since, kind, set[str]()
        while True:
            parameters = {"_sort": "_lastUpdated", "_count": str(self.count)}
            parameters |= {"_lastUpdated": f"ge{_said(at)}"} if at else {}
            if url == kind:
                page = await self._first(kind, parameters, history=False)
            else:
                page = await self.server.page(url)
            clock = clock or page.clock
            versions = [found for one in page.entries if (found := version_of(one, kind, after=None)) is not None]
            await self._confirmed(kind, versions)
            last = max((one.at for one in versions if one.at is not None), default=None)
            if not page.next:
                return clock
            if last is not None and (at is None or last > at):
                at, url = last, kind
                continue
            if page.next in links:
                raise Unusable("its pages lead in a circle")
            links.add(page.next)
            url = page.next

    async def _confirmed(self, kind: str, versions: Sequence[Version]) -> None:
        """Take what was not seen before; done when Kafka has it."""
        fresh = [one for one in versions if one.key not in self._seen]
        if kind in FOLLOWED:
            await self._followed(kind, fresh)
        else:
            await self._take(fresh)
        if kind == "DiagnosticReport":
            results = [id_ for one in fresh if not one.deleted for id_ in self._untold(one)]
            await self._again("Observation", "_id", list(dict.fromkeys(results)))
        for one in fresh:
            if one.version:
                self._seen[one.key] = None
        while len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)

    async def _take(self, versions: Iterable[Version]) -> None:
        for some in in_groups(versions, MOST_TOGETHER):
            beside = await self._references.beside([one.body for one in some])
            await self._safe([one.message(others) for one, others in zip(some, beside, strict=True)])
            for one in some:
                if one.kind == "Observation" and not is_bare(one.body):
                    self._whole[one.id] = None
            while len(self._whole) > MOST_SEEN:
                self._whole.popitem(last=False)

    async def _safe(self, messages: Sequence[bytes]) -> None:
        """Until Kafka has all that they tell; what it has already is told once all the same."""
        profile, wait = self.intake.profile, 0.5
        while True:
            taking = [self.intake.take(raw, partial(read, raw, profile)) for raw in messages]
            outcomes = await asyncio.gather(*taking, return_exceptions=True)
            faults = [one for one in outcomes if isinstance(one, BaseException)]
            for fault in faults:
                if not isinstance(fault, NotSafe):
                    raise fault
            if not faults:
                return
            await self.sleep(wait)
            wait = min(2 * wait, 30.0)

    async def _followed(self, kind: str, versions: Iterable[Version]) -> None:
        """What facts refer to has changed: it is looked up anew, and what depends on it is read again."""
        for one in versions:
            missed = self._references.forget(f"{kind}/{one.id}")
            if kind == "Patient" and not one.deleted:
                await self._safe([_alone(one)])  # one that was merged is reported
            elif missed or one.version != "1":
                for other, parameter in FOLLOWED[kind]:
                    if other in self.facts:
                        await self._again(other, parameter, [f"{kind}/{one.id}"])

    def _untold(self, report: Version) -> list[str]:
        """Ids of a report's results that may need what it says of them: unless they have time and subject themselves,
        those of which nothing was told yet, and all of them where it is a later version."""
        found = []
        for result in listed(report.body.get("result")):
            server, name = placed(text_of(result.get("reference")), self.intake.profile.servers)
            kind, _, id_ = name.partition("/")
            key = ("fhir", self.intake.profile.server, kind, id_, "*")
            ours = server == self.intake.profile.server and kind == "Observation" and id_ not in self._whole
            if ours and (report.version != "1" or not self.intake.memory.family(key)):
                found.append(id_)
        return found

    async def _again(self, kind: str, parameter: str, values: Sequence[str]) -> None:
        """Read again what a search finds."""
        for some in in_groups(values, MOST_TOGETHER // 4):
            bodies = await self._references.search(kind, {parameter: ",".join(some)})
            entries = [json.dumps({"resource": body}).encode() for body in bodies]
            await self._take([one for raw in entries if (one := version_of(raw, kind, after=None)) is not None])


def _alone(version: Version) -> bytes:
    """A Patient with what is kept of it: no name reaches the messages that are kept."""
    kept = json.loads(entry(version.body))["resource"] | {"meta": version.body.get("meta")}
    return json.dumps(kept).encode()


def _said(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
