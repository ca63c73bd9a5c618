"""A finding says the same whether its words were there or are made when somebody asks for them."""

from __future__ import annotations

from functools import partial

from twin.alerts.finding import Finding
from twin.events import Subject, Watched

ABOUT = Subject("drug", "x")
RATE = Watched("x, rate", "mg/h", "above", 10.0, 12.0)


def test_words_that_are_there_are_said_as_they_are() -> None:
    found = Finding("rule", ABOUT, 0.5, "low", "too fast", ending="over", quantity=RATE)
    assert (found.text, found.outcome, found.watched) == ("too fast", "over", RATE)


def test_words_are_made_when_they_are_asked_for() -> None:
    made: list[str] = []

    def say(what: str) -> str:
        made.append(what)
        return what

    found = Finding(
        "rule",
        ABOUT,
        0.5,
        "low",
        partial(say, "too fast"),
        ending=partial(say, "over"),
        quantity=partial(Watched, "x, rate", "mg/h", "above", 10.0, 12.0),
    )
    assert made == []
    assert (found.text, found.outcome, found.watched) == ("too fast", "over", RATE)
    assert made == ["too fast", "over"]


def test_without_an_ending_or_a_quantity_there_is_none() -> None:
    found = Finding("rule", ABOUT, 0.5, "low", "too fast")
    assert (found.outcome, found.watched) == ("", None)
