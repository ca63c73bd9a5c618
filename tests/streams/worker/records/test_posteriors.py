"""Where the worker is told to, each value is followed by what the twin says of itself, under the patient's key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from connectors.kafka.records import decode_record
from connectors.kafka.topics import POSTERIORS
from connectors.posteriors import opened
from connectors.privacy.patient_keys import PatientKeys, create_store
from streams.worker.engine import KafkaRecord
from streams.worker.processor import EventProcessor, Outcome
from streams.worker.records.received import ReceivedEvent
from streams.worker.twin_factory import LibraryTwins
from tests.streams.worker.stage import START, enrolment, lab
from twin import PatientTwin
from twin.events import Posterior, encode, to_millis

MODEL = "docetaxel_ozawa2007"


@pytest.fixture
def keys(tmp_path: Path) -> PatientKeys:
    create_store(tmp_path / "keys", bytes(32))
    return PatientKeys(tmp_path / "keys", bytes(32))


def posteriors(outcome: Outcome) -> list[Posterior]:
    found = [decode_record(POSTERIORS, one.value) for one in outcome.outputs if one.topic == POSTERIORS]
    return [one for one in found if isinstance(one, Posterior)]


def told(processor: EventProcessor) -> tuple[object, list[Outcome]]:
    events = [enrolment("A", model=MODEL), lab("A", 1500, value=4.0), lab("A", 3000, value=3.5)]
    state = processor.open("A", None)
    outcomes = []
    for offset, event in enumerate(events):
        arrival = ReceivedEvent(event, KafkaRecord("t", 0, offset, to_millis(START), None, encode(event)))
        outcomes.append(processor.handle(state, [arrival]))
    return state.twin, outcomes


def test_each_value_is_followed_by_the_belief_after_it(keys: PatientKeys) -> None:
    twin, outcomes = told(EventProcessor(LibraryTwins(particles=100), keys=keys, posteriors=True))
    assert isinstance(twin, PatientTwin)
    assert [len(posteriors(outcome)) for outcome in outcomes] == [0, 1, 1]
    (last,) = posteriors(outcomes[-1])
    message = opened(last, keys)
    assert (last.observations, last.particles) == (2, 100)
    assert np.array_equal(message.eta, twin.belief.eta)
    assert message.log_evidence == twin.belief.log_evidence


def test_by_default_nothing_is_sent(keys: PatientKeys) -> None:
    _, outcomes = told(EventProcessor(LibraryTwins(particles=100), keys=keys))
    assert not [one for outcome in outcomes for one in posteriors(outcome)]


def test_rival_models_say_nothing(keys: PatientKeys) -> None:
    processor = EventProcessor(LibraryTwins(particles=64), keys=keys, posteriors=True)
    state = processor.open("A", None)
    events = [enrolment("A", model=f"{MODEL},docetaxel_kloft2006_netterberg2017"), lab("A", 1500, value=4.0)]
    for offset, event in enumerate(events):
        arrival = ReceivedEvent(event, KafkaRecord("t", 0, offset, to_millis(START), None, encode(event)))
        assert not posteriors(processor.handle(state, [arrival]))


def test_particles_never_leave_in_clear() -> None:
    with pytest.raises(ValueError, match=r"DOSETWIN_POSTERIORS: .*encrypted alone.*DOSETWIN_KEYS_STORE"):
        EventProcessor(LibraryTwins(particles=100), posteriors=True)


def test_a_message_without_room_for_all_particles_is_counted(
    keys: PatientKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.posteriors.MOST_SEALED", 11_000)
    _, outcomes = told(EventProcessor(LibraryTwins(particles=100), keys=keys, posteriors=True))
    (last,) = posteriors(outcomes[-1])
    assert 0 < last.particles < 100
    assert [outcome.thinned for outcome in outcomes] == [0, 1, 1]
