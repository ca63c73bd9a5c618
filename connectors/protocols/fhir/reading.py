"""What a resource or a bundle says, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from connectors.facts.fact import Fact, Found, NotAFact, Passed, Reading, Refusal
from connectors.facts.profile import Profile
from connectors.protocols.fhir.medications import read_given, read_request
from connectors.protocols.fhir.mitigations import ISSUE, read_mitigations
from connectors.protocols.fhir.observations import read_observation
from connectors.protocols.fhir.resource import (
    DOUBTFUL,
    OURS,
    Deleted,
    Resource,
    each,
    is_doubtful,
    listed,
    member,
    only_known,
    text_of,
)
from connectors.protocols.fhir.times import moment


def read(raw: bytes, profile: Profile) -> list[Reading]:
    """What each resource says; those of tests are apart.

    Args:
        raw: a resource or a bundle in JSON.
        profile: of the server; its ``servers`` are the addresses beside which an id is one thing.

    Raises:
        NotAFact: ``unsupported`` or ``malformed``: nothing of it can be read.
    """
    readings = []
    for one in each(raw, profile):
        if isinstance(one, Deleted):
            key = ("fhir", profile.server, one.type, one.id, "*")
            gone = Fact(key, "", {}, None, None, one.place, "retracted")
            readings.append(Reading((gone,), False, _version(key, one.when, one.version)))
        else:
            found = tuple(_found(one, profile))
            when = text_of(member(one.body, "meta", "lastUpdated"))
            number = text_of(member(one.body, "meta", "versionId"))
            version = _version(one.key("*"), when, number) if text_of(one.body.get("id")) else None
            readings.append(Reading(found, one.is_test, version, _all_of(one, found)))
    return readings


def _all_of(resource: Resource, found: tuple[Found, ...]) -> tuple[str, ...]:
    """The key of all that a resource says, where what it said before and does not any more was never so."""
    said = next((fact.key for fact in found if isinstance(fact, Fact) and fact.status != "retracted"), ())
    whole = (
        resource.status in _SAYS.get(resource.type, ()) and text_of(resource.body.get("id")) and not _is_ours(resource)
    )
    return said or (resource.key("*") if whole else ())


def _version(key: tuple[str, ...], when: str, number: str) -> tuple[tuple[str, ...], datetime, str] | None:
    """The resource, when its server made this version of it, where it says, and the version's id."""
    try:
        made = moment(when)
    except NotAFact:
        return None
    return (key, made.at, number) if made is not None and made.at.tzinfo is not None else None


def _found(resource: Resource, profile: Profile) -> Iterator[Found]:
    if _is_ours(resource) and resource.type == ISSUE:
        return read_mitigations(resource, profile)
    if _is_ours(resource):
        return iter([Passed(resource.place, "what a twin wrote itself")])
    reader = _READERS.get(resource.type)
    if reader is None:
        return iter([Passed(resource.place, f"a resource that is not read ({resource.type[:40]})")])
    return reader(resource, profile)


def _is_ours(resource: Resource) -> bool:
    tags = listed(member(resource.body, "meta", "tag"))
    return any(text_of(tag.get("system")) == OURS for tag in tags)


def _report(resource: Resource, profile: Profile) -> Iterator[Found]:
    """A DiagnosticReport: the results that it holds itself (``contained``), each an Observation of its own."""
    try:
        only_known(resource.body)
        if resource.status == "entered-in-error":
            yield Fact(resource.key("*"), "", {}, None, None, resource.place, "retracted")
            return
        listed_ = {text_of(one.get("reference")) for one in listed(resource.body.get("result"))}
        resource.key("*")  # without an id nothing in it could be corrected
    except NotAFact as error:
        yield Refusal(resource.place, error.reason, error.detail)
        return
    held = [one for one in listed(resource.body.get("contained")) if f"#{text_of(one.get('id'))}" in listed_]
    for number, body in enumerate(held, start=1):
        if body.get("resourceType") == "Observation" and text_of(body.get("status")) != "entered-in-error":
            yield from read_observation(resource.held(body, f"contained[{number}]"), profile)
    if not held:
        yield Passed(resource.place, "a report, which gives its results their time and subject")


def _association(resource: Resource, profile: Profile) -> Iterator[Found]:
    """A DeviceUseStatement: whose a device is, from when on, and until when."""
    body, place = resource.body, resource.place
    try:
        only_known(body)
        if resource.status == "entered-in-error":
            yield Fact(resource.key("*"), "", {}, None, None, place, "retracted")
            return
        if resource.status in ("intended", "on-hold"):
            yield Passed(place, "a device that is not used yet")
            return
        device = resource.device_id()
        if not device:
            raise NotAFact("unknown_device", "no reference to a device")
        period = body.get("timingPeriod")
        begins = moment(member(period, "start")) or moment(body.get("timingDateTime"))
        if begins is None:
            raise NotAFact("no_time", "no time of use (timingPeriod, timingDateTime); an association needs one")
        subject = resource.subject(profile.pseudonyms)
        bound = {"device_id": device, "associated": True}
        yield Fact(resource.key("begins"), "device_association", bound, subject, begins, place)
        if ends := moment(member(period, "end")):
            yield Fact(resource.key("ends"), "device_association", bound | {"associated": False}, subject, ends, place)
    except NotAFact as error:
        yield Refusal(place, error.reason, error.detail)


def _patient(resource: Resource, profile: Profile) -> Iterator[Found]:  # noqa: ARG001 (as every reader)
    """A Patient: whose identifiers are looked up where a fact refers to it. One that was merged is reported."""
    if is_doubtful(resource.body):
        yield Refusal(resource.place, "no_patient", DOUBTFUL)
    else:
        yield Passed(resource.place, "a patient, who is no fact")


_READERS: dict[str, Callable[[Resource, Profile], Iterator[Found]]] = {
    "Observation": read_observation,
    "MedicationAdministration": read_given,
    "MedicationStatement": read_given,
    "MedicationRequest": read_request,
    "DeviceUseStatement": _association,
    "DiagnosticReport": _report,
    "Patient": _patient,
}

_SAYS = {
    "Observation": ("preliminary", "final", "amended", "corrected"),
    "MedicationAdministration": ("completed", "stopped", "not-done"),
    "MedicationStatement": ("completed", "stopped", "not-taken"),
    "MedicationRequest": ("active",),
    "DeviceUseStatement": ("active", "completed"),
    "DiagnosticReport": ("preliminary", "final", "amended", "corrected", "appended"),
}
"""States in which a version stands for the whole: one that was cancelled, or is unknown, takes nothing back."""

FACTS = tuple(kind for kind in _READERS if kind != "Patient")
"""The kinds of resources that hold facts."""

WANTED = (*FACTS, ISSUE)
"""The kinds that a profile may name; one that names none has those with facts."""
