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
from connectors.webhooks import SIGNATURE, keys_of, new_secret, signed
from tests.connectors.listeners.test_intake import Kafka
from tests.places import REFERENCE

HEADERS = {"authorization": "Bearer secret", "content-type": "application/json"}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""That of the public message, which the vectors of Standard Webhooks use."""

NOW = 1_614_265_330.0
"""When the public message was signed."""

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
    tokens = f'[[token]]\nsource = "script"\nsha256 = "{digest}"\nper_second = 100\n'
    hooks = '[[webhook]]\nsource = "hooks"\nsecrets = "DOSETWIN_WEBHOOK_A"\npatients = ["P-*"]\n'
    (tmp_path / "tokens.toml").write_text(tokens + hooks)
    kafka = Kafka()
    environ = {"DOSETWIN_WEBHOOK_A": f"{new_secret()} {SECRET}"}
    door = Door(read_grants(tmp_path / "tokens.toml", lambda: 0.0, environ), kafka, {}, clock=lambda: NOW)
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
    for broken in (b"no gzip", gzip.compress(b"[]")[:-4], gzip.compress(b"[]") * 2):
        assert served.post(broken, headers=zipped).status_code == 400
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


def hooked(body: bytes, secret: str = SECRET, seconds: float = 0.0, **headers: str) -> dict[str, str]:
    """Headers of a message that a source signed so many seconds ago."""
    made = signed(keys_of(secret), "msg_1", int(NOW - seconds), body)
    return {"content-type": "application/json"} | made | headers


def test_a_source_that_signs_its_messages_needs_no_token(served: Served) -> None:
    body = json.dumps([event("a", source="hooks"), event("b"), event("c", source="hooks", patient_id="Q")]).encode()
    answer = served.post(body, headers=hooked(body))
    assert answer.status_code == 202
    assert [one.get("reason") for one in answer.json()["results"]] == [None, "forbidden", "forbidden"]
    zipped = gzip.compress(body)
    assert served.post(zipped, headers=hooked(zipped) | {"content-encoding": "gzip"}).status_code == 202
    assert served.post(zipped, headers=hooked(body) | {"content-encoding": "gzip"}).status_code == 401


SIGNED = json.dumps(event(source="hooks")).encode()


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (hooked(SIGNED, new_secret()), "with the secret of this source"),
        (hooked(SIGNED + b" "), "with the secret of this source"),
        (hooked(SIGNED) | {SIGNATURE: "v1,nonsense"}, "with the secret of this source"),
        (hooked(SIGNED, seconds=301), "set the sender's clock"),
        (hooked(SIGNED, seconds=-301), "set the sender's clock"),
        (hooked(SIGNED) | {"webhook-id": ""}, "webhook-id is missing"),
        (hooked(SIGNED) | {"webhook-timestamp": "now"}, "whole seconds"),
        (hooked(SIGNED) | {"authorization": "Bearer wrong"}, "Bearer TOKEN"),
    ],
    ids=["secret", "body", "signature", "old", "early", "no id", "no time", "a wrong token beside it"],
)
def test_what_is_not_proven_to_be_a_source_s_is_refused_with_its_mend(
    served: Served, headers: dict[str, str], says: str
) -> None:
    answer = served.post(SIGNED, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert says in answer.json()["detail"]
    assert not served.kafka.sent


def test_a_message_that_is_signed_again_tells_what_it_told(served: Served) -> None:
    for seconds in (0.0, 0.0, 200.0):
        assert served.post(SIGNED, headers=hooked(SIGNED, seconds=seconds)).status_code == 202
    assert len({one.event_id for one in served.kafka.events()}) == 1


PUBLIC = REFERENCE / "feeds"


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public messages are not part of the project")
def test_the_public_message_is_proven_and_tells_nothing(served: Served) -> None:
    entries = {entry["id"]: entry for entry in json.loads((PUBLIC / "manifest.json").read_text())}
    entry = entries["standard-webhook-vector"]
    body = (PUBLIC / entry["file"].removeprefix("open/")).read_bytes()
    assert (entry["expect"], entry["transport"]["secret"]) == ({"valid": True, "events": []}, SECRET)
    headers = {"content-type": "application/json"} | entry["transport"]["headers"]
    answer = served.post(body, headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (422, "unknown_kind")
    assert not served.kafka.sent
    assert served.post(body + b"\n", headers=headers).status_code == 401


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
