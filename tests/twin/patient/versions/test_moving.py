"""A twin moved to another version of its model, held against one that had it from the start."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.bedside import count as counted
from tests.twin.bedside import start, stop
from tests.twin.patient.test_twin import (
    MODEL,
    assert_same_belief,
    few,
    groups_of,
    in_order,
    inserted,
    new_twin,
    spoken,
    stories,
)
from twin.events import Alert, InputEvent
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.patient.fold import Update
from twin.patient.state_row import UnreadableState
from twin.patient.twin import PatientTwin
from twin.patient.versions.moving import moving
from twin.steps import finished

pytestmark = pytest.mark.slow


def learnt(model: Model) -> Model:
    """Another version: the typical clearance is a third less, and patients differ more."""
    text = model.text.replace("[parameters.CL]\nvalue = 6\n", "[parameters.CL]\nvalue = 4\n")
    text = text.replace(f'id = "{model.id}"', f'id = "{model.id}_ward"')
    assert text != model.text
    return parse_model(text, f"{model.id}_ward.toml")


def moved(twin: PatientTwin, old: Model, new: Model) -> tuple[PatientTwin, Update]:
    return finished(moving(twin.row(), old, new))


@few
@given(stories(), st.randoms(use_true_random=False))
def test_a_moved_twin_is_as_one_that_had_the_new_version_from_the_start(
    events: list[InputEvent], random: Random
) -> None:
    version = learnt(MODEL)
    told = in_order(events)
    n = random.randint(0, len(told))
    old = inserted(*groups_of(told[:n], random))
    new, update = moved(old, MODEL, version)
    assert new.model.hash == version.hash
    fresh = PatientTwin(old.patient_id, version, old.particles)
    fresh.observe(told[:n])
    assert_same_belief(new, fresh)
    assert all(isinstance(output, Alert) and output.model == version.id for output in update.outputs)
    for group in groups_of(told[n:], random):  # and so it goes on
        assert spoken([new.observe(group)]) == spoken([fresh.observe(group)])
    assert_same_belief(new, fresh)


@few
@given(stories(), st.randoms(use_true_random=False))
def test_a_move_in_the_middle_of_events_that_come_in_any_order_ends_as_one_after_them(
    events: list[InputEvent], random: Random
) -> None:
    version = learnt(MODEL)
    arrived = random.sample(events, len(events))
    n = random.randint(0, len(arrived))
    first = new_twin()
    for group in groups_of(arrived[:n], random):
        first.observe(group)
    early, _ = moved(first, MODEL, version)
    for group in groups_of(arrived[n:], random):
        early.observe(group)
    last = new_twin()
    last.observe(events)
    late, _ = moved(last, MODEL, version)
    assert_same_belief(early, late)


def test_what_stands_under_both_versions_stays_the_same_alert_and_what_does_not_is_withdrawn() -> None:

    version = learnt(MODEL)
    twin = inserted([start(0, 80.0), stop(8.0), counted(12.0, 0.3), counted(20.0, 0.3)])
    before = {entry.alert_id: entry for entry in twin.ledger.live}
    assert before, "something stands"
    row = twin.row()
    new, update = moved(twin, MODEL, version)
    alerts = [output for output in update.outputs if isinstance(output, Alert)]
    after = {entry.alert_id for entry in new.ledger.live}
    gone = {alert.alert_id for alert in alerts if alert.state == "withdrawn"}
    assert gone == before.keys() - after
    assert all(f"version {version.id} of the model" in alert.text for alert in alerts if alert.state == "withdrawn")
    assert after & before.keys(), "the counts are what they were"
    assert twin.row() == row, "the twin that was moved is as it was"
    for alert in alerts:
        if alert.alert_id in before:
            assert alert.revision == before[alert.alert_id].revision + 1


def test_a_row_of_another_model_is_not_moved() -> None:
    twin = PatientTwin("P-1", MODEL, 48)
    with pytest.raises(UnreadableState, match="row of model"):
        finished(moving(twin.row(), learnt(MODEL), MODEL))
