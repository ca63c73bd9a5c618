"""What IHE's Basic Audit Log Patterns 1.1.4 ask of an AuditEvent, as StructureDefinitions that a validator takes.

Written from the profiles' published constraints (profiles.ihe.net/ITI/BALP): what is fixed, how often each slice is
there, and what a slice must have. Extensions, transactions and what is only recommended are left out.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

BASE = "http://hl7.org/fhir/StructureDefinition/AuditEvent"
PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DICOM = "http://dicom.nema.org/resources/ontology/DCM"
OBJECTS = "http://terminology.hl7.org/CodeSystem/object-role"
ENTITIES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
TAKES_PART = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"

SOURCE, DESTINATION = "110153", "110152"


def element(path: str, slice_: str = "", **said: Any) -> Json:
    """One element, of a slice of ``agent`` or ``entity`` where that is named."""
    head, _, rest = path.partition(".")
    named = f"{head}:{slice_}" + (f".{rest}" if rest else "") if slice_ else path
    return {"id": f"AuditEvent.{named}", "path": f"AuditEvent.{path}", **said}


def fixed(path: str, system: str, code: str, slice_: str = "") -> Json:
    coding = {"system": system, "code": code}
    if path == "agent.type":
        return element(path, slice_, min=1, max="1", patternCodeableConcept={"coding": [coding]})
    return element(path, slice_, min=1, max="1", patternCoding=coding)


def sliced(path: str, least: int) -> Json:
    slicing = {"discriminator": [{"type": "pattern", "path": "type"}], "rules": "open"}
    return element(path, slicing=slicing, min=least)


def agent(name: str, code: str) -> list[Json]:
    """The client or the server: who it is and where, on no medium."""
    return [
        element("agent", name, sliceName=name, min=1, max="1"),
        fixed("agent.type", DICOM, code, name),
        element("agent.who", name, min=1, max="1"),
        element("agent.media", name, max="0"),
        element("agent.network", name, min=1, max="1"),
    ]


def user(code: str) -> list[Json]:
    """Who is logged in, where somebody is; of those who create things BALP has three, of which we use the author."""
    return [
        element("agent", "user", sliceName="user", min=0, max="1"),
        fixed("agent.type", TAKES_PART, code, "user"),
        element("agent.who", "user", min=1, max="1"),
        element("agent.requestor", "user", patternBoolean=True),
        element("agent.media", "user", max="0"),
        element("agent.network", "user", max="0"),
    ]


PATIENT = [
    element("entity", "patient", sliceName="patient", min=1, max="1"),
    element(
        "entity.what", "patient", min=1, max="1",
        type=[{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Patient"]}],
    ),
    fixed("entity.type", ENTITIES, "1", "patient"),
    fixed("entity.role", OBJECTS, "1", "patient"),
]  # fmt: skip

DATA = [
    element("entity", "data", sliceName="data", min=1, max="1"),
    element("entity.what", "data", min=1, max="1"),
    fixed("entity.type", ENTITIES, "2", "data"),
    fixed("entity.role", OBJECTS, "4", "data"),
]

QUERY = [
    element("entity", "query", sliceName="query", min=1, max="1"),
    element("entity.what", "query", max="0"),
    fixed("entity.type", ENTITIES, "2", "query"),
    fixed("entity.role", OBJECTS, "24", "query"),
    element("entity.lifecycle", "query", max="0"),
    element("entity.query", "query", min=1, max="1"),
    element("entity.detail", "query", max="0"),
]


def profile(name: str, interaction: str, action: str, object_: list[Json], patient: list[Json]) -> Json:
    client, server = (DESTINATION, SOURCE) if interaction == "read" else (SOURCE, DESTINATION)
    subtype = {"system": "http://hl7.org/fhir/restful-interaction", "code": interaction}
    return {
        "resourceType": "StructureDefinition",
        "id": f"ours.{name}",
        "url": PROFILES + name,
        "name": name,
        "status": "active",
        "fhirVersion": "4.0.1",
        "kind": "resource",
        "abstract": False,
        "type": "AuditEvent",
        "baseDefinition": BASE,
        "derivation": "constraint",
        "differential": {
            "element": [
                element(""),
                fixed("type", "http://terminology.hl7.org/CodeSystem/audit-event-type", "rest"),
                element("subtype", min=1, max="1", patternCoding=subtype),
                element("action", min=1, patternCode=action),
                element("outcome", min=1, patternCode="0"),
                sliced("agent", 2),
                *user("AUT" if interaction == "create" else "IRCP"),
                *agent("client", client),
                *agent("server", server),
                sliced("entity", 1 + bool(patient)),
                *object_,
                *patient,
            ]
        },
    }


BALP = {
    "PatientRead": profile("PatientRead", "read", "R", DATA, PATIENT),
    "PatientQuery": profile("PatientQuery", "search", "E", QUERY, PATIENT),
    "Query": profile("Query", "search", "E", QUERY, []),
    "PatientCreate": profile("PatientCreate", "create", "C", DATA, PATIENT),
}
for each in BALP.values():
    each["differential"]["element"][0] = {"id": "AuditEvent", "path": "AuditEvent"}
