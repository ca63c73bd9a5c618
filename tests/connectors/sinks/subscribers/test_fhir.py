"""What stands is on a FHIR server as it stands; what a server refuses, or is too busy for, harms nothing else."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc.jwk import ECKey

from connectors.kafka.records import Record
from connectors.kafka.topics import ALERTS, ESTIMATES
from connectors.protocols.fhir.outputs import Body, of_forecast
from connectors.settings import SettingsError, load_settings
from connectors.sinks.subscribers import fhir as module
from connectors.sinks.subscribers.fhir import FhirWriter, Settings, open_writer
from connectors.sinks.writer import AccessDenied, BadItem, TooSlow, Unavailable
from tests import factories as make
from twin.events import Alert, Estimate, Event, encode

Answer = Callable[[str], tuple[str, str]]
"""By place: the status of one resource, and what is said of it."""


class Hospital:
    """A FHIR server that answers as told, and keeps what it took."""

    def __init__(self, answer: Answer = lambda _: ("200 OK", ""), **given: Any) -> None:
        self.kept: dict[str, Body] = {}
        self.calls: list[int] = []
        self.authorized: list[str | None] = []
        self.answer, self.status = answer, 200
        client = httpx2.Client(transport=httpx2.MockTransport(self._handle))
        self.writer = FhirWriter(Settings(**({"server": "https://ehr.example/fhir"} | given)), client)

    def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.authorized.append(request.headers.get("authorization"))
        if self.status != 200:
            return httpx2.Response(self.status, json={"issue": [{"diagnostics": "cannot be read"}]})
        entries = json.loads(request.content)["entry"]
        self.calls.append(len(entries))
        said = []
        for entry in entries:
            place = entry["request"]["url"]
            status, why = self.answer(place)
            if status.startswith("2"):
                self.kept[place] = entry["resource"]
            outcome = {"outcome": {"issue": [{"diagnostics": why}]}} if why else {}
            said.append({"response": {"status": status} | outcome})
        return httpx2.Response(200, json={"resourceType": "Bundle", "type": "batch-response", "entry": said})

    def items(self, *events: Event) -> list[Body]:
        found: list[Body] = []
        for event in events:
            topic = ALERTS if isinstance(event, Alert) else ESTIMATES
            found += self.writer.items(Record(topic, 0, 0, 0, b"", encode(event)))
        return found

    def tell(self, *events: Event) -> None:
        self.writer.write(self.items(*events))


def test_of_what_came_at_once_the_newest_is_put() -> None:
    hospital = Hospital()
    steps = [make.alert("P-1", make.at(n), revision=n, onset=make.at(0), text=f"step {n}") for n in range(30)]
    hospital.tell(*steps, *(make.estimate("P-1", make.at(n)) for n in range(30)))
    assert hospital.calls == [5]
    assert {body["resourceType"] for body in hospital.kept.values()} == set(module.KINDS)
    assert all("step 29" in body["text"]["div"] for place, body in hospital.kept.items() if "Observ" not in place)
    hospital.tell(make.estimate("P-1", make.at(3)))
    (observation,) = (body for place, body in hospital.kept.items() if "Observ" in place)
    assert observation["effectiveDateTime"] == make.at(29).isoformat(timespec="milliseconds"), "older ones are left out"


def test_only_the_kinds_and_patients_that_are_wanted_are_put() -> None:
    hospital = Hospital(resources="Flag, Observation", patients="P-1", rules="tox.*")
    hospital.tell(make.alert("P-1"), make.alert("P-1", rule="twin.surprise"), make.alert("P-2"), make.estimate("P-2"))
    hospital.tell(make.estimate("P-1"), make.forecast("P-1"))
    assert sorted(place.partition("/")[0] for place in hospital.kept) == ["Flag", "Observation"]


def test_what_is_refused_is_named_and_the_rest_is_put() -> None:
    hospital = Hospital(
        lambda place: ("422 Unprocessable", "no such code") if place.startswith("Flag") else ("200", "")
    )
    with pytest.raises(BadItem) as refusal:
        hospital.tell(make.alert("P-1"))
    assert refusal.value.refused == {1: "HTTP 422: no such code"}
    assert len(hospital.kept) == 3


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        ("409 Conflict", Unavailable, "HTTP 409"),
        ("500 Oops", Unavailable, "HTTP 500"),
        ("403 No", AccessDenied, "HTTP 403"),
        ("404 Not Found", BadItem, "refused"),
        ("", Unavailable, "HTTP 500"),
    ],
)
def test_what_a_server_says_of_one_resource_means(status: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        Hospital(lambda _: (status, "")).tell(make.alert("P-1"))


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (400, BadItem, "HTTP 400: cannot be read"),
        (401, AccessDenied, "HTTP 401: check the receiver's address"),
        (302, AccessDenied, "HTTP 302"),
        (503, Unavailable, "HTTP 503"),
        (204, Unavailable, "HTTP 204"),
    ],
)
def test_what_a_server_says_of_all_of_them_means(status: int, error: type[Exception], says: str) -> None:
    hospital = Hospital()
    hospital.status = status
    if status == 204:
        says = "an answer about 0 of 4 resources; is --server the base of a FHIR server?"
    with pytest.raises(error, match=says):
        hospital.tell(make.alert("P-1"))


def test_a_slow_server_is_told_less_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    hospital = Hospital()
    monkeypatch.setattr(module, "LONGEST_WRITE", -1.0)
    with pytest.raises(TooSlow, match="for 4 resources"):
        hospital.tell(make.alert("P-1"))


def test_a_token_opens_the_server_and_one_that_is_not_taken_is_asked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    hospital = Hospital(client_id="twin-7", key_file=str(key), token_url="https://ehr.example/token")
    given = iter(range(9))

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert b"client_assertion=" in request.content
        return httpx2.Response(200, content=said(f"t{next(given)}"))

    async def said(token: str) -> AsyncIterator[bytes]:
        yield json.dumps({"access_token": token, "token_type": "Bearer"}).encode()

    token = hospital.writer._token
    assert token is not None
    monkeypatch.setattr(token, "_client", lambda: httpx2.AsyncClient(transport=httpx2.MockTransport(answer)))
    hospital.tell(make.alert("P-1"))
    hospital.tell(make.alert("P-2"))
    hospital.status = 401
    with pytest.raises(AccessDenied):
        hospital.tell(make.alert("P-3"))
    hospital.status = 200
    hospital.tell(make.alert("P-3"))
    assert hospital.authorized == ["Bearer t0", "Bearer t0", "Bearer t0", "Bearer t1"]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("server", "http://ehr.example/fhir", "in the clear"),
        ("resources", "Flag,Patient", "'Patient' is not put; choose from DetectedIssue"),
        ("patient_system", "ward", "pattern"),
    ],
)
def test_settings_that_cannot_be_used_are_named(field: str, value: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        load_settings(Settings, **({"server": "https://ehr.example/fhir"} | {field: value}))


@contextmanager
def writer_to(server: str) -> Iterator[FhirWriter]:
    with open_writer(Settings(server=server)) as writer:
        yield writer


def test_the_real_one_has_an_alert_raised_updated_resolved_withdrawn_and_finds_no_fault_in_it(fhir: str) -> None:
    patient = f"P-{uuid.uuid4().hex[:10]}"

    def step(revision: int, phase: Any, onset: int = 0) -> Alert:
        given = {"rule": "delivery.overinfusion", "advice": "Look at the pump.", "probability": 0.6 + revision / 100}
        return make.alert(patient, make.at(revision), revision=revision, phase=phase, onset=make.at(onset), **given)

    def there(kind: str, about: str = "alert") -> dict[str, tuple[str, str]]:
        """Status and version of the patient's resources, by the alert's id."""
        asked = {"_count": "50", "_tag": f"urn:dosetwin:output|{about}"}
        found = httpx2.get(f"{fhir}/{kind}", params=asked, timeout=300).json().get("entry", [])
        bodies = [one["resource"] for one in found]
        named = [(one, (one.get("subject") or one.get("patient")).get("identifier", {})) for one in bodies]
        mine = [one for one, identifier in named if identifier.get("value") == patient]  # others write there, too
        return {one["identifier"][0]["value"]: (one["status"], one["meta"]["versionId"]) for one in mine}

    first, second = step(0, "start"), step(0, "start", onset=-1)
    put: list[Body] = []
    with writer_to(fhir) as writer:

        def tell(*events: Alert | Estimate) -> None:
            for event in events:
                topic = ALERTS if isinstance(event, Alert) else ESTIMATES
                items = writer.items(Record(topic, 0, 0, 0, b"", encode(event)))
                put.extend(items)
                writer.write(items)

        tell(first, second, make.estimate(patient), step(1, "update"))
        for kind in ("Flag", "DetectedIssue", "RiskAssessment", "Communication"):
            assert len(there(kind)) == 2, kind
        assert there("Flag") == {first.alert_id: ("active", "1"), second.alert_id: ("active", "1")}
        assert there("Communication")[first.alert_id] == ("completed", "2")
        assert len(there("Observation", "estimate")) == 1
        tell(step(1, "update"))
        assert there("Communication")[first.alert_id] == ("completed", "2"), "a repetition leaves no trace"
        tell(step(2, "end"), step(2, "withdrawn", onset=-1))
    assert there("Flag")[first.alert_id][0] == "inactive"
    assert there("DetectedIssue")[first.alert_id][0] == "final"
    for kind in ("Flag", "DetectedIssue", "RiskAssessment", "Communication"):
        assert there(kind)[second.alert_id][0] == "entered-in-error"
    nadir = of_forecast(make.forecast(patient))
    assert nadir is not None
    for body in {body["resourceType"]: body for body in [*put, nadir]}.values():
        answer = httpx2.post(f"{fhir}/{body['resourceType']}/$validate", json=body, timeout=300).json()
        issues = [one for one in answer["issue"] if one["severity"] in ("error", "fatal")]
        assert issues == []
        assert not any("dom-6" in one["diagnostics"] for one in answer["issue"]), "it has a narrative"
