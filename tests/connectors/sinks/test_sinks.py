"""What a sink must say of itself, and which there are."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.kafka.clients import open_producer
from connectors.kafka.topics import ALERTS, ESTIMATES, VITALS, ensure_topics, topic_of
from connectors.settings import Settings
from connectors.sinks import SHARED, open_sink, sinks
from tests import factories as make
from tests.connectors.console.bench import eventually
from tests.connectors.sinks import lines_sink
from tests.plugins import install
from twin.events import encode

OURS = ("alertmanager", "email", "fhir", "influx", "mqtt-publish", "operations", "webhook")
MINIMAL = Path(lines_sink.__file__).read_text()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages; the sinks are looked for anew before and after."""
    monkeypatch.syspath_prepend(str(tmp_path))
    sinks.cache_clear()
    yield tmp_path
    sinks.cache_clear()


def test_ours_are_found_and_nothing_of_their_room_that_is_no_sink() -> None:
    found = sinks()
    assert found.broken == ()
    assert found.names == OURS
    assert all(plugin.summary for plugin in found.plugins)


def test_a_sink_of_an_installed_package_is_found_with_ours(installed: Path) -> None:
    install(installed, "line-sink", {"found_lines.py": MINIMAL}, {"dosetwin.sinks": {"any": "found_lines"}})
    plugin = sinks().named("lines")
    assert plugin is not None
    assert (plugin.origin, plugin.offer.TOPICS) == ("line-sink 1.0", (ESTIMATES, ALERTS))
    assert plugin.summary == "What the twins say, one event a line, in a file of ``DOSETWIN_LINES_OUT``."


@pytest.mark.parametrize(
    ("said", "instead", "reason"),
    [
        ('SINK = "lines"', "", "has no SINK; write SINK = 'name'"),
        ('SINK = "lines"', "SINK = 3", "SINK is of type int, not str"),
        ('SINK = "lines"', "SINK = 'To File'", "SINK 'To File' is no name; write it in small letters"),
        ('SINK = "lines"', "SINK = 'influx'", "Settings do not say where they come from"),
        ("(ESTIMATES, ALERTS)", "[ESTIMATES]", "TOPICS is of type list, not tuple"),
        ("(ESTIMATES, ALERTS)", "()", r"TOPICS \(\) are not some of the topics; choose from .*iomt.pump, "),
        ("(ESTIMATES, ALERTS)", "('other',)", r"TOPICS \('other',\) are not some of the topics"),
        ("_LINES_", "_FILE_", "write PartSettings, env_prefix='DOSETWIN_LINES_'"),
        ("class Settings(PartSettings, env", "class Settings(dict, env", "cannot be imported"),
        ("class Settings", "class Its", "has no Settings; write class Settings"),
        ("    key: str", "    kafka: str", "Settings have kafka, as every sink has; give them other names"),
        ("def open_writer", "def open_it", r"has no open_writer\(settings, surroundings\); write a context manager"),
    ],
)
def test_what_is_no_sink_is_left_out_and_says_why(installed: Path, said: str, instead: str, reason: str) -> None:
    name = f"no_sink_{uuid.uuid4().hex}"
    assert said in MINIMAL
    files = {f"{name}.py": MINIMAL.replace(said, instead)}
    install(installed, "line-sink", files, {"dosetwin.sinks": {"any": name}})
    (broken,) = sinks().broken
    assert re.search(reason, str(broken)), broken
    assert sinks().names == OURS


def test_a_name_that_is_ours_is_not_given_away(installed: Path) -> None:
    taken = MINIMAL.replace('"lines"', '"influx"').replace("_LINES_", "_INFLUX_")
    install(installed, "line-sink", {"taken_lines.py": taken}, {"dosetwin.sinks": {"any": "taken_lines"}})
    (broken,) = sinks().broken
    assert broken.reason == "the name 'influx' is taken by dosetwin"


def test_no_setting_of_ours_hides_an_option_that_all_share() -> None:
    assert not any(SHARED & sink.Settings.model_fields.keys() for sink in sinks().offers)


def test_a_few_lines_are_a_sink_that_delivers_what_its_topics_hold(kafka: str, tmp_path: Path) -> None:
    settings = Settings(kafka=kafka, topic_prefix=f"s{uuid.uuid4().hex[:8]}.", partitions=1)
    ensure_topics(kafka, settings.topic_prefix, settings.partitions)
    events = [make.estimate("P-1", make.at(hour)) for hour in range(40)]
    producer = open_producer(kafka, acks="all")
    for event in (*events, make.vital("P-1")):
        producer.send(topic_of(event, settings.topic_prefix), key=b"P-1", value=encode(event))
    producer.send(settings.topic_prefix + ESTIMATES, key=b"P-1", value=b"no event")
    producer.flush()
    producer.close()
    stop = threading.Event()
    with open_sink(lines_sink, settings, lines_sink.Settings(out=tmp_path / "said")) as delivery:
        thread = threading.Thread(target=delivery.run, args=(stop,))
        thread.start()
        eventually(lambda: delivery.summary()["events"] == 41)
        stop.set()
        thread.join()
    assert (tmp_path / "said").read_bytes().splitlines() == [encode(event) for event in events]
    assert delivery.summary() == {"events": 41, "items": 40, "refused": 1, "outages": 0}
    assert VITALS not in lines_sink.TOPICS
