"""Characteristics hold as the model says: carried forward or backward, by level, and wider priors without them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.bedside import PATIENT, at, dose, level, ms, quantity, weight
from twin import PatientTwin
from twin.events import Covariate, InputEvent
from twin.model.spec import Model, ModelError
from twin.modelfile.reader import parse_model
from twin.randomness import generator
from twin.timeline.covariates import ALWAYS, carry, widened

PHENOTYPE = """
[covariates.CYP2D6]
unit = "1"
reference = 1
levels = { poor = 0, normal = 1, ultrarapid = 2 }
assumed = "a test"

[covariates.CYP2D6.missing]
widens = { CL = 0.3 }
assumed = "a test"

[covariates.WT]
unit = "kg"
reference = 70
carry = "backward"
assumed = "a test"

[parameters.CL]
expression = "CL * (0.5 + 0.5*CYP2D6) * (WT / 70)"
"""
TEXT = toys.BOLUS.replace("[parameters.CL]\n", PHENOTYPE.lstrip(), 1)
MODEL = parse_model(TEXT, "phenotype.toml")


def phenotype(hours: float, named: str, **changes: object) -> Covariate:
    fields = {"event_id": f"type {hours}", "patient_id": PATIENT, "time": at(hours), "source": "genes"}
    return Covariate.model_validate(fields | {"name": "CYP2D6", "level": named} | changes)


def told(*events: InputEvent, model: Model = MODEL) -> PatientTwin:
    twin = PatientTwin(PATIENT, model, 200)
    update = twin.observe(events)
    assert not update.rejected
    return twin


def weights(values: Sequence[tuple[int, float]], carried: str) -> list[tuple[int, float]]:
    text = TEXT.replace('carry = "backward"', f'carry = "{carried}"')
    facts = [(ms(hours), weight(hours, value)) for hours, value in values]
    found = carry(facts, parse_model(text, "phenotype.toml"))
    column = found.values[:, 1]
    return [(int(m), float(v)) for m, v in zip(found.epoch, column, strict=True)]


# --- carried ---------------------------------------------------------------------------------------------------------


def test_a_value_holds_forward_from_its_report_or_backward_until_it() -> None:
    values = [(0, 60.0), (10, 65.0), (20, 80.0)]
    assert weights(values, "forward") == [(ALWAYS, 60.0), (ms(10), 65.0), (ms(20), 80.0)]
    assert weights(values, "backward") == [(ALWAYS, 60.0), (ms(0), 65.0), (ms(10), 80.0)]
    assert weights([], "backward") == [(ALWAYS, 70.0)]
    assert weights([(5, 66.0)], "backward") == [(ALWAYS, 66.0)]


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from([50.0, 60.0, 70.0])), max_size=8), st.integers(-2, 14))
def test_the_step_functions_are_what_they_are_called(values: list[tuple[int, float]], hours: int) -> None:
    values = sorted(values, key=lambda one: one[0])
    last = dict(values)
    for way, until in (("forward", last), ("backward", dict(reversed(values)))):
        steps = weights(values, way)
        held = [value for begin, value in steps if begin < ms(hours)][-1]
        before, after = [v for h, v in last.items() if h < hours], [until[h] for h in last if h >= hours]
        ordered = [*before[-1:], *after[:1]] if way == "forward" else [*after[:1], *before[-1:]]
        assert held == (ordered[0] if ordered else 70.0)


def test_a_weight_that_is_carried_backward_changes_what_came_before_it() -> None:
    events = [dose(0), weight(0, 70.0), level(4, 1.0), level(9, 0.4)]
    late = weight(8, 90.0)
    twin = told(*events)
    before = twin.belief.eta.tobytes(), twin.belief.log_weight.tobytes()
    twin.observe([late])
    assert (twin.belief.eta.tobytes(), twin.belief.log_weight.tobytes()) != before
    ordered = told(*sorted([*events, late], key=lambda event: event.time))
    assert twin.belief.eta.tobytes() == ordered.belief.eta.tobytes()
    assert twin.belief.log_weight.tobytes() == ordered.belief.log_weight.tobytes()


# --- levels ----------------------------------------------------------------------------------------------------------


def test_a_level_is_read_by_its_name_or_its_value() -> None:
    by_name = told(dose(0), phenotype(0, "poor")).posterior().params[:, 0]
    by_value = told(dose(0), phenotype(0, "poor", level=None, value=quantity(0, "1"))).posterior().params[:, 0]
    normal = told(dose(0), phenotype(0, "normal")).posterior().params[:, 0]
    np.testing.assert_array_equal(by_name, by_value)
    np.testing.assert_allclose(by_name, normal / 2)


@pytest.mark.parametrize(
    ("event", "reason", "words"),
    [
        (phenotype(0, "slow"), "unknown_level", ["'level'", "'slow'", "poor, normal, ultrarapid"]),
        (phenotype(0, "x", level=None, value=quantity(0.5, "1")), "out_of_range", ["'value'", "0.5", "0 (poor)"]),
        (phenotype(0, "heavy", name="WT"), "unknown_level", ["'heavy'", "it has none; send its 'value'"]),
    ],
)
def test_an_unknown_level_is_refused_with_the_known_ones(event: Covariate, reason: str, words: list[str]) -> None:
    (rejected,) = PatientTwin(PATIENT, MODEL, 10).observe([event]).rejected
    assert rejected.reason == reason
    assert all(word in rejected.detail for word in words)


def test_a_covariate_has_one_value() -> None:
    for changes in ({"level": None}, {"value": quantity(1, "1")}):
        with pytest.raises(ValueError, match="either 'value' or 'level'"):
            phenotype(0, "poor", **changes)


# --- missing ---------------------------------------------------------------------------------------------------------


def test_while_a_characteristic_is_missing_its_effect_is_less_certain() -> None:
    missing = carry([], MODEL)
    known = carry([(0, phenotype(0, "x", level=None, value=quantity(1, "1")))], MODEL)
    assert missing.widening.tolist() == [0.3, 0.0]
    assert widened(MODEL, known.widening) is MODEL
    wider = widened(MODEL, missing.widening)
    np.testing.assert_allclose(np.diag(wider.omega), [0.16 + 0.3, 0.09])
    spread = np.std(PatientTwin(PATIENT, MODEL, 2000).belief.eta[:, 0])
    assert spread == pytest.approx(np.sqrt(0.16 + 0.3), rel=0.05)
    mode = told(dose(0), level(4, 0.9)).mode()
    narrow = told(dose(0), phenotype(0, "normal"), level(4, 0.9)).mode()
    assert mode is not None
    assert narrow is not None
    assert mode.covariance[0, 0] > narrow.covariance[0, 0]


def test_a_first_report_that_comes_late_narrows_from_the_start() -> None:
    events: list[InputEvent] = [dose(0), weight(0, 70.0), level(3, 1.8), level(6, 0.8)]
    events += [phenotype(20, "normal"), level(30, 0.1)]
    ordered = told(*events)
    twin = PatientTwin(PATIENT, MODEL, 200)
    for i in generator("late report").permutation(len(events)):
        twin.observe([events[i]])
    assert twin.belief.eta.tobytes() == ordered.belief.eta.tobytes()
    assert twin.belief.log_weight.tobytes() == ordered.belief.log_weight.tobytes()
    again = PatientTwin.from_row(ordered.row(), MODEL)
    assert again.belief.eta.tobytes() == ordered.belief.eta.tobytes()


@pytest.mark.parametrize(
    ("good", "bad", "key", "problem"),
    [
        ('carry = "backward"', 'carry = "sideways"', "WT.carry", "write one of forward, backward"),
        ("poor = 0,", "poor = 1,", "CYP2D6.levels", "gives two names to one value"),
        ("poor = 0,", 'poor = "low",', "CYP2D6.levels.poor", "write a number"),
        ("reference = 1\n", "reference = 3\n", "CYP2D6.reference", "is 3, none of the levels; write one of 0, 1, 2"),
        ("widens = { CL = 0.3 }", "widens = { CL = -1 }", "CYP2D6.missing.widens.CL", "must be greater than 0"),
        ("widens = { CL = 0.3 }", "widens = { WT = 1 }", "CYP2D6.missing.widens.WT", "has no iiv to widen"),
        ("widens = { CL = 0.3 }", "", "CYP2D6.missing.widens", "is missing; write the variance"),
    ],
)
def test_a_wrong_characteristic_is_refused(good: str, bad: str, key: str, problem: str) -> None:
    assert good in TEXT
    with pytest.raises(ModelError) as caught:
        parse_model(TEXT.replace(good, bad, 1), "mine.toml")
    assert caught.value.key == f"covariates.{key}"
    assert problem in caught.value.problem
