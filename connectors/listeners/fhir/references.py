"""What resources refer to, looked up at their own server alone, many at a time, and kept for a while.

Of a Patient only identifiers, links and whether it is active are kept; who that is, nobody here needs to know.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from time import monotonic
from typing import Any

import structlog

from connectors.facts.fact import NotAFact
from connectors.facts.memory import Memory
from connectors.facts.profile import Profile
from connectors.listeners.fhir.entries import in_groups, known_by, version_of
from connectors.protocols.fhir.resource import Json, listed, member, placed, subjects_of, text_of
from connectors.protocols.fhir_servers.server import Gone, Server, Unusable
from twin.events import event_id

KEPT = {
    "Patient": ("identifier", "active", "link"),
    "Specimen": ("status", "type", "collection"),
    "Device": ("identifier",),
    "DeviceMetric": ("source",),
    "Medication": ("code", "ingredient"),
    "Encounter": ("location",),
    "DiagnosticReport": ("status", "subject", "effectiveDateTime", "effectivePeriod", "result"),  # never what it holds
}
"""What is kept of each kind, beside its id."""

MOST_KEPT = 20_000
"""Resources that are kept; the least used goes first."""

KEPT_SECONDS = 300.0

AT_ONCE = 100
"""Ids in one question."""

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}$")

_log = structlog.get_logger("dosetwin.fhir")


class References:
    """The resources that others refer to.

    Args:
        server: that is asked.
        profile: of the source: the server's addresses in references, and whose identifiers of a Patient count.
        memory: of the source, which notes what each Patient was identified by.
        now: a monotonic clock in seconds.
    """

    def __init__(self, server: Server, profile: Profile, memory: Memory, now: Callable[[], float] = monotonic) -> None:
        self._server = server
        self._profile = profile
        self._servers = profile.servers
        self._memory = memory
        self._now = now
        self._known: OrderedDict[str, tuple[float, bytes | None]] = OrderedDict()

    def forget(self, name: str) -> bool:
        """It has changed; whether it was looked for before and not there."""
        known = self._known.pop(name, None)
        return known is not None and known[1] is None

    async def beside(self, bodies: Sequence[Json]) -> list[list[bytes]]:
        """For each resource what it refers to, as entries of a bundle.

        Raises:
            Passing: never; the server is asked until it answers. What it does not give is left out.
        """
        reports = await self._reports(bodies)
        names = [self._named(body, reports.get(_name_of(body))) for body in bodies]
        await self._fetch(chain.from_iterable(names))
        sources = [self._sources(named) for named in names]
        await self._fetch(chain.from_iterable(sources))
        found = []
        for body, named, source in zip(bodies, names, sources, strict=True):
            entries = [self._known[name][1] for name in dict.fromkeys([*named, *source]) if name in self._known]
            report = reports.get(_name_of(body))
            found.append([one for one in [*entries, entry(report) if report else None] if one is not None])
        return found

    def _named(self, body: Json, report: Json | None) -> list[str]:
        """The names of what a resource refers to, as far as it is of this server and of a kind that is read."""
        parts = ["subject", "patient", "specimen", "device", "medicationReference"]
        parts += ["encounter"] if body.get("resourceType") == "MedicationRequest" else []  # where it was ordered
        bodies = [body, *([report] if report else []), *listed(body.get("contained"))]
        said = [member(one, part, "reference") for one in bodies for part in parts]
        return [name for one in said if (name := self._own(text_of(one)))]

    def _own(self, reference: str) -> str:
        server, name = placed(reference, self._servers)
        kind, _, id_ = name.partition("/")
        return name if server == self._servers[0] and kind in KEPT and _ID.match(id_) else ""

    def _sources(self, names: Iterable[str]) -> list[str]:
        """The devices that metrics are of."""
        metrics = [self._known[name][1] for name in names if name.startswith("DeviceMetric/") and name in self._known]
        said = [member(json.loads(one), "resource", "source", "reference") for one in metrics if one is not None]
        return [name for one in said if (name := self._own(text_of(one)))]

    async def _fetch(self, names: Iterable[str]) -> None:
        """Look up what is not known, or was too long ago."""
        wanted: defaultdict[str, list[str]] = defaultdict(list)
        for name in dict.fromkeys(names):
            until, _ = self._known.get(name, (0.0, None))
            if self._now() < until:
                self._known.move_to_end(name)
            else:
                kind, _, id_ = name.partition("/")
                wanted[kind].append(id_)
        for kind, ids in wanted.items():
            for some in in_groups(ids, AT_ONCE):
                try:
                    found = await self.search(kind, {"_id": ",".join(some)})
                except Unusable as error:
                    _log.warning("what is referred to cannot be read", kind=kind, why=str(error))
                    continue
                with self._memory.together():
                    there = {_name_of(body): entry(body, doubtful=self._is_another(body)) for body in found}
                for id_ in some:
                    name = f"{kind}/{id_}"
                    self._known[name] = (self._now() + KEPT_SECONDS, there.get(name))
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)

    def _is_another(self, body: Json) -> bool:
        """Whether a Patient is identified otherwise than before: the facts of two people may be under its name."""
        pseudonyms = self._profile.pseudonyms
        if body.get("resourceType") != "Patient" or not pseudonyms.authorities:
            return False
        try:
            subject = pseudonyms.choose(subjects_of(body))
        except NotAFact:
            return False  # reading the fact says what is wrong
        name, who = known_by(self._memory, text_of(body.get("id"))), event_id(subject.authority, subject.id)
        noted = self._memory.noted(name)
        if not noted:
            self._memory.note(name, who)
        elif noted != who:
            _log.error("a Patient has another identifier than before; --again moves all that was told of it")
        return bool(noted) and noted != who

    async def _reports(self, bodies: Sequence[Json]) -> dict[str, Json]:
        """The report that lists it, of each observation that lacks a time or a subject."""
        names = [_name_of(body) for body in bodies if is_bare(body)]
        reports: dict[str, Json] = {}
        for some in in_groups([name for name in names if _ID.match(name.partition("/")[2])], AT_ONCE // 2):
            try:
                found = await self.search("DiagnosticReport", {"result": ",".join(some)})
            except Unusable as error:
                _log.warning("what is referred to cannot be read", kind="DiagnosticReport", why=str(error))
                continue
            for report in found:
                for result in listed(report.get("result")):
                    reports[self._result(result)] = report
        return reports

    def _result(self, result: Json) -> str:
        server, name = placed(text_of(result.get("reference")), self._servers)
        return name if server == self._servers[0] else ""

    async def search(self, kind: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        """All that a search gives of a kind.

        Raises:
            Unusable: the server does not give it.
        """
        found: list[dict[str, Any]] = []
        seen: set[str] = set()
        url, said = kind, {**parameters, "_count": str(AT_ONCE)}
        while url and url not in seen:
            seen.add(url)
            try:
                page = await self._server.page(url, said)
            except Gone:
                break
            versions = [version_of(raw, kind, after=None) for raw in page.entries]
            found += [one.body for one in versions if one is not None and not one.deleted]
            url, said = page.next, {}
        return found


def entry(body: Json, *, doubtful: bool = False) -> bytes:
    """A resource as an entry that is there to be referred to, with what is kept of it.

    Args:
        body: the resource.
        doubtful: whether it is a Patient whose facts are to be refused.
    """
    kind = text_of(body.get("resourceType"))
    kept = {name: body[name] for name in ("resourceType", "id", *KEPT[kind]) if name in body}
    kept |= {"active": False} if doubtful else {}
    return json.dumps({"search": {"mode": "include"}, "resource": kept}).encode()


def _name_of(body: Json) -> str:
    return f"{text_of(body.get('resourceType'))}/{text_of(body.get('id'))}"


def is_bare(body: Json) -> bool:
    """Whether it is an observation that lacks what a report may say for it."""
    timed = any(name in body for name in ("effectiveDateTime", "effectivePeriod", "effectiveInstant", "specimen"))
    return body.get("resourceType") == "Observation" and not (timed and "subject" in body)
