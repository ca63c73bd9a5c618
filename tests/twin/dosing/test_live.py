"""Advice along a record, asked for or when a plan or a level comes: the same in any order, and no belief is moved."""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.twin.bedside import PATIENT, at, clock, count, covariate, dose, plan
from twin import PatientTwin, load_model
from twin.dosing.live import LiveAdviser
from twin.dosing.protocol import Protocol, ProtocolError, parse_protocol
from twin.events import Advice, AdviceRequested, Alert, InputEvent, OutputEvent, encode

PROTOCOL = """
id = "ward_q3w"
title = "Docetaxel every three weeks"
drug = "docetaxel"
assumed = "of this test"
limits = { neutropenia_g4 = 0.2 }
live = { on = ["plan", "level"] }
"""
OF = {"drug": "docetaxel"}


def ask(hours: float, **changes: Any) -> AdviceRequested:
    head = {"event_id": f"ask {hours}", "patient_id": PATIENT, "time": at(hours), "source": "ward", "by": "dr-1"}
    return AdviceRequested(**head | changes)


def measured(hours: float, value: float) -> InputEvent:
    return count(hours, value, analyte="neutrophils")


EVENTS: tuple[InputEvent, ...] = (
    covariate(-30.0, "BSA", 1.6, "m2"),
    ask(-24.0),
    plan(-1.0, (0.0, 160.0, 1.0), (504.0, 160.0, 1.0), **OF),
    dose(0.0, 160.0, 1.0, **OF),
    measured(30.0, 2.0),
    ask(31.5),
    plan(33.0, (504.0, 96.0, 1.0), event_id="follows", **OF),
    ask(34.0, asks="what_if", branches=("skip docetaxel",)),
    clock(35.0),
    ask(32.0, event_id="by mistake", status="retracted", replaces="ask 31.5"),
)


@functools.cache
def protocol() -> Protocol:
    return parse_protocol(PROTOCOL, "ward.toml")


def new_twin(*protocols: Protocol) -> PatientTwin:
    return PatientTwin(PATIENT, load_model("docetaxel_ozawa2007"), 50, adviser=LiveAdviser(protocols))


def told(events: Sequence[InputEvent], *, restored: bool = False) -> tuple[PatientTwin, tuple[OutputEvent, ...]]:
    """A twin that was told events one by one, and all that it said; ``restored``: made of its row before each."""
    twin, said = new_twin(protocol()), []
    for event in events:
        if restored:
            twin = PatientTwin.from_row(twin.row(), twin.model, adviser=LiveAdviser([protocol()]))
        update = twin.observe([event])
        assert not update.rejected
        said += update.outputs
    return twin, tuple(said)


@functools.cache
def in_order() -> tuple[PatientTwin, tuple[OutputEvent, ...]]:
    return told(EVENTS)


def advice_in(outputs: Sequence[OutputEvent]) -> list[Advice]:
    return [one for one in outputs if isinstance(one, Advice)]


def newest(outputs: Sequence[OutputEvent]) -> dict[str, bytes]:
    """What stands of each advice; withdrawn or never given is the same."""
    last = {one.advice_id: one for one in advice_in(outputs)}
    return {name: encode(one) for name, one in last.items() if one.outcome != "withdrawn"}


@pytest.mark.slow
def test_requests_plans_and_levels_are_each_answered_at_their_own_time() -> None:
    found = [(one.about, one.cause, one.outcome, one.time) for one in advice_in(in_order()[1])]
    assert found[:5] == [
        ("request", "ask -24.0", "advised", at(-24.0)),
        ("plan", EVENTS[2].event_id, "advised", at(-1.0)),
        ("level", EVENTS[4].event_id, "advised", at(30.0)),
        ("request", "ask 31.5", "advised", at(31.5)),
        ("plan", "follows", "advised", at(33.0)),
    ]


@pytest.mark.slow
def test_advice_whose_request_is_retracted_is_withdrawn_under_its_id() -> None:
    asked = [one for one in advice_in(in_order()[1]) if one.cause == "ask 31.5"]
    assert [one.outcome for one in asked] == ["advised", "withdrawn"]
    assert asked[0].advice_id == asked[1].advice_id != asked[1].event_id


def test_an_answer_names_protocol_odds_of_each_way_and_the_next_sample() -> None:
    one = next(one for one in advice_in(in_order()[1]) if one.about == "plan")
    assert (one.drug, one.protocol, one.protocol_hash) == ("docetaxel", "ward_q3w", protocol().hash)
    assert (one.decision, one.model_hash) == ("next dose", load_model("docetaxel_ozawa2007").hash)
    assert [way.name for way in one.alternatives][::5] == ["planned", "advised"]
    risk = {way.name: way.toxicities[0].p for way in one.alternatives}
    assert risk["advised"] <= 0.2 < risk["planned"]
    assert one.next_sample is not None


def test_what_ifs_asked_for_alone_are_those_beside_a_dose_bit_for_bit_and_no_dose_is_advised() -> None:
    twin, branches = new_twin(), ("skip docetaxel", "delay docetaxel 7 d", "stop docetaxel")
    twin.observe([plan(-1.0, (0.0, 160.0, 1.0), (504.0, 160.0, 1.0), **OF), dose(0.0, 160.0, 1.0, **OF)])
    asked = [ask(30.0, event_id=name, asks=name, branches=branches) for name in ("dose", "what_if")]
    beside, alone = sorted(advice_in(twin.observe(asked).outputs), key=lambda one: one.cause)
    assert (beside.outcome, alone.outcome, alone.alternatives, alone.next_sample) == ("advised", "foreseen", (), None)
    assert (alone.ahead, alone.branches) == (beside.ahead, beside.branches)
    assert [one.problem is None for one in alone.branches] == [True, True, True, False]


def test_what_ifs_of_one_of_whom_nothing_is_known_say_why_there_are_none() -> None:
    (one,) = advice_in(new_twin().observe([ask(0.0, asks="what_if", branches=("skip docetaxel",))]).outputs)
    assert (one.outcome in ("none", "foreseen"), bool(one.reason)) == (True, True)


@pytest.mark.slow
def test_any_order_of_arrival_ends_in_the_same_advice_belief_and_alerts_from_rows_too() -> None:
    events = list(EVENTS)
    random.Random(4).shuffle(events)
    (twin, said), (other, others) = in_order(), told(events, restored=True)
    assert newest(others) == newest(said)
    assert (other.belief.eta == twin.belief.eta).all()
    live = [[(one.fold_id, one.digest) for one in each.ledger.live] for each in (twin, other)]
    assert live[0] == live[1]


@pytest.mark.slow
def test_asking_leaves_belief_and_alerts_as_they_are_bit_for_bit() -> None:
    asked, _ = in_order()
    silent, said = told([event for event in EVENTS if not isinstance(event, AdviceRequested)])
    assert (asked.belief.eta == silent.belief.eta).all()
    assert (asked.belief.log_weight == silent.belief.log_weight).all()
    alerts = [[encode(one) for one in outputs if isinstance(one, Alert)] for outputs in (in_order()[1], said)]
    assert alerts[0] == alerts[1]


@pytest.mark.slow
def test_a_count_that_comes_late_revises_what_rests_on_it_under_the_same_id_and_nothing_else() -> None:
    twin, said = new_twin(), []
    for event in (*EVENTS[2:4], ask(31.5)):
        said += advice_in(twin.observe([event]).outputs)
    revised = advice_in(twin.observe([EVENTS[4]]).outputs)
    assert [one.advice_id for one in revised] == [said[-1].advice_id]
    assert revised[0].event_id != said[-1].event_id
    assert (revised[0].cause, revised[0].alternatives != said[-1].alternatives) == ("ask 31.5", True)


def test_the_alert_tells_of_another_dose_and_ends_when_the_plan_follows() -> None:
    alerts = [one for one in in_order()[1] if isinstance(one, Alert) and one.rule == "dose.advice_changed"]
    assert (alerts[0].state, alerts[-1].state) == ("active", "resolved")
    assert "instead of the 160 mg planned; P(neutropenia_g4)" in alerts[0].text
    assert alerts[0].advice is not None


def test_what_cannot_be_advised_on_says_why() -> None:
    twin = new_twin(protocol(), replace(protocol(), id="ward_weekly"))
    answers = [
        advice_in(twin.observe([event]).outputs)[0]
        for event in (ask(0.0), ask(1.0, protocol="other"), ask(2.0, protocol="ward_weekly"))
    ]
    assert [one.outcome for one in answers] == ["none", "none", "advised"]
    assert "there are several of docetaxel; name one of ward_q3w, ward_weekly" in answers[0].reason
    assert "other is no protocol of docetaxel" in answers[1].reason
    refused = twin.observe([ask(3.0, drug="cisplatin")]).rejected
    assert [(one.reason, one.event_id) for one in refused] == [("unknown_drug", "ask 3.0")]


def test_without_protocols_a_plan_is_no_cause_and_what_is_assumed_answers_requests() -> None:
    twin = new_twin()
    assert not advice_in(twin.observe([EVENTS[2]]).outputs)
    (answer,) = advice_in(twin.observe([ask(3.0, drug="docetaxel")]).outputs)
    assert (answer.outcome, answer.protocol) == ("advised", "usual")


@pytest.mark.slow
def test_other_protocols_answer_the_whole_record_again() -> None:
    twin = new_twin(protocol())
    twin.observe(EVENTS[:4])
    stricter = parse_protocol(PROTOCOL.replace("0.2", "0.1"), "ward.toml")
    again = PatientTwin.from_row(twin.row(), twin.model, adviser=LiveAdviser([stricter]))
    said = advice_in(again.observe([clock(2.0)]).outputs)
    assert [(one.about, one.protocol_hash) for one in said if one.about == "plan"] == [("plan", stricter.hash)]


@pytest.mark.slow
def test_who_only_reads_a_row_finds_the_belief_and_leaves_the_answers_as_they_are() -> None:
    twin = new_twin(protocol())
    twin.observe(EVENTS[:4])
    reader = PatientTwin.from_row(twin.row(), twin.model)
    assert np.array_equal(reader.belief.eta, twin.belief.eta)
    assert reader.row() == twin.row()


def test_two_protocols_of_one_id_are_refused() -> None:
    with pytest.raises(ProtocolError, match="is the id of two protocols"):
        LiveAdviser([protocol(), protocol()])
