"""Events as resources of FHIR R4, each with an id that stays and a version for each telling of it.

Of each event at most one resource. What FHIR has no exact word for, or no reader takes, is left to our own JSON:
enrolment, the clock, pumps, plans (a MedicationRequest counts from its first dose on), bindings that say how often a
device speaks.

    lab_result, drug_level, covariate     Observation, effectiveDateTime
    vital_sample                          Observation with its device
    dose_given                            MedicationAdministration
    a retraction of any of them           the same resource, entered-in-error
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from connectors.facts.codes import Coding
from connectors.speaking.words import OWN, Words, hospital_number, is_plain
from twin.events import (
    ClinicalEnvelope,
    Covariate,
    DoseGiven,
    DrugLevel,
    InputEvent,
    LabResult,
    Quantity,
    Status,
    VitalSample,
    event_id,
)
from twin.units import UnitError, convert

_LOINC, _MDC, _UCUM = "http://loinc.org", "urn:iso:std:iso:11073:10101", "http://unitsofmeasure.org"
_SNOMED = "http://snomed.info/sct"
_SYSTEMS = {"LN": _LOINC, "MDC": _MDC}

_STATUS: dict[Status, str] = {
    "preliminary": "preliminary",
    "final": "final",
    "corrected": "corrected",
    "retracted": "entered-in-error",
}

_ROUTES = {"iv": "47625008", "oral": "26643006", "sc": "34206005", "im": "78421000", "ip": "38239002"}
_PUSH = "417924000"
"""SNOMED CT: routes of administration, and the method of a dose that is given at once."""

_VERSIONS: dict[Status, str] = {"preliminary": "1", "final": "1", "corrected": "2", "retracted": "3"}


class Resource(NamedTuple):
    """A resource: its kind, its id on a server, and its JSON."""

    kind: str
    id: str
    text: bytes


@dataclass(frozen=True)
class FhirWriter:
    """Writes the resources of a ward with these words."""

    words: Words

    def __call__(self, event: InputEvent, sent: datetime) -> Resource | None:
        """The resource that says this event, as its server has it from a time on; None where none says it exactly."""
        if not isinstance(event, ClinicalEnvelope) or event.sequence is not None:
            return None
        match event:
            case LabResult() | DrugLevel() | Covariate() | VitalSample():
                body = self._observation(event)
                about = getattr(event, "analyte", None) or getattr(event, "name", None) or getattr(event, "channel", "")
            case DoseGiven():
                body, about = _administration(event), event.entrance + event.drug
            case _:
                return None
        if body is None:
            return None
        id_ = event_id("fhir", event.patient_id, event.kind, about, event.time.isoformat())
        number = {"system": OWN, "value": hospital_number(event.patient_id)}
        meta = {"versionId": _VERSIONS[event.status], "lastUpdated": sent.isoformat()}
        said = {"resourceType": body["resourceType"], "id": f"w{id_}", "meta": meta}
        said |= {"subject": {"identifier": number}} | body
        return Resource(said["resourceType"], said["id"], json.dumps(said, separators=(",", ":")).encode())

    def _observation(self, event: LabResult | DrugLevel | Covariate | VitalSample) -> dict[str, Any] | None:
        coding = self.words.coding(event)
        if coding is None or event.value is None:
            return None
        body: dict[str, Any] = {"resourceType": "Observation", "status": _STATUS[event.status]}
        body |= {"code": {"coding": [_coded(coding)]}, "effectiveDateTime": event.time.isoformat()}
        value = _quantity(event.value)
        if isinstance(event, LabResult | DrugLevel):
            if not is_plain(event):
                return None
            body |= {} if event.reported is None else {"issued": event.reported.isoformat()}
            value |= {"comparator": "<"} if event.below_lloq else {"comparator": ">"} if event.above_uloq else {}
        if isinstance(event, VitalSample):
            if event.clock_behind is not None:  # which there is no element for
                return None
            body["device"] = {"identifier": {"system": OWN, "value": event.device_id}}
        return body | {"valueQuantity": value}


def _administration(event: DoseGiven) -> dict[str, Any] | None:
    """A dose that was given, where it has an amount of mass, and takes time only into a vein."""
    special = (event.steady_every, event.device_id, event.state, event.keeps, event.taken)
    if any(one is not None for one in special) or not _is_mass(event.amount):
        return None
    if event.status not in ("final", "retracted"):
        return None
    dosage: dict[str, Any] = {"route": {"coding": [{"system": _SNOMED, "code": _ROUTES[event.route]}]}}
    dosage["dose"] = _quantity(event.amount)
    when: dict[str, Any] = {"effectiveDateTime": event.time.isoformat()}
    if event.duration is not None:
        end = _end(event.time, event.duration) if event.route == "iv" else None
        if end is None:
            return None
        when = {"effectivePeriod": {"start": event.time.isoformat(), "end": end.isoformat()}}
    elif event.route == "iv":
        dosage["method"] = {"coding": [{"system": _SNOMED, "code": _PUSH}]}
    status = "entered-in-error" if event.status == "retracted" else "completed"
    body = {"resourceType": "MedicationAdministration", "status": status, "dosage": dosage}
    return body | when | {"medicationCodeableConcept": {"text": event.drug}}


def _end(start: datetime, duration: Quantity) -> datetime | None:
    """When it was over; None where whoever reads that end would make another length of it."""
    if duration.unit != "h":
        return None
    end = start + timedelta(hours=duration.value)
    return end if (end - start).total_seconds() / 3600 == duration.value > 0 else None


def _is_mass(quantity: Quantity) -> bool:
    try:
        return convert(quantity.value, quantity.unit, "mg") >= 0
    except UnitError:
        return False


def _quantity(quantity: Quantity) -> dict[str, Any]:
    return {"value": quantity.value, "unit": quantity.unit, "system": _UCUM, "code": quantity.unit}


def _coded(coding: Coding) -> dict[str, str]:
    said = {"system": _SYSTEMS.get(coding.system, coding.system), "code": coding.code}
    return said | ({"display": coding.name} if coding.name else {})
