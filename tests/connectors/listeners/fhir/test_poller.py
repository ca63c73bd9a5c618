"""A real FHIR server (HAPI), read: what was made, changed, deleted and corrected there is told once, in its order."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response

from connectors.facts.memory import Memory
from connectors.facts.patients import Pseudonyms
from connectors.facts.profile import Profile
from connectors.listeners.fhir.asked import Asked
from connectors.listeners.fhir.entries import read_until
from connectors.listeners.fhir.hooks import Hooks, subscribe
from connectors.listeners.fhir.poller import Poller
from connectors.listeners.intake import Intake
from connectors.protocols.fhir.resource import OURS
from connectors.protocols.fhir_servers.server import Server
from tests.connectors.facts import sources
from tests.connectors.listeners.fhir.asgi import client_of_tests, served
from tests.connectors.listeners.fhir.stub import CLOCK, capabilities, page, stub
from tests.connectors.listeners.test_intake import Kafka
from tests.connectors.protocols.spoken import given, observation

BLOOD = {"coding": [{"system": "http://snomed.info/sct", "code": "119297000", "display": "Blood specimen"}]}


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 400))


@dataclass
class Ward:
    """Patients of this test alone, on a server that others use too, and what a poller tells of them."""

    base: str
    client: httpx2.AsyncClient
    kafka: Kafka = field(default_factory=Kafka)
    memory: Memory = field(default_factory=Memory)
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    heard: int = 0

    @property
    def profile(self) -> Profile:
        pseudonyms = Pseudonyms(sources.KEY, authorities=(f"urn:ward:{self.name}",))
        return sources.profile("fhir", servers=(self.base,), pseudonyms=pseudonyms)

    async def put(self, *bodies: dict[str, Any]) -> None:
        """Write resources in one transaction; ids get the name of this test."""
        entries = [
            {"resource": body, "request": {"method": "PUT", "url": f"{body['resourceType']}/{body['id']}"}}
            for body in map(self.own, bodies)
        ]
        answer = await self.client.post(
            self.base, json={"resourceType": "Bundle", "type": "transaction", "entry": entries}
        )
        assert answer.status_code == 200, answer.text

    async def delete(self, name: str) -> None:
        kind, _, id_ = name.partition("/")
        answer = await self.client.delete(f"{self.base}/{kind}/{self.name}-{id_}")
        assert answer.status_code == 200, answer.text

    def own(self, said: Any) -> Any:
        """A resource with its own and its references' ids in this test's name."""
        if isinstance(said, dict):
            own = {name: self.own(part) for name, part in said.items()}
            if "resourceType" in said and "id" in said and said["id"] != "held":
                own["id"] = f"{self.name}-{said['id']}"
            if "/" in str(said.get("reference", "")):
                own["reference"] = said["reference"].replace("/", f"/{self.name}-")
            return own
        return [self.own(part) for part in said] if isinstance(said, list) else said

    def patient(self, **changes: Any) -> dict[str, Any]:
        number = {"system": f"urn:ward:{self.name}", "value": "17"}
        return {"resourceType": "Patient", "id": "p", "name": [{"family": "Geheim"}], "identifier": [number]} | changes

    async def poller(self, stack: contextlib.AsyncExitStack, **changes: Any) -> Poller:
        """A poller that knows nothing but what its memory holds."""
        intake = await stack.enter_async_context(Intake(self.profile, self.memory, self.kafka))
        since = datetime.now(UTC) - timedelta(minutes=1)
        poller = Poller(Server(self.base, self.client), intake, since=since, count=3, **changes)
        await poller.look()
        return poller

    def told(self) -> list[Any]:
        """The events since the last look."""
        events = [event for event in self.kafka.events() if getattr(event, "patient_id", "")]
        self.heard, new = len(events), events[self.heard :]
        return new


def of(id_: str, value: float = 3.4, **changes: Any) -> dict[str, Any]:
    return observation(value, id=id_, subject={"reference": "Patient/p"}, **changes)


@pytest.mark.timeout(900)  # the first to ask starts the server
def test_a_real_server_is_read_with_its_changes_deletions_references_and_pages(fhir: str, tmp_path: Path) -> None:
    async def body() -> None:
        async with httpx2.AsyncClient(timeout=120) as client, contextlib.AsyncExitStack() as stack:
            ward = Ward(fhir, client, memory=Memory(tmp_path / "lab-east.sqlite"))
            drug = {"resourceType": "Medication", "id": "m", "code": given()["medicationCodeableConcept"]}
            drawn = {"resourceType": "Specimen", "id": "s", "type": BLOOD,
                     "collection": {"collectedDateTime": "2026-03-02T07:00:00Z"}}  # fmt: skip
            infusion = given(subject={"reference": "Patient/p"}, medicationReference={"reference": "Medication/m"})
            del infusion["medicationCodeableConcept"]
            bare = of("bare", 5.0)
            del bare["effectiveDateTime"]
            report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "CBC"},
                      "effectiveDateTime": "2026-03-02T06:00:00Z",
                      "result": [{"reference": "Observation/bare"}]}  # fmt: skip
            poller = await ward.poller(stack)
            await poller.turn()  # nothing of this ward, and from now on it is known what changes
            await ward.put(ward.patient(), drug, drawn)
            await ward.put(
                of("a", 1.0), of("b", 2.0), of("drawn", 4.0, specimen={"reference": "Specimen/s"}), bare, infusion,
                of("ours", 9.0, meta={"tag": [{"system": OURS, "code": "estimate"}]}), of("gone", 6.0),
                of("error", 7.0),
            )  # fmt: skip
            await ward.put(of("a", 1.5, status="corrected"))
            await ward.delete("Observation/gone")
            await poller.turn()
            first = ward.told()
            values = [event.value.value for event in first if event.kind == "lab_result"]
            assert sorted(values) == [1.0, 1.5, 2.0, 4.0, 6.0, 6.0, 7.0]
            assert {event.patient_id for event in first} == {first[0].patient_id}
            assert [event.drug for event in first if event.kind == "dose_given"] == ["docetaxel"]
            by = {(event.value.value, event.status): event for event in first if event.kind == "lab_result"}
            assert by[4.0, "final"].time == datetime(2026, 3, 2, 7, tzinfo=UTC)
            assert by[1.5, "corrected"].replaces == by[1.0, "final"].event_id
            assert by[6.0, "retracted"].replaces == by[6.0, "final"].event_id
            letters = [letter for letter in ward.kafka.letters() if "no_time" in letter.reason]
            assert len(letters) == 1
            assert "Geheim" not in str(ward.kafka.sent)

            held = of("held", 5.5) | {"id": "held"}
            holding = report | {"id": "h", "subject": {"reference": "Patient/p"}, "contained": [held],
                                "result": [{"reference": "#held"}]}  # fmt: skip
            await ward.put(report, holding, of("error", 7.0, status="entered-in-error"))
            await ward.put(drawn | {"collection": {"collectedDateTime": "2026-03-02T07:30:00Z"}})
            await poller.turn()
            later = ward.told()
            assert sorted((event.value.value, event.status) for event in later) == [
                (4.0, "corrected"), (5.0, "final"), (5.5, "final"), (7.0, "retracted"),
            ]  # fmt: skip

            again = await ward.poller(stack)  # after a restart
            await again.turn()
            blind = await ward.poller(stack)
            blind.histories = dict.fromkeys(blind.histories, False)
            await blind.turn()  # a server without histories, searched
            assert ward.told() == []
            assert "Observation" in blind.without_history

            number = {"system": f"urn:ward:{ward.name}", "value": "18"}
            await ward.put(ward.patient(identifier=[number]), of("renumbered", 8.5))
            await again.turn()
            assert ward.told() == []
            Asked(fhir, datetime.now(UTC) - timedelta(minutes=5), again=True).remember(ward.memory, ward.profile)
            moved = await ward.poller(stack)
            await moved.turn()
            there = ward.told()
            assert {event.patient_id for event in there if event.status == "retracted"} == {first[0].patient_id}
            stand = {event.patient_id for event in there if event.status != "retracted"}
            assert len(stand | {first[0].patient_id}) == 2
            assert 8.5 in [event.value.value for event in there if event.kind == "lab_result"]

            await ward.put(ward.patient(active=False), of("merged", 8.0))
            before = len(ward.kafka.letters())
            await again.turn()
            assert ward.told() == []
            reasons = [letter.reason for letter in ward.kafka.letters()[before:]]
            assert reasons.count("no_patient") == 2  # the Patient, and the result; patients of others are unknown here
            assert not any(b"Geheim" in raw for raw in ward.memory.originals())

    run(body())


@pytest.mark.timeout(900)
def test_a_notification_of_a_real_server_wakes_the_reading(fhir: str) -> None:
    async def body() -> None:
        async with httpx2.AsyncClient(timeout=120) as client, contextlib.AsyncExitStack() as stack:
            ward, wake = Ward(fhir, client), asyncio.Event()
            hooks = Hooks("a secret of the hooks", wake)
            endpoint = f"{await stack.enter_async_context(served(hooks.application()))}/hook"
            poller = await ward.poller(stack)
            now = datetime.now(UTC)
            await subscribe(poller.server, ("Observation",), endpoint, hooks.secret, now)
            await subscribe(poller.server, ("Observation",), endpoint, hooks.secret, now)  # the same one, longer
            found = (await client.get(f"{fhir}/Subscription", params={"url": endpoint})).json()
            assert len(found["entry"]) == 1
            reading = asyncio.create_task(poller.run(wake, 3600))
            await ward.put(ward.patient())
            while not hooks.heard:
                await ward.put(of(f"w{uuid.uuid4().hex[:6]}", 2.5))  # it is requested first, and active seconds later
                await asyncio.sleep(0.5)
            while not any(event.value.value == 9.5 for event in ward.kafka.events()):
                await ward.put(of(f"w{uuid.uuid4().hex[:6]}", 9.5))  # an hour before the next reading
                await asyncio.sleep(0.5)
            reading.cancel()
            answer = await client.put(f"{endpoint}/Observation/1", headers={"authorization": "Bearer another"})
            assert (answer.status_code, hooks.refused) == (403, 1)
            id_ = found["entry"][0]["resource"]["id"]
            await client.delete(f"{fhir}/Subscription/{id_}")

    run(body())


def stubbed(version: str = "1", number: int = 0, **changes: Any) -> dict[str, Any]:
    """A version as a server has it; each is a minute later."""
    made = f"2026-03-02T11:{number:02d}:00.000+00:00"
    own = {
        "id": f"o{number}",
        "subject": {"reference": "Patient/p"},
        "meta": {"versionId": version, "lastUpdated": made},
    }
    return observation(float(number + 1), **(own | changes))


class Stub:
    """A server that has these pages of observations, the newest first; and a poller of it."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self.pages = list(pages)
        self.asked: list[str] = []
        self.expired: set[int] = set()
        self.forbidden: set[str] = set()
        self.circle = False
        self.kafka, self.memory = Kafka(), Memory()
        self.waits = 0

    def answer(self, request: Request) -> Response:
        kind = request.url.path.removeprefix("/fhir/").split("/")[0]
        if kind == "metadata":
            return capabilities("Observation", "MedicationAdministration", "Patient")
        if kind in self.forbidden:
            return Response(status_code=403)
        if kind != "Observation":
            return page()
        number = int(request.query_params.get("page", 0))
        if number in self.expired:
            self.expired.remove(number)
            return Response(status_code=410)
        further = number + 1 < len(self.pages) or self.circle
        link = f"{request.base_url}fhir/Observation/_history?page={min(number + 1, len(self.pages) - 1)}"
        return page(*self.pages[number], next_link=link if further else "")

    @contextlib.asynccontextmanager
    async def poller(self) -> AsyncIterator[Poller]:
        async def wait(_: float) -> None:
            self.waits += 1
            await asyncio.sleep(0)
            if self.waits > 3:
                self.kafka.down = False

        async with served(stub(self.answer, self.asked)) as address, client_of_tests() as client:
            profile = sources.profile("fhir", servers=("https://ehr.example/fhir", f"{address}/fhir"))
            async with Intake(profile, self.memory, self.kafka) as intake:
                poller = Poller(Server(f"{address}/fhir", client, sleep=wait), intake, sleep=wait)
                await poller.look()
                yield poller

    def values(self) -> list[float]:
        return [event.value.value for event in self.kafka.events()]


def test_pages_that_expired_are_asked_for_again_and_all_is_told_once_the_oldest_first() -> None:
    async def body() -> None:
        it = Stub([stubbed(number=5), stubbed(number=4)], [stubbed(number=3), stubbed(number=2)], [stubbed(number=1)])
        it.expired = {1, 2}
        async with it.poller() as poller:
            await poller.turn()
            assert it.values() == [2.0, 3.0, 4.0, 5.0, 6.0]
            assert it.memory.noted(read_until("Observation")) == CLOCK.replace(".000", "")
            await poller.turn()
        assert len(it.values()) == 5
        assert any("_since=2026-03-02T11%3A58%3A00.000Z" in asked for asked in it.asked)

    run(body())


def test_what_was_read_is_noted_when_kafka_has_it_and_not_before() -> None:
    async def body() -> None:
        it = Stub([stubbed(number=1)])
        it.kafka.down = True
        async with it.poller() as poller:
            reading = asyncio.create_task(poller.turn())
            while not it.waits:
                assert it.memory.noted(read_until("Observation")) == ""
                await asyncio.sleep(0.001)
            await reading
        assert (it.values(), it.memory.noted(read_until("Observation")) != "") == ([2.0], True)

    run(body())


def test_a_kind_that_cannot_be_read_harms_no_other() -> None:
    async def body() -> None:
        it = Stub([stubbed(number=1)])
        it.forbidden = {"MedicationAdministration"}
        async with it.poller() as poller:
            await poller.turn()
            assert (it.values(), poller.rounds) == ([2.0], 0)
            it.forbidden, it.circle, it.pages = set(), True, [[stubbed(number=2)]]
            await poller.turn()
            assert (it.values(), poller.rounds) == ([2.0], 0)
            it.circle = False
            await poller.turn()
            assert (it.values(), poller.rounds) == ([2.0, 3.0], 1)

    run(body())


def test_versions_of_one_second_are_told_in_their_order_and_once_also_after_a_restart() -> None:
    async def body() -> None:
        first, second = stubbed("1", 1), stubbed("2", 1, valueQuantity=observation(7.0)["valueQuantity"])
        it = Stub([second, first])
        for _ in range(2):
            async with it.poller() as poller:
                await poller.turn()
        assert it.values() == [2.0, 7.0]

    run(body())
