"""What people do about alerts through the console: what is taken, and what is refused and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from connectors.console.board import Board
from connectors.console.doing.way_in import WayIn
from connectors.console.door.reading import MOST_BYTES
from connectors.console.topic_reader import LiveBoard, ReaderStatus
from connectors.kafka.records import Record
from tests import factories as make
from tests.connectors.console.doing.way_in import ACTS, NOW, Sent, client_of
from twin.events import Alert, AlertAction, AlertHandling, encode

ALERT = make.alert("P-1", make.at(20))
OVER = make.alert("P-2", make.at(3), phase="end", revision=1, onset=make.START)
SHELVE = {"action": "shelve", "by": "nurse-7", "reason": "count at six", "hours": 8}


@pytest.fixture
def live() -> LiveBoard:
    live = LiveBoard(Board(), ReaderStatus(state="live"))
    live.alerts.open("log", {0: 0})
    for offset, alert in enumerate((ALERT, make.alert("P-2"), OVER)):
        record = Record("twin.alerts", 0, offset, 0, b"", encode(alert))
        live.alerts.take(record, alert)
        live.fold([alert])
    return live


def act(client: TestClient, said: Any, alert: Alert = ALERT, headers: dict[str, str] = ACTS) -> tuple[int, str]:
    """The status and what is said of it."""
    answer = client.post(f"/api/alerts/{alert.alert_id}/actions", json=said, headers=headers)
    return answer.status_code, answer.json().get("detail", "")


def test_what_is_done_becomes_the_event_that_the_command_sends(client: TestClient, sent: Sent) -> None:
    answer = client.post(f"/api/alerts/{ALERT.alert_id}/actions", json=SHELVE, headers=ACTS)
    (word,) = sent.words
    assert (answer.status_code, answer.json()["event_id"]) == (202, word.event_id)
    until = NOW + timedelta(hours=8)
    assert word == AlertAction.about(ALERT, "shelve", "nurse-7", NOW, "dosetwin console", "count at six", until)
    for action in ("acknowledge", "unshelve", "comment"):
        assert act(client, {"action": action, "by": "nurse-7", "reason": "seen"})[0] == 202
    done = [word.action for word in sent.words if isinstance(word, AlertAction)]
    assert done == ["shelve", "acknowledge", "unshelve", "comment"]


def test_what_was_done_can_be_taken_back_and_what_was_not_cannot(
    client: TestClient, live: LiveBoard, sent: Sent
) -> None:
    said = {"action": "retract", "by": "nurse-7", "reason": "the wrong patient"}
    status, detail = act(client, said)
    assert (status, "nothing was done about alert" in detail, sent.words) == (400, True, []), detail
    seen = AlertHandling("acknowledge", "nurse-7", make.at(21), "seen", "done 1")
    handled = make.alert("P-1", make.at(21), revision=1, onset=make.at(20), phase="acknowledged", handled=seen)
    live.alerts.take(Record("twin.alerts", 0, 3, 0, b"", encode(handled)), handled)
    assert act(client, said)[0] == 202
    (word,) = sent.words
    assert word == AlertAction.taking_back(handled, "nurse-7", NOW, "dosetwin console", "the wrong patient")
    assert (word.status, word.replaces) == ("retracted", "done 1")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"by": "Hans Mueller"}, "field 'by': a pseudonym, never a name"),
        ({"by": ""}, "field 'by'"),
        ({"by": 7}, "`$.by`"),
        ({"reason": "  "}, "field 'reason': it is empty; write why"),
        ({"action": "silence"}, "'silence' - at `$.action`"),
        ({"action": "comment"}, "field 'hours'"),
        ({"hours": None}, "field 'hours'"),
        ({"hours": 0}, "`$.hours`"),
        ({"hours": 1000}, "`$.hours`"),
        ({"hours": "8"}, "`$.hours`"),
        ({"until": "2026-03-08T06:00Z"}, "unknown field `until`"),
    ],
)
def test_what_says_too_little_or_too_much_is_named(
    client: TestClient, sent: Sent, changes: dict[str, Any], says: str
) -> None:
    status, detail = act(client, SHELVE | changes)
    assert (status, says in detail, sent.words) == (400, True, []), detail


def test_no_other_site_can_act(client: TestClient, sent: Sent) -> None:
    for name, value in (
        ("origin", "http://elsewhere.example"),
        ("origin", "http://127.0.0.1:9000"),
        ("origin", "null"),
        ("origin", "http://["),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ):
        status, detail = act(client, SHELVE, headers=ACTS | {name: value})
        assert (status, "another site" in detail) == (403, True), (name, value)
    own = ACTS | {"origin": "http://127.0.0.1:8500", "sec-fetch-site": "same-origin"}
    assert act(client, SHELVE, headers=own)[0] == 202
    # What a form can send: its own content types, and no header.
    path = f"/api/alerts/{ALERT.alert_id}/actions"
    assert client.post(path, data=SHELVE).status_code == 403
    assert client.post(path, content=b"{}", headers=ACTS | {"content-type": "text/plain"}).status_code == 415
    assert client.options(path, headers={"origin": "http://elsewhere.example"}).status_code == 403
    assert len(sent.words) == 1


def test_bodies_that_are_too_large_or_no_json_are_refused(client: TestClient) -> None:
    assert act(client, SHELVE | {"reason": "x" * MOST_BYTES})[0] == 413
    path = f"/api/alerts/{ALERT.alert_id}/actions"
    for raw in (b"", b"[]", b"{", b'{"by": "\xff"}', b"[" * 3000):
        answer = client.post(path, content=raw, headers=ACTS | {"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error"]) == (400, "bad_request"), raw[:20]


def test_only_what_stands_is_acted_on(client: TestClient, live: LiveBoard, sent: Sent) -> None:
    assert act(client, SHELVE, OVER) == (409, f"alert {OVER.alert_id!r} is resolved since {OVER.time.isoformat()}")
    status, detail = act(client, SHELVE, make.alert("P-3"))
    assert (status, "stands" in detail) == (404, True)
    live.status = ReaderStatus(state="rebuilding")
    status, detail = act(client, SHELVE)
    assert (status, "rebuilding" in detail, sent.words) == (503, True, [])


def test_nothing_is_taken_that_kafka_has_not(client: TestClient, sent: Sent) -> None:
    sent.away = True
    status, detail = act(client, SHELVE)
    assert (status, "did not confirm" in detail) == (503, True)


def test_a_ward_of_another_time_has_its_own(live: LiveBoard, sent: Sent) -> None:
    later = datetime(2026, 11, 29, tzinfo=UTC)
    with client_of(live, WayIn(live, sent, now=lambda: later)) as client:
        status, detail = act(client, SHELVE)
        assert (status, "--replayed" in detail, sent.words) == (409, True, [])
    with client_of(live, WayIn(live, sent, replayed=True, now=lambda: later)) as client:
        assert act(client, SHELVE)[0] == 202
    assert sent.words[0].time == ALERT.time
