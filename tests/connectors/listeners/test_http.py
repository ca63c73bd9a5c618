"""Events over HTTP: a result for each item when Kafka has them, and problems that say what to mend."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from connectors.listeners import http
from connectors.listeners.http import Door
from connectors.listeners.tokens import read_grants
from tests.connectors.listeners.test_intake import Kafka

HEADERS = {"authorization": "Bearer secret", "content-type": "application/json"}
LINES = HEADERS | {"content-type": "application/x-ndjson"}


def event(id_: str = "a", **changes: Any) -> dict[str, Any]:
    return {
        "event_id": id_, "patient_id": "P-1", "time": "2026-03-02T08:00:00Z", "source": "script", "kind": "lab_result",
        "analyte": "neutrophils", "value": {"value": 1.2, "unit": "10*9/L"},
    } | changes  # fmt: skip


@dataclass
class Served:
    client: TestClient
    kafka: Kafka

    def post(self, body: Any, path: str = "/v1/events", headers: dict[str, str] | None = None) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, content=raw, headers=HEADERS if headers is None else headers)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    digest = hashlib.sha256(b"secret").hexdigest()
    (tmp_path / "tokens.toml").write_text(f'[[token]]\nsource = "script"\nsha256 = "{digest}"\nper_second = 100\n')
    kafka = Kafka()
    door = Door(read_grants(tmp_path / "tokens.toml", lambda: 0.0), kafka, {})
    with TestClient(door.application()) as client:
        yield Served(client, kafka)


def test_an_event_is_accepted_when_kafka_has_it(served: Served) -> None:
    answer = served.post(event())
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 1, "results": [{"item": "/0", "status": "accepted", "event_id": "a"}]}
    assert [one.event_id for one in served.kafka.events()] == ["a"]


@pytest.mark.parametrize("as_lines", [False, True])
def test_each_item_of_a_batch_stands_alone(served: Served, *, as_lines: bool) -> None:
    items = [event("a"), event("b", source="another"), event("c", value=3), event("d")]
    body: Any = "\n".join(map(json.dumps, items)).encode() + b"\n\n" if as_lines else items
    answer = served.post(body, headers=LINES if as_lines else HEADERS)
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [one["status"] for one in results] == ["accepted", "refused", "refused", "accepted"]
    assert [one.get("reason") for one in results] == [None, "forbidden", "invalid_event", None]
    assert "field 'value'" in results[2]["detail"]
    assert [one.event_id for one in served.kafka.events()] == ["a", "d"]


def test_a_body_may_be_zipped_and_a_bomb_is_not_unzipped(served: Served) -> None:
    zipped = HEADERS | {"content-encoding": "gzip"}
    assert served.post(gzip.compress(json.dumps(event()).encode()), headers=zipped).status_code == 202
    assert served.post(gzip.compress(b" " * (50 << 20)), headers=zipped).status_code == 413
    assert served.post(b"no gzip", headers=zipped).status_code == 400
    assert served.post(b"?", headers=HEADERS | {"content-encoding": "br"}).status_code == 415


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (event(), {"content-type": "application/json"}, 401, "Bearer"),
        (event(), HEADERS | {"authorization": "Bearer wrong"}, 401, "Bearer"),
        (event(), HEADERS | {"content-type": "text/plain"}, 415, "application/json"),
        (b"", HEADERS, 422, "not JSON"),
        (b"[", HEADERS, 400, "truncated"),
        ([], HEADERS, 400, "from 1 to"),
        ([event()] * 1001, HEADERS, 413, "from 1 to"),
        (b" " * (5 << 20), HEADERS, 413, "at most"),
        (event(kind="nothing"), HEADERS, 422, "field 'kind'"),
    ],
    ids=["no token", "a wrong token", "a type", "nothing", "half", "none", "too many", "too large", "no kind"],
)
def test_a_problem_with_the_whole_is_said_as_one(
    served: Served, body: Any, headers: dict[str, str], status: int, says: str
) -> None:
    answer = served.post(body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert problem["status"] == status
    assert says in problem["detail"]
    assert not served.kafka.sent


def test_more_than_a_source_may_send_is_to_come_again(served: Served) -> None:
    assert served.post([event(str(n)) for n in range(200)]).status_code == 202
    answer = served.post(event("more"))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_what_kafka_does_not_have_is_not_accepted(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONFIRM_SECONDS", 5.0)
    served.kafka.down = True
    answer = served.post(event())
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_a_source_without_a_profile_sends_no_messages(served: Served) -> None:
    assert served.post(b"MSH|", "/v1/messages").status_code == 403


def test_the_description_is_served_and_has_every_kind(served: Served) -> None:
    document = served.client.get("/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert "DeviceAlert" in document["components"]["schemas"]
