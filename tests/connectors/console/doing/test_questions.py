"""What people ask a twin through the console: what is taken, and what is refused and why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from connectors.advice.asking import request_of
from connectors.console.board import Board
from connectors.console.doing.way_in import DATED_KEPT, WayIn
from connectors.console.topic_reader import LiveBoard, ReaderStatus
from tests import factories as make
from tests.connectors.console.doing.way_in import ACTS, NOW, Sent, client_of
from twin.events import AdviceRequested

ASK: dict[str, Any] = {
    "by": "physician-3",
    "reason": "dose of the second cycle",
    "branches": ["delay docetaxel 7 d"],
    "genotypes": {"DPYD": "1.5"},
}


@pytest.fixture
def live() -> LiveBoard:
    live = LiveBoard(Board(), ReaderStatus(state="live"))
    live.fold([make.estimate("P-1", make.at(20))])
    return live


def ask(client: TestClient, said: Any, patient: str = "P-1", headers: dict[str, str] = ACTS) -> tuple[int, str]:
    answer = client.post(f"/api/patients/{patient}/advice", json=said, headers=headers)
    return answer.status_code, answer.json().get("detail", "")


def test_what_is_asked_becomes_the_event_that_the_command_sends(client: TestClient, sent: Sent) -> None:
    answer = client.post("/api/patients/P-1/advice", json=ASK, headers=ACTS)
    (word,) = sent.words
    assert (answer.status_code, answer.json()["event_id"]) == (202, word.event_id)
    known, branches = (("DPYD", "1.5"),), ("delay docetaxel 7 d",)
    assert word == request_of(
        "P-1", "physician-3", NOW, "dosetwin console", ASK["reason"], genotypes=known, branches=branches
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"by": "Hans Mueller"}, "field 'by': a pseudonym, never a name"),
        ({"by": None}, "`$.by`"),
        ({"reason": " "}, "field 'reason': it is empty; write what for"),
        ({"genotypes": {"DPYD": 1.5}}, "`$.genotypes[...]`"),
        ({"genotypes": {"DPYD *2A": "poor"}}, "field 'gene'"),
        ({"branches": ["x" * 201]}, "field 'branches.0'"),
        ({"branches": ["skip docetaxel"] * 9}, "field 'branches'"),
        ({"branches": "skip docetaxel"}, "`$.branches`"),
        ({"drug": "x" * 65}, "field 'drug'"),
        ({"dose": 75}, "unknown field `dose`"),
        ({"asks": "both"}, "`$.asks`"),
        ({"asks": "what_if", "branches": []}, "'branches' is empty; name one, as 'delay docetaxel 7 d'"),
    ],
)
def test_what_says_too_little_or_too_much_is_named(
    client: TestClient, sent: Sent, changes: dict[str, Any], says: str
) -> None:
    status, detail = ask(client, ASK | changes)
    assert (status, says in detail, sent.words) == (400, True, []), detail


def test_nobody_is_asked_of_whom_nothing_is_known(client: TestClient, sent: Sent) -> None:
    status, detail = ask(client, ASK, "P-9")
    assert (status, "nothing is known of patient 'P-9'" in detail, sent.words) == (404, True, [])


def test_no_other_site_can_ask(client: TestClient, sent: Sent) -> None:
    assert ask(client, ASK, headers={})[0] == 403
    assert ask(client, ASK, headers=ACTS | {"origin": "http://elsewhere.example"})[0] == 403
    assert sent.words == []


def test_a_question_that_does_not_come_to_kafka_is_told_so(client: TestClient, sent: Sent) -> None:
    sent.away = True
    assert ask(client, ASK) == (503, "the broker did not confirm it; send it again")


def test_a_replayed_ward_is_asked_at_its_own_time(live: LiveBoard, sent: Sent) -> None:
    with client_of(live, WayIn(live, sent, replayed=True)) as client:
        assert [ask(client, ASK)[0] for _ in range(2)] == [202, 202]
    assert [word.time for word in sent.words] == [make.at(20), make.at(20) + timedelta(milliseconds=1)]


def test_of_a_replayed_ward_as_many_dates_are_kept_as_people_may_be_spoken_of(live: LiveBoard, sent: Sent) -> None:
    way_in = WayIn(live, sent, replayed=True)
    first = way_in.time("P-1")
    for number in range(DATED_KEPT - 1):
        way_in.time(f"W-{number}")
    assert way_in.time("P-1") > first, "whose date is known still is dated after it"
    way_in.time("W-new")
    assert len(way_in.dated) == DATED_KEPT
    assert "P-1" in way_in.dated
    assert "W-0" not in way_in.dated


def test_what_ifs_alone_need_no_reason(client: TestClient, sent: Sent) -> None:
    assert ask(client, {"by": "physician-3", "asks": "what_if", "branches": ["skip docetaxel"]})[0] == 202
    (word,) = sent.words
    assert isinstance(word, AdviceRequested)
    assert (word.asks, word.branches) == ("what_if", ("skip docetaxel",))
