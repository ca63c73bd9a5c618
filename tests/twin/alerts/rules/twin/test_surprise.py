from __future__ import annotations

from dataclasses import replace

from tests.twin.alerts.rules.views import by, states, surprise, told
from twin.alerts.rules.twin.surprise import RULE, find
from twin.alerts.snapshot import ValueView
from twin.events import Subject


def test_fifty_to_one_raises_and_five_to_one_clears() -> None:
    assert states([surprise(0, 34.9)]) == []
    assert states([surprise(0, 51.0)]) == [(RULE, "start")]
    assert states([surprise(0, 51.0), surprise(5, 5.1)]) == [(RULE, "start")]
    assert states([surprise(0, 51.0), surprise(5, 4.9)]) == [(RULE, "start"), (RULE, "end")]


def test_nothing_measured_is_no_surprise() -> None:
    assert find(surprise(0, None), by(RULE)) == ()
    assert states([surprise(0, 500.0), surprise(5, None)]) == [(RULE, "start")]


def test_the_text_says_how_strong_the_evidence_is_and_what_was_missed() -> None:
    (raised,) = told([surprise(3, 240.0, innovation=-3.14)])
    assert raised.subject == Subject("model", "a_model")
    assert raised.text == (
        "The model may not describe this patient: 240 to 1 after 4 values (by chance for 1 patient in 100); "
        "the last, plasma, was 3.1 SD below its prediction."
    )
    assert raised.freshness_hours == 3.0


def test_a_value_that_may_be_in_another_unit_is_its_cause_until_the_next_one_fits() -> None:
    wrong = ValueView("plasma", 1100.0, "mg/L", 6.0, 0.6, 1.0, 1.7)
    first = replace(surprise(0, 500.0), values=(wrong,))
    later = replace(surprise(5, 400.0), values=(replace(wrong, value=1.1, score=0.2),))
    said = [(one.rule, one.phase, one.state, one.inhibited_by is not None) for one in told([first, later])]
    assert said == [
        ("data.suspect", "start", "active", False),
        (RULE, "start", "active", True),
        ("data.suspect", "end", "latched", False),
        (RULE, "update", "active", False),
    ]
