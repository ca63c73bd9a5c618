"""Recorded messages as a feed: their events, what of them cannot be used, and what no twin reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.facts.fact import Passed, Refusal, Subject
from connectors.facts.profile import PatientSettings, ProfileError, read_profile
from connectors.facts.telling import Telling
from connectors.feeds.bad_lines import BadLine
from connectors.feeds.messages import key_of_patients, open_feed, outcomes
from connectors.feeds.stream import Note, TimedEvent
from connectors.protocols.hl7.mllp import framed
from tests.connectors.facts.sources import KEY
from tests.connectors.protocols import spoken


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(PatientSettings.variable("key"), KEY.decode())
    path = tmp_path / "lab.toml"
    path.write_text('id = "lab-east"\nprotocol = "hl7"\nmode = "real"\n')
    return path


def recorded(tmp_path: Path, raw: bytes) -> Path:
    path = tmp_path / "recorded"
    path.write_bytes(raw)
    return path


def test_messages_become_events_bad_lines_and_notes(profile: Path, tmp_path: Path) -> None:
    bad = spoken.laboratory(spoken.count(f6="K/uL"))
    file = recorded(tmp_path, framed(spoken.laboratory()) + framed(bad) + framed(spoken.MONITOR))
    said = list(open_feed(profile, [file]).said)
    events = [one.event for one in said if isinstance(one, TimedEvent)]
    assert [event.model_dump()["kind"] for event in events] == ["lab_result", "vital_sample", "vital_sample"]
    (line,) = [one for one in said if isinstance(one, BadLine)]
    assert "2" in str(line)
    assert "OBR[1].OBX[1]: unknown_unit" in str(line)
    assert [one for one in said if isinstance(one, Note)]
    assert spoken.NAME not in repr(said)


def test_a_later_message_corrects_an_earlier_one(profile: Path, tmp_path: Path) -> None:
    file = recorded(
        tmp_path, b"".join(framed(spoken.laboratory(spoken.count(value))) for value in ("3.4", "3.4", "3.6"))
    )
    known = read_profile(profile, key_of_patients())
    told = [outcome for _, _, outcome in outcomes(known, [file]) if isinstance(outcome, Telling)]
    assert [len(one.events) for one in told] == [1, 0, 1]


def test_what_cannot_be_read_at_all_is_one_refusal(profile: Path, tmp_path: Path) -> None:
    known = read_profile(profile, key_of_patients())
    ((_, number, outcome),) = outcomes(known, [recorded(tmp_path, b"hello")])
    assert isinstance(outcome, Refusal)
    assert (number, outcome.place, outcome.reason) == (1, "message", "malformed")


def test_a_data_point_is_of_whom_the_command_says(profile: Path, tmp_path: Path) -> None:
    profile.write_text('id = "band"\nprotocol = "openmhealth"\nmode = "real"\n')
    known = read_profile(profile, key_of_patients())
    file = recorded(tmp_path, spoken.raw(spoken.point()))
    ((_, _, refused),) = outcomes(known, [file])
    assert isinstance(refused, Refusal)
    ((_, _, told),) = outcomes(known, [file], Subject("someone"))
    assert isinstance(told, Telling)
    ((_, _, passed),) = outcomes(known, [recorded(tmp_path, b"{}")], Subject("someone"))
    assert isinstance(passed, Passed)


def test_without_a_secret_there_are_no_pseudonyms(profile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PatientSettings.variable("key"))
    with pytest.raises(ProfileError, match=PatientSettings.variable("key")):
        open_feed(profile, [])
