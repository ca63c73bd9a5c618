"""A resource as it stands in a bundle, and what it refers to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from connectors.facts.codes import Coding
from connectors.facts.fact import NotAFact, Subject, shown
from connectors.facts.patients import Pseudonyms
from connectors.facts.profile import Profile
from connectors.protocols.items import decoded

Json = Mapping[str, Any]

MOST_ENTRIES = 10_000
"""Resources of a bundle that are read."""

_TESTS = {"htest", "test", "demo", "test-data"}
"""Codes of tags and security labels (``meta``) on what is no real patient's, HTEST being HL7's own (v3-ActReason)."""

_READ = {"searchset", "history", "message", "collection", "document", "batch", "batch-response", ""}
"""Kinds of bundles whose entries each stand alone; a transaction is done as a whole or not at all: here, not at all."""

OURS = "urn:dosetwin:output"
"""System of the tag on what twins wrote to a server: it never comes back as a measurement."""


def loaded(raw: bytes) -> dict[str, Any]:
    """The JSON object in bytes.

    Raises:
        NotAFact: ``unsupported`` of XML, ``malformed`` of what is no JSON object.
    """
    text = raw.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        raise NotAFact("unsupported", "XML; send JSON (application/fhir+json)")
    said = decoded(text)
    if not isinstance(said, dict) or not isinstance(said.get("resourceType"), str):
        raise NotAFact("malformed", "no resource: an object has its 'resourceType'")
    return said


def listed(value: object) -> list[Json]:
    """The objects of an array; nothing else is in it."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def text_of(value: object) -> str:
    """A string without blanks around it; empty where there is none."""
    return value.strip() if isinstance(value, str) else ""


def member(value: object, *names: str) -> Any:
    """What stands under names within one another; None where something on the way is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


@dataclass(frozen=True)
class Resource:
    """A resource, the place where it stands, and the bundle around it.

    Attributes:
        body: its JSON.
        place: where it stands: ``entry[3]``, or ``resource``.
        url: of its entry, by which others of the bundle refer to it.
        others: what the bundle has by URL and by ``Type/id``.
        servers: addresses of the server; the first is the one beside which an id is one thing.
        devices: systems whose identifier of a Device is its id here.
        reports: of results by reference, the diagnostic report that lists them.
        of_test: whether the bundle says that it is a test.
    """

    body: Json
    place: str = "resource"
    url: str = ""
    others: Mapping[str, Json] = field(default_factory=dict)
    servers: tuple[str, ...] = ("",)
    devices: tuple[str, ...] = ()
    reports: Mapping[str, Json] = field(default_factory=dict)
    of_test: bool = False
    container: Resource | None = None
    """The resource that holds this one, whose id is of no use outside it."""

    @property
    def base(self) -> str:
        """Of its server; empty where no profile says it."""
        return self.servers[0]

    @property
    def type(self) -> str:
        """Its kind."""
        return text_of(self.body.get("resourceType"))

    @property
    def status(self) -> str:
        """Its status, as it writes it."""
        return text_of(self.body.get("status"))

    @property
    def is_test(self) -> bool:
        """Whether it says that it is of a test."""
        return self.of_test or of_a_test(self.body)

    def key(self, part: str) -> tuple[str, ...]:
        """What makes a fact in it this fact: server, kind, id (or business identifier), and which part of it.

        Raises:
            NotAFact: ``incomplete`` where it has neither.
        """
        id_ = text_of(self.body.get("id"))
        if self.container is not None:
            return self.container.key(f"#{id_} {part}")
        if id_:
            return ("fhir", self.base, self.type, id_, part)
        identifiers = self.body.get("identifier")
        for one in listed(identifiers if isinstance(identifiers, list) else [identifiers]):
            if value := text_of(one.get("value")):
                return ("fhir", self.base, self.type, f"{text_of(one.get('system'))}|{value}", part)
        raise NotAFact("incomplete", "neither 'id' nor 'identifier', by which a correction would be known")

    def refer(self, reference: object) -> Json | None:
        """The resource that a reference is of, in this one (``#id``) or in the bundle; never one of another server."""
        said = text_of(member(reference, "reference"))
        if said.startswith("#"):
            return next((one for one in listed(self.body.get("contained")) if one.get("id") == said[1:]), None)
        if (found := self.others.get(said.partition("/_history/")[0])) is not None:
            return found
        server, named = placed(said, self.servers)
        return self.others.get(named) if server == self.base else None

    def held(self, body: Json, where: str) -> Resource:
        """A resource that this report holds and lists as its result."""
        own = {**body, "contained": self.body.get("contained")}
        reports = {f"{text_of(body.get('resourceType'))}/{text_of(body.get('id'))}": self.body}
        return replace(self, body=own, place=f"{self.place}.{where}", url="", reports=reports, container=self)

    @property
    def report(self) -> Json | None:
        """The diagnostic report of the bundle that lists it."""
        return self.reports.get(f"{self.type}/{text_of(self.body.get('id'))}") or self.reports.get(self.url)

    def subject(self, pseudonyms: Pseudonyms) -> Subject:
        """Whose it is: the patient's identifier of an authority that counts, else the reference itself.

        So that a patient is one person whether or not the bundle has the patient's own resource.

        Raises:
            NotAFact: ``no_patient`` or ``unknown_patient_id``.
        """
        report = self.report
        subject = self.body.get("subject") or self.body.get("patient") or member(report, "subject")
        reference = text_of(member(subject, "reference"))
        server, said = placed(reference, self.servers)
        patient = self.refer(subject)
        if patient is not None and is_doubtful(patient):
            raise NotAFact("no_patient", DOUBTFUL)
        found = [*subjects_of(patient), *subjects_of({"identifier": [member(subject, "identifier")]})]
        if patient is not None and patient.get("resourceType") != "Patient":
            raise NotAFact("no_patient", "the subject is no Patient")
        if said and not said.startswith(("#", "urn:")):
            if not said.startswith("Patient/"):
                raise NotAFact("no_patient", "the subject is no Patient")
            itself = Subject(said, server)
            found = [*found, itself] if pseudonyms.authorities else [itself]
        return pseudonyms.choose(found)

    def device_id(self) -> str:
        """The device that it refers to: its identifier of a system that counts, else as the reference names it."""
        reference = self.body.get("device")
        device = self.refer(reference)
        if member(device, "resourceType") == "DeviceMetric" and (source := member(device, "source")) is not None:
            reference, device = source, self.refer(source)
        identifiers = [*listed(member(device, "identifier")), *listed([member(reference, "identifier")])]
        for system in self.devices:
            for one in identifiers:
                if text_of(one.get("system")) == system and (value := text_of(one.get("value"))):
                    return value[:64]
        return local(text_of(member(reference, "reference")))[:64]


class Deleted(NamedTuple):
    """An entry of a history that says that a resource was deleted, and when, by which version, where it says that."""

    place: str
    type: str
    id: str
    when: str
    version: str


DOUBTFUL = "a Patient that is not active, linked to another, or identified otherwise than before; which one counts?"


def subjects_of(patient: Json | None) -> list[Subject]:
    """The identifiers of a Patient, each beside its authority."""
    found = []
    for one in listed(member(patient, "identifier")):
        if value := text_of(one.get("value")):
            code = next((text_of(c.get("code")) for c in listed(member(one, "type", "coding"))), "")
            found.append(Subject(value, text_of(one.get("system")), code))
    return found


def is_doubtful(patient: Json) -> bool:
    """Whether a Patient may have been merged with another (``active`` false, or any ``link``)."""
    return patient.get("active") is False or bool(listed(patient.get("link")))


def local(reference: str) -> str:
    """``Type/id`` of a reference, wherever its server and whichever its version."""
    return "/".join(reference.partition("/_history/")[0].split("/")[-2:])


def placed(reference: str, servers: tuple[str, ...] = ("",)) -> tuple[str, str]:
    """The server of a reference and its ``Type/id`` there; a relative one is of the first of ``servers``.

    Args:
        reference: as it stands, of whichever version.
        servers: addresses of the one server that is meant here.
    """
    said = reference.partition("/_history/")[0]
    if "://" not in said:
        return servers[0], local(said)
    base, _, id_ = said.rpartition("/")
    base, _, kind = base.rpartition("/")
    return (servers[0] if base in servers else base), f"{kind}/{id_}"


def of_a_test(body: Json) -> bool:
    """Whether the resource or bundle says that it is of a test."""
    labels = [*listed(member(body, "meta", "tag")), *listed(member(body, "meta", "security"))]
    return any(text_of(label.get("code")).lower() in _TESTS for label in labels)


def codings(concept: object) -> list[Coding]:
    """The codings of a CodeableConcept."""
    return [
        Coding(text_of(one.get("code")), text_of(one.get("system")), text_of(one.get("display")))
        for one in listed(member(concept, "coding"))
    ]


def finite(value: object) -> float | None:
    """A number that is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 else None


def only_known(body: Json) -> None:
    """Refuse what has an extension that must not be overlooked (hl7.org/fhir/R4/extensibility.html).

    Raises:
        NotAFact: ``unsupported``.
    """
    if body.get("implicitRules"):
        raise NotAFact("unsupported", "implicitRules, which change what the rest means and are not known here")
    if _modified(body):
        raise NotAFact("unsupported", "a modifierExtension, which changes what the rest means and is not known here")


def _modified(value: object) -> bool:
    if isinstance(value, dict):
        return bool(value.get("modifierExtension")) or any(
            _modified(part) for name, part in value.items() if name != "contained"
        )
    return isinstance(value, list) and any(_modified(part) for part in value)


def each(raw: bytes, profile: Profile) -> Iterator[Resource | Deleted]:
    """The resources of a bundle, or the one there is, in the order in which they came to be.

    What a bundle that is no search has only for others to refer to (``search.mode`` ``include``) is not read itself.

    Raises:
        NotAFact: ``unsupported`` or ``malformed``.
    """
    body = loaded(raw)
    if body["resourceType"] != "Bundle":
        yield Resource(body, servers=profile.servers, devices=profile.devices)
        return
    kind = text_of(body.get("type"))
    if kind not in _READ:
        detail = f"a bundle of type {shown(kind)}; read are searchset, history, message, collection and batch"
        raise NotAFact("unsupported", detail)
    entries = listed(body.get("entry"))
    if len(entries) > MOST_ENTRIES:
        raise NotAFact("unsupported", f"a bundle of {len(entries)} entries; at most {MOST_ENTRIES} are read")
    others: dict[str, Json] = {}
    reports: dict[str, Json] = {}
    for entry in entries:
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            continue
        others[text_of(entry.get("fullUrl"))] = resource
        others[f"{text_of(resource.get('resourceType'))}/{text_of(resource.get('id'))}"] = resource
        if resource.get("resourceType") == "DiagnosticReport":
            for result in listed(resource.get("result")):
                said = text_of(result.get("reference")).partition("/_history/")[0]
                server, named = placed(said, profile.servers)
                reports[named if server == profile.server else said] = resource
    others.pop("", None)
    reports.pop("", None)
    test = of_a_test(body)
    numbered = list(enumerate(entries, start=1))
    if kind == "history":
        numbered.reverse()  # a server sends the newest first, and what was so last has the last word
    for number, entry in numbered:
        place, resource = f"entry[{number}]", entry.get("resource")
        method = text_of(member(entry, "request", "method"))
        if (method == "DELETE" and kind != "history") or method == "PATCH":
            continue  # a wish of a client, by conditions that only a server can look up
        if method == "DELETE":
            named, _, id_ = local(text_of(member(entry, "request", "url")).split("?")[0]).partition("/")
            response = member(entry, "response")
            version = text_of(member(response, "etag")).removeprefix("W/").strip('"')
            yield Deleted(place, named, id_, text_of(member(response, "lastModified")), version)
        elif isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
            if kind != "searchset" and member(entry, "search", "mode") == "include":
                continue
            url = text_of(entry.get("fullUrl"))
            yield Resource(resource, place, url, others, profile.servers, profile.devices, reports, test)
