"""What a person does about an alert says what it must, or is refused with the reason."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from twin.events import Alert, AlertAction, AlertHandling, BadEvent, decode, encode

SHELVED = AlertAction.example()
ACKNOWLEDGED: dict[str, Any] = SHELVED.model_dump(exclude={"until"}) | {
    "action": "acknowledge",
    "reason": "",
    "subject": SHELVED.subject,
}


def test_an_action_is_read_as_it_was_written() -> None:
    assert decode(encode(SHELVED)) == SHELVED
    assert AlertAction(**ACKNOWLEDGED).until is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"action": "shelve", "reason": "why"}, "'shelve' needs 'until'"),
        ({"until": SHELVED.until}, "'shelve' needs 'until', and nothing else has one"),
        ({"action": "shelve", "reason": "why", "until": SHELVED.time}, "is not after 'time'"),
        ({"action": "shelve", "until": SHELVED.until}, "'shelve' needs a 'reason'"),
        ({"action": "comment", "reason": " "}, "'comment' needs a 'reason'"),
        ({"seen": SHELVED.time + timedelta(seconds=1)}, "'seen' is after 'time'"),
    ],
)
def test_an_action_that_says_too_little_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AlertAction(**(ACKNOWLEDGED | changes))


def test_bytes_of_such_an_action_are_refused_too() -> None:
    with pytest.raises(BadEvent, match="needs a 'reason'"):
        decode(encode(SHELVED).replace(SHELVED.reason.encode(), b""))


def test_what_was_done_last_is_taken_back_by_its_id() -> None:
    alert = Alert.example()
    done = AlertHandling("shelve", "nurse-7", alert.time, "count at six", "done 7")
    back = AlertAction.taking_back(
        alert.model_copy(update={"handled": done}), "nurse-9", alert.time, "ward", "mixed up"
    )
    assert (back.status, back.replaces, back.action, back.until) == ("retracted", "done 7", "shelve", None)
    assert decode(encode(back)) == back
    with pytest.raises(ValueError, match="nothing was done about alert"):
        AlertAction.taking_back(alert, "nurse-9", alert.time, "ward", "mixed up")
