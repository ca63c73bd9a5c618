"""Who looked, as FHIR R4 AuditEvents by IHE's Basic Audit Log Patterns (BALP 1.1.4, profiles.ihe.net/ITI/BALP).

| access | profile | type, subtype, action |
|---|---|---|
| reading of a patient | PatientRead | rest, read, R |
| of the ward or the alerts | PatientQuery of each patient whom the group names, else Query | rest, search, E |
| action on an alert, question to a twin | PatientCreate (of an event) | rest, create, C |
| log-in, log-out | none of BALP's; as FHIR's own examples | DICOM 110114, 110122 or 110123, E |
| a console that begins or ends | none of BALP's | DICOM 110100, 110120 or 110121, E |
| what there is not, asked for by nobody | none of BALP's | DICOM 110113, E |

A group of patterns stands in the words of its Query. BALP's profiles are of what succeeded. What was refused or failed
has the same form, outcome 8 (refused), 4 (failed) and says why, and claims no profile. Patients, people and events are
named by identifiers alone.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from typing import Any

from connectors.audit.access import Access
from connectors.audit.reading import concerns
from connectors.protocols.fhir.outputs import PATIENTS, PERSON

Body = dict[str, Any]

PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
REST = "http://hl7.org/fhir/restful-interaction"
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
TAKES_PART = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ENTITIES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECTS = "http://terminology.hl7.org/CodeSystem/object-role"
SOURCES = "http://terminology.hl7.org/CodeSystem/security-source-type"

CONSOLE, EVENT, ROLE = "urn:dosetwin:console", "urn:dosetwin:event", "urn:dosetwin:role"
"""Systems of the console that tells, of the event that somebody sent, and of roles."""

_OF_DICOM = {
    ("console", "begins"): (("110100", "Application Activity"), ("110120", "Application Start")),
    ("console", "done"): (("110100", "Application Activity"), ("110121", "Application Stop")),
    "log_in": (("110114", "User Authentication"), ("110122", "Login")),
    "log_out": (("110114", "User Authentication"), ("110123", "Logout")),
    "knock": (("110113", "Security Alert"), None),
}

_READ, _QUERY, _CREATE = ("read", "R"), ("search", "E"), ("create", "C")

_OUTCOMES = {"done": "0", "begins": "4", "failed": "4", "refused": "8"}


def of_access(access: Access, patient: str | None = None) -> Iterator[Body]:
    """The AuditEvents of an access; of ``patient`` alone where one is named. An action that ``begins`` has no end."""
    if access.deed in ("act", "ask"):
        yield _of_patient(access, "PatientCreate", _CREATE, access.patient)
    elif access.what == "patient":
        yield _of_patient(access, "PatientRead", _READ, access.patient)
    elif access.deed == "read":
        yield from _of_group(access, patient)
    else:
        kind, part = _OF_DICOM.get((access.deed, access.outcome)) or _OF_DICOM[access.deed]
        body = _body(access, {"system": DICOM, "code": kind[0], "display": kind[1]}, "E")
        if part is not None:
            body["subtype"] = [{"system": DICOM, "code": part[0], "display": part[1]}]
        body["agent"] = [*_user(access, "IRCP", "information recipient"), _client(access, "110153", "Source Role ID")]
        if access.deed == "console":
            body["outcome"] = "0"
            body["agent"] = [_server(access, "110150", "Application")]
        yield body


def _of_group(access: Access, patient: str | None) -> Iterator[Body]:
    """A query: of each patient that is named, or of those that patterns take."""
    named = [one for one in access.group if not set(one) & set("*?[!")]
    if patient is not None:
        named = [patient] if concerns(access, patient) else []
    elif len(named) < len(access.group):
        named = []
    for number, one in enumerate(named):
        body = _of_patient(access, "PatientQuery", _QUERY, one)
        yield body | {"id": f"{body['id']}-{number}"}
    if not named:
        yield _of_patient(access, "Query", _QUERY, "")


def _of_patient(access: Access, profile: str, how: tuple[str, str], patient: str) -> Body:
    interaction, action = how
    body = _body(access, {"system": TYPES, "code": "rest", "display": "Restful Operation"}, action)
    body["subtype"] = [{"system": REST, "code": interaction, "display": interaction}]
    # Who asks sends a question or an event and gets what is read: BALP's source and destination are of those.
    source, destination = ("110153", "Source Role ID"), ("110152", "Destination Role ID")
    client, server = (destination, source) if interaction == "read" else (source, destination)
    user = ("AUT", "author (originator)") if interaction == "create" else ("IRCP", "information recipient")
    body["agent"] = [*_user(access, *user), _client(access, *client), _server(access, *server)]
    body["entity"] = [_query(access) if interaction == "search" else _object(access), *_patient(patient)]
    if access.outcome == "done" and access.address and (patient or profile == "Query"):
        body["meta"] = {"profile": [PROFILES + profile]}
    return body


def _body(access: Access, kind: Body, action: str) -> Body:
    said = _in_words(access)
    body: Body = {
        "resourceType": "AuditEvent",
        "id": f"{access.seat}-{access.number}",
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{escape(said)}</div>'},
        "type": kind,
        "action": action,
        "recorded": access.time,
        "outcome": _OUTCOMES[access.outcome],
        "source": {
            "observer": _console(access),
            "type": [{"system": SOURCES, "code": "4", "display": "Application Server"}],
        },
    }
    if why := _why(access):
        body["outcomeDesc"] = why
    return body


def _in_words(access: Access) -> str:
    of = f" of {access.patient}" if access.patient else ""
    return f"{access.who or 'somebody'}: {access.deed} {access.what}{of}, {access.outcome}, {access.time}"


def _why(access: Access) -> str:
    if access.outcome == "begins" and access.deed != "console":
        return "begun; its end was not recorded"
    if access.outcome in ("refused", "failed"):
        often = "" if access.times == 1 else f", {access.times} times within a minute"
        return f"{access.outcome}, HTTP status {access.status}{often}" if access.status else access.outcome + often
    return ""


def _user(access: Access, code: str, display: str) -> Iterator[Body]:
    """Who is logged in, where somebody is."""
    if not access.who:
        return
    user: Body = {
        "type": {"coding": [{"system": TAKES_PART, "code": code, "display": display}]},
        "who": {"identifier": {"system": PERSON, "value": access.who}},
        "name": access.who,
        "requestor": True,
    }
    if access.role:
        user["role"] = [{"coding": [{"system": ROLE, "code": access.role}]}]
    yield user


def _client(access: Access, code: str, display: str) -> Body:
    address = access.address or "unknown"
    return {
        "type": {"coding": [{"system": DICOM, "code": code, "display": display}]},
        "who": {"display": "browser or program"},
        "requestor": False,
        "network": {"address": address, "type": "2" if access.address else "1"},
    }


def _server(access: Access, code: str, display: str) -> Body:
    return {
        "type": {"coding": [{"system": DICOM, "code": code, "display": display}]},
        "who": _console(access),
        "requestor": False,
        "network": {"address": f"{CONSOLE}:{access.seat}", "type": "5"},
    }


def _console(access: Access) -> Body:
    return {"identifier": {"system": CONSOLE, "value": access.seat}, "display": "dosetwin console"}


def _query(access: Access) -> Body:
    """What was asked for: our own words, and never what stood in the request."""
    asked = f"{access.what}?patients={','.join(access.group) or '*'}"
    return {
        "type": {"system": ENTITIES, "code": "2", "display": "System Object"},
        "role": {"system": OBJECTS, "code": "24", "display": "Query"},
        "description": asked,
        "query": base64.b64encode(asked.encode()).decode("ascii"),
    }


def _object(access: Access) -> Body:
    what: Body = {"display": "the twin of the patient" if access.what == "patient" else access.what}
    if access.subject:
        what["identifier"] = {"system": EVENT, "value": access.subject}
    return {
        "type": {"system": ENTITIES, "code": "2", "display": "System Object"},
        "role": {"system": OBJECTS, "code": "4", "display": "Domain Resource"},
        "what": what,
    }


def _patient(patient: str) -> Iterator[Body]:
    if patient:
        yield {
            "type": {"system": ENTITIES, "code": "1", "display": "Person"},
            "role": {"system": OBJECTS, "code": "1", "display": "Patient"},
            "what": {"type": "Patient", "identifier": {"system": PATIENTS, "value": patient}},
        }
