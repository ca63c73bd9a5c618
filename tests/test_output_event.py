"""An output event is two files: its class, and what it becomes as lines. Everything else follows from what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.places import ROOT
from twin.events import decode_output

EVENT = '''"""How hot the patient may become."""

from typing import ClassVar, Literal, Self

from twin.events.channels import Channel
from twin.events.envelope import OutputEvent
from twin.events.story import published


class FeverRisk(OutputEvent):
    """How likely fever is within a day."""

    sent_on: ClassVar[Channel] = Channel("twin.fever", "Fever to come.")
    replay_file: ClassVar[str] = "fevers.ndjson"

    kind: Literal["fever_risk"] = "fever_risk"
    probability: float

    @classmethod
    def example(cls) -> Self:
        return cls(**published("fever", 121), probability=0.25)
'''

LINES = '''"""How likely fever was."""

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import line, nanos
from twin.events.outputs.fever_risk import FeverRisk

EVENT = FeverRisk


def lines(event: FeverRisk, _: Arrival) -> Iterator[str]:
    yield line("fever", {"patient": event.patient_id}, {"probability": event.probability}, nanos(event.time))
'''

SEEN = """
import json
from connectors.console.board import Board
from connectors.kafka.records import decode_record
from connectors.kafka.topics import OUTPUTS, TOPICS, topic_of
from connectors.schema.asyncapi import asyncapi
from connectors.schema.definitions import event_schema
from connectors.sinks.arrival import Arrival
from connectors.sinks.event_lines import event_lines, topics_drawn
from streams.batch.replay import FILES, _lines
from twin.events import decode_output, encode
from twin.events.outputs.fever_risk import FeverRisk

event = FeverRisk.example()
document = asyncapi()
print(json.dumps({
    "encoded": encode(event).decode(),
    "decoded": decode_output(encode(event)) == event,
    "record": decode_record("twin.fever", encode(event)) == event,
    "topic": topic_of(event, "x."),
    "topics": [topics.count("twin.fever") for topics in (OUTPUTS, TOPICS, topics_drawn())],
    "channel": document["channels"]["twin.fever"],
    "message": document["components"]["messages"]["fever_risk"],
    "operation": document["operations"]["sendTwinFever"]["action"],
    "schema": event_schema()["$defs"]["FeverRisk"]["required"],
    "lines": event_lines(event, Arrival(0, 0, 0)),
    "files": [FILES.count("fevers.ndjson"), _lines([event])["fevers.ndjson"].count(b"fever_risk")],
    "drawn": Board().fold(event),
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a new process sees of an event whose two files stand in our rooms."""
    tree = tmp_path_factory.mktemp("tree")
    added = {"twin/events/outputs/fever_risk.py": EVENT, "connectors/sinks/lines/fever_risk.py": LINES}
    for name, text in added.items():
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_text(text)
    for package in ("twin", "connectors", "streams"):
        link(ROOT / package, tree / package)
    answer = subprocess.run(
        [sys.executable, "-c", SEEN], cwd=tree, env={"PYTHONPATH": str(tree)}, capture_output=True, text=True
    )
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def link(ours: Path, theirs: Path) -> None:
    """Everything of ours as links, with real folders where something was added."""
    if theirs.is_dir():
        for each in ours.iterdir():
            if each.name != "__pycache__":
                link(each, theirs / each.name)
    else:
        theirs.symlink_to(ours)


def test_it_is_encoded_and_decoded(seen: dict[str, Any]) -> None:
    assert json.loads(seen["encoded"])["kind"] == "fever_risk"
    assert seen["decoded"]
    assert seen["record"]


def test_it_has_its_topic_among_those_that_are_created_shown_and_drawn(seen: dict[str, Any]) -> None:
    assert seen["topic"] == "x.twin.fever"
    assert seen["topics"] == [1, 1, 1]


def test_it_is_in_the_documents_with_its_words_and_its_example(seen: dict[str, Any]) -> None:
    assert seen["channel"]["description"] == "Fever to come."
    assert seen["channel"]["messages"] == {"fever_risk": {"$ref": "#/components/messages/fever_risk"}}
    assert seen["message"]["summary"] == "How likely fever is within a day."
    assert seen["message"]["examples"] == [{"payload": json.loads(seen["encoded"])}]
    assert seen["operation"] == "send"
    assert {"kind", "probability", "patient_id"} <= set(seen["schema"])


def test_it_is_drawn_as_its_file_says(seen: dict[str, Any]) -> None:
    (line,) = seen["lines"]
    assert line.startswith("fever,patient=P-0017 probability=0.25 ")


def test_a_replay_has_its_file(seen: dict[str, Any]) -> None:
    assert seen["files"] == [1, 1]


def test_the_console_lets_it_pass(seen: dict[str, Any]) -> None:
    assert seen["drawn"] is False


def test_without_its_file_it_is_nothing_that_was_said(seen: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="fever_risk"):
        decode_output(seen["encoded"].encode())
