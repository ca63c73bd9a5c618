"""A dead letter names what is wrong and whom it is about, as far as the bytes tell."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from twin.events import Clock
from twin.events.malformed import WireFault, fault_of

GOOD = '"event_id":"e1","patient_id":"P-1","time":"2026-01-05T09:00:00Z","source":"ward"'


def fault(raw: str) -> WireFault:
    with pytest.raises(ValidationError) as caught:
        Clock.model_validate_json(raw)
    return fault_of(raw.encode(), caught.value)


def test_what_is_no_json_is_about_nobody() -> None:
    found = fault("{")
    assert (found.reason, found.patient_id, found.event_id) == ("malformed_json", None, None)
    assert found.detail.startswith("not JSON: ")


def test_an_invalid_event_still_says_whom_it_is_about() -> None:
    found = fault(f'{{"kind":"clock",{GOOD.replace("2026-01-05T09:00:00Z", "noon")}}}')
    assert (found.reason, found.patient_id, found.event_id) == ("invalid_event", "P-1", "e1")
    assert "(got 'noon')" in found.detail


def test_ids_of_another_kind_than_text_are_no_ids() -> None:
    assert fault('{"patient_id":5,"event_id":["x"]}')[2:] == (None, None)
    assert fault("[1, 2]")[2:] == (None, None)
