"""Dead letters are chosen by what is known of them, and only those go again that can arrive."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from connectors.kafka.dead_letters import Letter, Wanted, cannot_be_sent
from tests.twin.devices.said import bound, on_the_wire, word
from twin.events import Rejected, to_millis

WHEN = datetime(2026, 1, 5, 8, tzinfo=UTC)
SENT = Rejected(reason="unknown_model", detail="no such model", patient_id="P-1", event_id="e", topic="w.clinical.labs",
                partition=1, offset=7, original_base64="e30=")  # fmt: skip
LETTER = Letter(to_millis(WHEN), SENT)


@pytest.mark.parametrize(
    ("wanted", "held"),
    [
        (Wanted(), True),
        (Wanted(reason="unknown_model", patient_id="P-1", topic="clinical.labs", since=WHEN), True),
        (Wanted(reason="unknown_unit"), False),
        (Wanted(patient_id="P-2"), False),
        (Wanted(topic="iomt.pump"), False),
        (Wanted(since=WHEN.replace(hour=9)), False),
    ],
)
def test_a_letter_is_meant_if_all_that_is_given_is_true_of_it(wanted: Wanted, held: bool) -> None:
    assert wanted.holds(LETTER, "w.") is held


def test_a_time_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match=r"since 2026-01-05T08:00:00: a time needs an offset"):
        Wanted(since=datetime(2026, 1, 5, 8))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"topic": "w.twin.estimates"}, "which is no input"),
        ({"topic": "w.twin.estimates", "reason": "influx_refused"}, "which is no input"),
        ({"topic": "w.twin.alerts"}, "which is no input"),
        ({"topic": "w.twin.alerts", "reason": "webhook_refused"}, ""),
        ({"topic": None}, "it stands on no topic"),
        ({"original_base64": None}, "it holds no bytes"),
        ({"original_encrypted": True}, "no key here opens its bytes, or its patient was erased"),
        ({"patient_id": None}, "nobody can say which patient"),
    ],
)
def test_what_cannot_arrive_is_not_sent(changes: dict[str, str | bool | None], why: str) -> None:
    said = cannot_be_sent(Letter(0, SENT.model_copy(update=changes)), "w.")
    assert why in said
    assert bool(said) == bool(why)


@pytest.mark.parametrize(
    ("original", "why"),
    [
        (on_the_wire(word("w", 5)), ""),
        (on_the_wire(bound("P-1", 5)), ""),
        (b"{", "nobody can say which device"),
    ],
)
def test_what_a_device_said_goes_again_under_the_key_of_the_device(original: bytes, why: str) -> None:
    letter = SENT.model_copy(
        update={"topic": "w.iomt.devices", "patient_id": None, "original_base64": base64.b64encode(original).decode()}
    )
    assert why in cannot_be_sent(Letter(0, letter), "w.")
    assert bool(cannot_be_sent(Letter(0, letter), "w.")) == bool(why)
