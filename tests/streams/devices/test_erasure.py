"""A patient's bindings and all that devices said while it was bound are gone; others keep theirs, and nothing moves."""

from __future__ import annotations

from pathlib import Path

from connectors.kafka.topics import DEVICE_TOPICS, PUMP
from streams.devices.journal import Journal
from streams.devices.partition import DevicePartition
from streams.erasure import erase
from tests.streams.devices.test_stage import delivered, eventually, hear, read, running, stage
from tests.streams.worker.stage import Stage
from tests.twin.devices.said import bound, retracted, word
from twin.events import decode

__all__ = ["stage"]


def ids(stage: Stage) -> set[str]:
    return {decode(record.value).event_id for record in stage.records(stage.prefix + PUMP)}


def test_of_an_erased_patient_nothing_that_a_device_said_is_left(stage: Stage, tmp_path: Path) -> None:
    mistake = bound("gone", 40, event_id="mistake")
    bindings = [bound("gone", 0), bound("gone", 30, False), bound("stays", 35), mistake, retracted(mistake)]
    words = [word(f"w{minute}", minute, 1.0 + minute, off=-90) for minute in (-30, *range(5, 50, 5))]
    with running(stage):
        hear(stage, [mistake, *words])
        eventually(lambda: {place[0] for place in delivered(stage)} == {"gone"})
        hear(stage, [*bindings[:3], *bindings[4:], bound("gone", 1, device_id="gone-pump")])
        hear(stage, [word("other", 5, 2.0, device_id="gone-pump")])
        eventually(lambda: read(stage))
    kept = {place for place in delivered(stage) if place[0] == "stays"}
    assert len(kept) == 3
    assert len(delivered(stage)) == 3 + 6 + 1

    proof = erase(stage.settings, None, "gone", tmp_path)
    searched = {one.topic.removeprefix(stage.prefix) for one in proof.topics_before if one.about}
    assert searched == {*DEVICE_TOPICS, PUMP}
    assert {one.topic for one in proof.topics_after} >= {stage.prefix + topic for topic in DEVICE_TOPICS}
    assert proof.left == []
    for topic in DEVICE_TOPICS:
        values = [record.value or b"" for record in stage.records(stage.prefix + topic)]
        assert not [value for value in values if b'"gone"' in value or b'w10"' in value or b'gone\\"' in value]
    assert kept <= delivered(stage)

    told = ids(stage)
    with running(stage):
        hear(stage, [word("new", 55, 9.0, off=-90)])
        eventually(lambda: len(delivered(stage)) == 4)
    assert len(ids(stage) - told) == 1, "nothing of the others is corrected or taken back"
    partitions = [DevicePartition(number, stage.partitions) for number in range(stage.partitions)]
    for number, partition in enumerate(partitions):
        journal = Journal(stage.settings, number)
        partition.restore(journal.rows())
        journal.close()
    assert sum(partition.kept for partition in partitions) == 5
    again = erase(stage.settings, None, "gone", tmp_path)
    assert not [one for one in again.topics_before if one.about]
