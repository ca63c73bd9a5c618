"""A whole record at once gives the history that a twin would have, and says what could not be used."""

from __future__ import annotations

from random import Random

from tests.twin.bedside import count, dose, level, sample, start, stop
from tests.twin.toys import ABSORPTION
from twin import PatientTwin
from twin.modelfile.reader import parse_model
from twin.patient.state_row import pack_history
from twin.study.records import record_of

TOY = parse_model(ABSORPTION, "toy.toml")
EVENTS = [dose(0, 60), start(2, 5.0), sample(2.5, 5.0), stop(3), level(4, 1.2), count(30, 3.1)]


def test_the_history_is_that_of_a_twin_in_any_order() -> None:
    twin = PatientTwin("P-1", TOY, particles=50)
    twin.observe(EVENTS)
    shuffled = EVENTS.copy()
    Random(1).shuffle(shuffled)
    history, refused = record_of(shuffled, TOY)
    assert refused == ()
    assert history.keys == twin.history.keys
    assert [event for _, event in history.effective()] == [event for _, event in twin.history.effective()]
    assert pack_history(record_of(EVENTS, TOY)[0]) == pack_history(twin.history)


def test_what_cannot_be_used_is_named_and_the_rest_stands() -> None:
    unknown = level(5, 1.0, analyte="paracetamol")
    other = level(4, 9.9)
    history, refused = record_of([*EVENTS, unknown, other], TOY)
    assert [(bad.reason, bad.event_id) for bad in refused] == [
        ("unknown_analyte", unknown.event_id),
        ("id_conflict", other.event_id),
    ]
    assert len(list(history.effective())) == 5
