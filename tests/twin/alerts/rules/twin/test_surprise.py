from __future__ import annotations

from tests.twin.alerts.rules.views import by, states, surprise, told
from twin.alerts.rules.twin.surprise import RULE, find
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
