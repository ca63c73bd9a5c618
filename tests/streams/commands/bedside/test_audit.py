"""``dosetwin audit``: who looked is told by patient, person and time, and what is missing is named."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from connectors.audit.access import Access, encode
from connectors.audit.trail import Trail
from connectors.kafka.publish import Sender
from connectors.kafka.topics import ACCESSES
from connectors.settings import Settings
from streams.cli import app

NURSE = {"who": "nurse-7", "role": "clinician", "address": "192.0.2.7"}
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
TOLD = (
    Access("read", "done", "patient", patient="P-1", **NURSE),
    Access("read", "done", "ward", group=("P-*",), who="board-3", role="viewer", address="192.0.2.8"),
    Access("act", "begins", "alert", patient="P-2", subject="e-1", **NURSE),
    Access("act", "done", "alert", patient="P-2", subject="e-1", **NURSE),
    Access("act", "begins", "alert", patient="P-1", subject="e-2", **NURSE),
    Access("read", "refused", "ward", address="192.0.2.9", status=401),
)


@pytest.fixture(scope="module")
def settings(kafka: str) -> Settings:
    settings = Settings(kafka=kafka, topic_prefix=f"a{uuid.uuid4().hex[:8]}.", partitions=1)
    now = iter(NOON.replace(minute=minute) for minute in range(60))
    trail = Trail(settings, now=lambda: next(now))
    trail.start()
    for access in TOLD:
        trail.tell(access)
    trail.stop()
    return settings


def run(settings: Settings, *words: str, code: int = 0) -> Any:
    answer = CliRunner().invoke(app, ["audit", *words, "--kafka", settings.kafka, "--prefix", settings.topic_prefix])
    assert answer.exit_code == code, answer.output
    return answer


def exported(settings: Settings, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(settings, "export", *words).stdout.splitlines()]


@pytest.fixture(autouse=True)
def one_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_PARTITIONS", "1")


def test_all_is_told_once_by_time_and_an_action_by_its_end(settings: Settings) -> None:
    told = exported(settings, "--format", "plain")
    assert [(one["deed"], one["outcome"]) for one in told] == [
        ("console", "begins"),
        ("read", "done"),
        ("read", "done"),
        ("act", "done"),
        ("act", "begins"),
        ("read", "refused"),
        ("console", "done"),
    ]
    events = exported(settings)
    assert {one["resourceType"] for one in events} == {"AuditEvent"}
    assert [one["outcome"] for one in events] == ["0", "0", "0", "0", "4", "8", "0"]


@pytest.mark.parametrize(
    ("words", "who"),
    [
        (("--patient", "P-1"), ["nurse-7", "board-3", "nurse-7"]),
        (("--patient", "W-1"), []),
        (("--who", "board-3"), ["board-3"]),
        (("--since", "2026-03-04T12:02Z", "--until", "2026-03-04T13:05:00+01:00"), ["board-3", "nurse-7"]),
    ],
)
def test_a_question_is_answered_with_what_it_is_about(
    settings: Settings, words: tuple[str, ...], who: list[str]
) -> None:
    assert [one.get("who", "") for one in exported(settings, "--format", "plain", *words)] == who
    assert len(exported(settings, *words)) == len(who)


def test_what_is_chained_holds_and_what_is_missing_or_no_access_is_named(settings: Settings) -> None:
    run(settings, "run", "--once")
    assert "the chains hold" in run(settings, "verify").output
    forged = TOLD[0].stamped(NOON, "3f2a90c1d2e4", 4)
    later = TOLD[0].stamped(NOON, "3f2a90c1d2e4", 6)
    sender = Sender(settings)
    sender.put(ACCESSES, b"3f2a90c1d2e4", [encode(forged), encode(later), b"no access"])
    sender.close()
    run(settings, "run", "--once")
    output = run(settings, "verify", code=1).output
    assert "twin.accesses-audit[0]: of what console 3f2a90c1d2e4 tells number 5 is missing" in output
    assert "1 records of twin.accesses are no accesses" in run(settings, "export", code=1).output
