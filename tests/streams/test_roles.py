"""Who may do what on Kafka: each role what its part needs, and every part a role."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.kafka.topics import ALERTS, INPUTS, OUTPUTS, TOPICS
from connectors.settings import Settings, load_settings
from connectors.sinks import sinks
from connectors.sinks.delivery import consumer_group
from streams.roles import NoKeys, Role, admit, roles

ROLES = {role.name: role for role in roles(Settings(topic_prefix="ward-1."))}


def test_every_sink_has_its_group_in_one_role_that_reads_all_its_topics() -> None:
    for sink in sinks().offers:
        group = consumer_group(sink.SINK, "ward-1.")
        (role,) = (role for role in ROLES.values() if group in role.groups)
        assert {f"ward-1.{topic}" for topic in sink.TOPICS} <= role.reads, sink.SINK
        assert (role.name == "subscriber") == (set(sink.TOPICS) == {ALERTS})


def test_nobody_but_the_worker_says_what_the_twins_say_and_it_alone_reads_what_they_are_told() -> None:
    inputs = {f"ward-1.{topic}" for topic in INPUTS}
    outputs = {f"ward-1.{topic}" for topic in OUTPUTS} - {"ward-1.twin.rejected"}
    assert [role.name for role in ROLES.values() if role.writes & outputs] == ["worker"]
    assert ROLES["worker"].reads >= inputs
    assert ROLES["worker"].writes & inputs == {"ward-1.twin.commands"}, "that a twin goes on by another version"
    assert not ROLES["feed"].reads


def test_the_console_looks_and_says_what_people_say_and_mending_is_another_role() -> None:
    assert ROLES["console"].writes == {"ward-1.twin.commands", "ward-1.twin.accesses"}
    assert ROLES["console"].groups == ROLES["engineer"].groups == set()
    assert not any("changelog" in topic for topic in ROLES["console"].reads)
    assert ROLES["engineer"].writes == {f"ward-1.{topic}" for topic in INPUTS} | {"ward-1.iomt.devices"}
    assert ROLES["engineer"].reads & {f"ward-1.{topic}" for topic in TOPICS} == {"ward-1.twin.rejected"}


def test_only_who_makes_topics_makes_them_beside_the_worker_its_own() -> None:
    assert {role.name for role in ROLES.values() if role.creates} == {"topics", "worker"}
    assert ROLES["worker"].creates <= ROLES["worker"].writes


def test_every_name_of_a_topic_has_the_prefix() -> None:
    assert all(topic.startswith("ward-1.") for role in ROLES.values() for topic, _ in role.rights())
    assert Role("nobody", "").reads == frozenset()


def test_rights_are_given_on_a_locked_kafka_of_this_clone_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOSETWIN_STATE_DIR", str(tmp_path))
    with pytest.raises(NoKeys, match="runs no locked Kafka: start one with 'dosetwin services up --secure'"):
        admit(load_settings())
