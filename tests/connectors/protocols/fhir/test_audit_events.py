"""Accesses as AuditEvents: to a real FHIR server they are what IHE's profiles ask for, and they name nobody else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx2
import msgspec
import pytest

from connectors.audit.access import Access
from connectors.protocols.fhir.audit_events import PROFILES, of_access
from tests.connectors.protocols.fhir.balp import BALP, Json

NOON = datetime(2026, 3, 4, 12, 30, 15, 123000, tzinfo=UTC)
NURSE = {"who": "nurse-7", "role": "clinician", "address": "192.0.2.7"}


def access(number: int, *what: Any, **more: Any) -> Access:
    return Access(*what, **more).stamped(NOON, "3f2a90c1d2e4", number)


READ = access(1, "read", "done", "patient", patient="P-1", status=200, **NURSE)
TOKEN = access(2, "read", "done", "patient", patient="P-1", address="2001:db8::7")
WARD = access(3, "read", "done", "ward", group=("P-1", "P-2"), status=200, **NURSE)
EVERYBODY = access(4, "read", "done", "alerts", group=("W3-*",), status=200, **NURSE)
ACTED = access(5, "act", "done", "alert", patient="P-1", subject="e-1", status=202, **NURSE)
ASKED = access(6, "ask", "done", "advice", patient="P-1", subject="e-2", status=202, **NURSE)
OTHERS = (
    access(0, "console", "begins"),
    access(7, "log_in", "done", status=200, **NURSE),
    access(8, "log_in", "refused", status=401, address="192.0.2.9", times=4),
    access(9, "log_out", "done", status=204, **NURSE),
    access(10, "read", "refused", "patient", patient="P-3", status=404, **NURSE),
    access(11, "read", "refused", "ward", status=401, address="192.0.2.9"),
    access(12, "act", "begins", "alert", patient="P-1", subject="e-3", **NURSE),
    access(13, "act", "failed", "alert", patient="P-1", subject="e-4", status=503, **NURSE),
    access(14, "knock", "refused", status=401),
    access(15, "console", "done"),
)
PROFILED = {
    "PatientRead": (READ, TOKEN),
    "PatientQuery": (WARD,),
    "Query": (EVERYBODY,),
    "PatientCreate": (ACTED, ASKED),
}


def events(*accesses: Access) -> list[Json]:
    return [body for one in accesses for body in of_access(one)]


def bundle(*bodies: Json) -> Json:
    entries = [{"fullUrl": f"http://ward.example/AuditEvent/{body['id']}", "resource": body} for body in bodies]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def profiles_of(body: Json) -> list[str]:
    return [url.removeprefix(PROFILES) for url in body.get("meta", {}).get("profile", ())]


def test_each_success_claims_its_profile_and_nothing_else_claims_any() -> None:
    for name, accesses in PROFILED.items():
        assert {tuple(profiles_of(body)) for body in events(*accesses)} == {(name,)}
    assert [profiles_of(body) for body in events(*OTHERS)] == [[]] * len(OTHERS)


def test_they_are_valid_to_a_fhir_server_and_by_the_profiles_that_they_claim(fhir: str) -> None:
    for profile in BALP.values():
        answer = httpx2.put(f"{fhir}/StructureDefinition/{profile['id']}", json=profile, timeout=300)
        assert answer.status_code in (200, 201), answer.text

    def complaints(body: Json) -> list[str]:
        answer = httpx2.post(f"{fhir}/{body['resourceType']}/$validate", json=body, timeout=300).json()
        return [one["diagnostics"] for one in answer["issue"] if one["severity"] in ("error", "fatal")]

    profiled = events(*(one for several in PROFILED.values() for one in several))
    assert complaints(bundle(*profiled, *events(*OTHERS))) == []
    for body in events(READ, WARD, EVERYBODY, ACTED):  # and the profiles can be broken
        assert complaints(body | {"entity": body["entity"][1:]})


def test_a_ward_is_a_query_of_each_patient_whom_the_group_names_or_of_its_patterns() -> None:
    patients = [body["entity"][1]["what"]["identifier"]["value"] for body in events(WARD)]
    assert patients == ["P-1", "P-2"]
    assert len({body["id"] for body in events(WARD)}) == 2
    (query,) = events(EVERYBODY)
    assert query["entity"][0]["description"] == "alerts?patients=W3-*"
    (of_one,) = of_access(EVERYBODY, "W3-17")
    assert profiles_of(of_one) == ["PatientQuery"]


@pytest.mark.parametrize(
    ("of", "outcome", "why"),
    [
        (OTHERS[2], "8", "refused, HTTP status 401, 4 times within a minute"),
        (OTHERS[4], "8", "refused, HTTP status 404"),
        (OTHERS[6], "4", "begun; its end was not recorded"),
        (OTHERS[7], "4", "failed, HTTP status 503"),
        (OTHERS[0], "0", None),
    ],
)
def test_what_did_not_succeed_says_why(of: Access, outcome: str, why: str | None) -> None:
    (body,) = of_access(of)
    assert (body["outcome"], body.get("outcomeDesc")) == (outcome, why)


def test_the_same_access_is_the_same_resource_whoever_tells_of_it() -> None:
    assert msgspec.json.encode(events(READ)) == msgspec.json.encode(events(READ))
    assert events(READ)[0]["id"] == "3f2a90c1d2e4-1"
    assert events(READ)[0]["recorded"] == "2026-03-04T12:30:15.123+00:00"
