"""Folding a patient anew from what the inputs hold gives the twin that was folded as the events came."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from streams.worker.engine import KafkaRecord
from streams.worker.processor import EventProcessor, Outcome
from streams.worker.records.received import ReceivedEvent
from streams.worker.repair.refold import CannotRefold, Told, refold
from streams.worker.rows.state_row import decode_row
from streams.worker.twin_factory import LibraryTwins
from tests.faults.verdict import newest_belief
from tests.streams.worker.fake_twin import FakeTwins
from tests.streams.worker.stage import START, enrolment, lab
from twin import PatientTwin
from twin.events import DoseGiven, InputEvent, Quantity, encode, to_millis
from twin.learning.draft import widened_draft
from twin.modelfile.library import load_model
from twin.patient.state_row import unpack, unpack_history

REAL = "docetaxel_ozawa2007"


def records(events: list[InputEvent]) -> list[KafkaRecord]:
    now = to_millis(events[-1].time)
    key = events[0].patient_id.encode()
    return [KafkaRecord("t", 0, 10 + number, now, key, encode(event)) for number, event in enumerate(events)]


@pytest.mark.slow
def test_a_refold_ends_in_the_same_belief_and_record_as_the_twin_that_followed() -> None:
    dose = DoseGiven(
        event_id="dose", patient_id="A", time=START, source="test", drug="docetaxel", route="iv",
        amount=Quantity(value=150.0, unit="mg"), duration=Quantity(value=1.0, unit="h"),
    )  # fmt: skip
    correction = lab("A", 9000, value=0.9, number="second").model_copy(
        update={"replaces": lab("A", 9000, value=2.0).event_id, "status": "corrected"}
    )
    facts = [dose, lab("A", 3000, value=3.0), lab("A", 6000, value=1.5), lab("A", 9000, value=2.0), correction]
    random.Random(3).shuffle(facts)
    told = records([enrolment("A", model=REAL), *facts, lab("A", 12000, value=1.2)])
    processor = EventProcessor(LibraryTwins(particles=32))
    followed = processor.open("A", None)
    for record in told:
        read = processor.read(record)
        assert isinstance(read, ReceivedEvent)
        processor.handle(followed, [read])
    processor.end_burst(followed, Outcome())
    state, outcome = refold(processor, "A", Told(told, {("t", 0): 17}))
    assert outcome.rejected == []
    rows = [decode_row(processor.row(each)) for each in (followed, state)]
    assert rows[0].applied == rows[1].applied == (("t", 0, 16),)
    one, other = (unpack(row.twin, row.model_hash) for row in rows)
    assert newest_belief(one) == newest_belief(other)
    assert newest_belief(other)[0].observations == 4
    assert unpack_history(one.history).facts == unpack_history(other.history).facts


@pytest.mark.slow
def test_a_patient_moves_to_a_version_with_all_that_was_told(tmp_path: Path) -> None:
    """Under the new version everything is published beside the old, whose ids are others."""
    wide = widened_draft(load_model(REAL), 2, "docetaxel_wide")
    (tmp_path / "wide.toml").write_text(wide.text)
    processor = EventProcessor(LibraryTwins(particles=32, model_files={wide.id: tmp_path / "wide.toml"}))
    told = Told(records([enrolment("A", model=REAL), lab("A", 3000, value=3.0), lab("A", 6000, value=1.5)]), {})
    before, said = refold(processor, "A", told)
    state, again = refold(processor, "A", told, wide.id)
    assert (before.model_id, state.model_id, state.model_hash) == (REAL, wide.id, wide.hash)
    assert again.rejected == []
    assert isinstance(state.twin, PatientTwin)
    assert state.twin.belief.observations == 2
    old, new = ({json.loads(one.value)["event_id"] for one in outcome.outputs} for outcome in (said, again))
    assert new
    assert not old & new
    restored = processor.open("A", processor.row(state))
    assert (restored.model_id, restored.quarantined) == (wide.id, None)


def test_a_patient_without_an_enrolment_is_not_made_up() -> None:
    told = Told(records([lab("A", 1), lab("A", 2)]), {("t", 0): 12, ("empty", 0): 0}, ("t",))
    with pytest.raises(CannotRefold, match=r"no enrolment to begin with; the first records of t are gone.*reenrol A"):
        refold(EventProcessor(FakeTwins()), "A", told)
