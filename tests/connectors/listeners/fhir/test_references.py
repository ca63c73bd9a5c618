"""What resources refer to: asked for many at a time, at their own server alone, and kept for a while."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from connectors.facts.memory import Memory
from connectors.facts.patients import Pseudonyms
from connectors.listeners.fhir import references as module
from connectors.listeners.fhir.references import KEPT_SECONDS, References
from connectors.protocols.fhir_servers.server import Server
from tests.connectors.facts import sources
from tests.connectors.listeners.fhir.asgi import client_of_tests, served
from tests.connectors.listeners.fhir.stub import page, stub
from tests.connectors.protocols.spoken import observation

OWN = "https://ehr.example/fhir"
PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Geheim"}], "identifier": [{"value": "1"}]}


def run(there: list[dict[str, Any]], body: Callable[[References, list[float]], Awaitable[None]]) -> list[str]:
    seen: list[str] = []
    profile = sources.profile("fhir", servers=(OWN,), pseudonyms=Pseudonyms(sources.KEY, authorities=("urn:mrn",)))

    def answer(request: Request) -> Response:
        kind = request.url.path.split("/")[-1]
        ids = request.query_params.get("_id", "").split(",")
        found = [one for one in there if one["resourceType"] == kind and (one["id"] in ids or "result" in one)]
        return page(*found, kind="searchset")

    async def all_of_it() -> None:
        clock = [0.0]
        async with served(stub(answer, seen)) as address, client_of_tests() as client:
            await body(References(Server(f"{address}/fhir", client), profile, Memory(), lambda: clock[0]), clock)

    asyncio.run(asyncio.wait_for(all_of_it(), 60))
    return seen


def of(id_: str = "p", **changes: Any) -> dict[str, Any]:
    return observation(subject={"reference": f"Patient/{id_}"}, **changes)


def names(entries: list[bytes]) -> list[str]:
    return [json.loads(one)["resource"]["resourceType"] for one in entries]


def test_a_page_asks_once_for_each_kind_and_no_name_is_kept() -> None:
    async def body(references: References, clock: list[float]) -> None:
        bodies = [of(), of(specimen={"reference": f"{OWN}/Specimen/s"}), of("nobody")]
        found = await references.beside(bodies)
        assert [names(entries) for entries in found] == [["Patient"], ["Patient", "Specimen"], []]
        assert b"Geheim" not in b"".join(found[0])
        await references.beside(bodies)
        clock[0] = KEPT_SECONDS + 1
        await references.beside([of()])

    seen = run([PATIENT, {"resourceType": "Specimen", "id": "s"}], body)
    assert [one.split("&")[0] for one in seen] == [
        "GET /fhir/Patient?_id=p%2Cnobody", "GET /fhir/Specimen?_id=s", "GET /fhir/Patient?_id=p",
    ]  # fmt: skip


def test_nothing_is_asked_that_is_elsewhere_or_no_id() -> None:
    async def body(references: References, _: list[float]) -> None:
        for reference in (
            "https://other.example/Patient/p",
            "Patient/a,b",
            "Patient/../x",
            "#p",
            "urn:uuid:1",
            "x",
            "",
        ):
            assert await references.beside([observation(subject={"reference": reference})]) == [[]]

    assert run([PATIENT], body) == []


def test_a_metric_leads_to_its_device_and_a_report_to_a_result_without_a_time() -> None:
    metric = {"resourceType": "DeviceMetric", "id": "m", "source": {"reference": "Device/d"}}
    report = {"resourceType": "DiagnosticReport", "id": "r", "subject": {"reference": "Patient/p"},
              "result": [{"reference": "Observation/bare"}]}  # fmt: skip
    bare = observation(id="bare")
    del bare["effectiveDateTime"], bare["subject"]

    async def body(references: References, _: list[float]) -> None:
        metered, reported = await references.beside([of(device={"reference": "DeviceMetric/m"}), bare])
        assert sorted(names(metered)) == ["Device", "DeviceMetric", "Patient"]
        assert sorted(names(reported)) == ["DiagnosticReport", "Patient"]

    run([PATIENT, metric, {"resourceType": "Device", "id": "d"}, report], body)


def test_what_has_changed_is_asked_for_again_and_what_was_missed_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 2)

    async def body(references: References, _: list[float]) -> None:
        await references.beside([of(), of("nobody")])
        assert references.forget("Patient/nobody")
        assert not references.forget("Patient/p")
        assert not references.forget("Patient/never")
        await references.beside([of(), of("a"), of("b")])

    assert len(run([PATIENT], body)) == 2


def test_a_patient_who_is_identified_otherwise_than_before_is_in_doubt() -> None:
    number = {"system": "urn:mrn", "value": "17"}
    patient = {**PATIENT, "identifier": [number, {"system": "urn:other", "value": "1"}]}
    there = [patient]

    async def body(references: References, clock: list[float]) -> None:
        for identifier, active in (([number], None), ([{"value": "9"}, number], None), ([], None),
                                   ([number | {"value": "18"}], False)):  # fmt: skip
            there[0] = patient | {"identifier": identifier}
            clock[0] += KEPT_SECONDS + 1
            ((entry,),) = await references.beside([of()])
            assert json.loads(entry)["resource"].get("active") is active

    run(there, body)
