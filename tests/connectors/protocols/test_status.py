"""Births and deaths: a will tells of a silence once, and never of an earlier life of its device."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.facts.fact import NotAFact, OwnEvent, Passed
from connectors.facts.memory import Memory
from connectors.protocols.status import CONDITION, read_status, said_of_life
from tests.connectors.facts import sources
from twin.events import DeviceAlert

PROFILE = sources.profile("dosetwin", source="wrists")
AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def phases(*said: str, patient: str = "P-1", memory: Memory | None = None) -> list[str]:
    """What each birth or death tells: the phase of an alert, or nothing. With ``!`` it is told a second time."""
    memory, told = memory or Memory(), []
    for one in said:
        payload, repeated = one.rstrip("!").encode(), one.endswith("!")
        found = read_status(payload, "w", patient, PROFILE, memory, repeated=repeated, at=AT)
        told.append(found.event.phase if isinstance(found, OwnEvent) and isinstance(found.event, DeviceAlert) else "")
        assert isinstance(found, OwnEvent | Passed)
    return told


UP7, DOWN7 = '{"online": true, "bdSeq": 7}', '{"status": "OFFLINE", "bdSeq": 7}'
UP8, DOWN8 = '{"state": "online", "bdSeq": 8}', '{"online": false, "bdSeq": 8}'


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["online", "offline", "offline", "online", "online"], ["", "start", "", "end", ""]),
        (["offline", "online"], ["start", "end"]),
        ([UP7, DOWN7, UP8, DOWN8], ["", "start", "end", "start"]),
        ([UP7, UP8, DOWN7, "offline"], ["", "", "", ""]),
        ([UP7, DOWN7, UP7 + "!", DOWN7 + "!"], ["", "start", "", ""]),
        ([UP7, DOWN7, UP7, DOWN7], ["", "start", "end", "start"]),
        ([DOWN7, UP7], ["start", "end"]),
        (['{"online": true, "timestamp": 5}', '{"online": false, "timestamp": 5}'], ["", "start"]),
    ],
)
def test_a_death_of_the_newest_birth_begins_a_silence_that_the_next_birth_ends(
    said: list[str], told: list[str]
) -> None:
    assert phases(*said) == told


def test_a_silence_has_an_id_of_its_own_and_stops_no_delivery() -> None:
    memory = Memory()
    found = [
        read_status(said.encode(), "w", "P-1", PROFILE, memory, repeated=False, at=AT)
        for said in ("offline", "online", "offline")
    ]
    events = [one.event for one in found if isinstance(one, OwnEvent)]
    assert len({event.event_id for event in events}) == 3
    for event in events:
        assert isinstance(event, DeviceAlert)
        assert (event.condition, event.stops_delivery, event.time, event.source) == (CONDITION, False, AT, "wrists")


def test_the_silence_of_a_device_that_spoke_of_nobody_is_nobodys() -> None:
    assert phases("offline", patient="") == [""]


@pytest.mark.parametrize(
    "payload", [b"", b"\xff", b"gone", b"[]", b"{}", b'{"online": 1}', b'{"online": true, "bdSeq": []}']
)
def test_what_is_neither_is_refused(payload: bytes) -> None:
    with pytest.raises(NotAFact, match="birth"):
        said_of_life(payload)


def test_a_name_that_no_event_can_have_is_refused_and_not_cut() -> None:
    with pytest.raises(NotAFact, match="shorten"):
        read_status(b"offline", "w" * 65, "P-1", PROFILE, Memory(), repeated=False, at=AT)
