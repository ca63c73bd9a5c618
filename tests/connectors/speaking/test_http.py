"""A sender over HTTP sends each source's events with its token, and again what is not safe yet."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx2
import pytest

from connectors.speaking.counts import Counts
from connectors.speaking.http import HttpSender
from twin.events import InputEvent, LabResult, PumpTotals, decode

COUNT = LabResult.example().model_copy(update={"source": "lab"})
TOTALS = PumpTotals.example().model_copy(update={"source": "pump"})
Answers = Callable[[httpx2.Request], httpx2.Response]


def sender(answers: Answers, told: list[str], waits: list[float]) -> tuple[HttpSender, Counts]:
    counts = Counts(told.append)
    transport = httpx2.MockTransport(answers)
    return HttpSender("http://ward/", {"lab": "L", "pump": "P"}, lambda: False, counts, waits.append, transport), counts


def accepting(request: httpx2.Request) -> httpx2.Response:
    lines = request.content.splitlines()
    return httpx2.Response(202, json={"accepted": len(lines), "results": [{"status": "accepted"}] * len(lines)})


def test_events_of_a_source_go_together_with_its_token_in_their_order() -> None:
    seen: list[tuple[str, list[InputEvent]]] = []

    def answers(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.headers["authorization"], [decode(line) for line in request.content.splitlines()]))
        return accepting(request)

    to, counts = sender(answers, [], [])
    to.events([COUNT, COUNT, TOTALS, COUNT])
    to.close()
    assert seen == [("Bearer L", [COUNT, COUNT]), ("Bearer P", [TOTALS]), ("Bearer L", [COUNT])]
    assert counts.by_kind == {"lab_result": 3, "pump_totals": 1}


def test_it_comes_again_when_it_is_told_to_and_waits_where_nobody_is() -> None:
    waits: list[float] = []
    told: list[str] = []

    def answers(request: httpx2.Request) -> httpx2.Response:
        match len(waits):
            case 0:
                raise httpx2.ConnectError("nobody")
            case 1:
                return httpx2.Response(429, headers={"retry-after": "7"})
            case 2:
                return httpx2.Response(503, headers={"retry-after": "3600"})
        return accepting(request)

    to, counts = sender(answers, told, waits)
    to.events([COUNT])
    assert waits == [1.0, 7.0, 30.0]
    assert (counts.sent_again, counts.by_kind["lab_result"], len(told)) == (3, 1, 1)


def test_what_is_refused_is_told_by_its_reason_and_the_rest_counts() -> None:
    told: list[str] = []

    def answers(request: httpx2.Request) -> httpx2.Response:
        if request.headers["content-type"] == "x":
            return httpx2.Response(422, json={"title": "malformed", "detail": "no message"})
        refused = {"status": "refused", "reason": "forbidden", "detail": "not yours"}
        return httpx2.Response(202, json={"results": [refused, {"status": "accepted"}]})

    to, counts = sender(answers, told, [])
    to.events([COUNT, COUNT])
    to.message("lab", "Observation", b"?", "x")
    assert counts.by_kind == {"lab_result": 1}
    assert told == ["lab_result: forbidden: not yours", "Observation: message: malformed: no message"]


def test_a_message_counts_where_none_of_its_facts_is_refused() -> None:
    place = {"place": "component[1]", "reason": "no_unit", "detail": "a number"}
    told: list[str] = []
    for status, count in (("refused", 0), ("accepted", 1), ("passed", 1)):
        answer = httpx2.Response(202, content=json.dumps({"results": [place | {"status": status}]}))
        to, counts = sender(lambda _, answer=answer: answer, told, [])  # type: ignore[misc]
        to.message("lab", "Observation", b"{}", "application/fhir+json")
        assert counts.by_kind.total() == count
    assert told == ["Observation: component[1]: no_unit: a number"]


def test_a_resource_is_put_and_a_servers_refusal_is_told() -> None:
    told: list[str] = []
    seen: list[tuple[str, str]] = []

    def answers(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.method, str(request.url)))
        return httpx2.Response(201 if len(seen) == 1 else 400, text="no such code")

    to, counts = sender(answers, told, [])
    for _ in range(2):
        to.put("/Observation/w1", "Observation", b"{}", "application/fhir+json")
    assert seen[0] == ("PUT", "http://ward/Observation/w1")
    assert counts.by_kind == {"Observation": 1}
    assert told == ["Observation: the server answered with 400: no such code"]


def test_a_url_is_one() -> None:
    with pytest.raises(ValueError, match="write a URL"):
        HttpSender("ward:8502", {}, lambda: False, Counts(print))
