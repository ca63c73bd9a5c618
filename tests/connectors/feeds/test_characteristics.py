"""Covariates that nobody said."""

from __future__ import annotations

from connectors.feeds.characteristics import at_reference, reference_note, said_by
from tests.twin import toys
from tests.twin.bedside import count, weight
from twin.modelfile.reader import parse_model

MODEL = parse_model(toys.ABSORPTION, "toy_absorption.toml")


def test_what_was_said_is_what_events_name() -> None:
    said = said_by([weight(1, 60.0), count(2, 3.0)])
    assert "WT" in said
    assert at_reference(MODEL, said) == ()
    assert at_reference(MODEL, said_by([count(2, 3.0)])) == ("WT",)


def test_a_note_says_for_whom_which_reference_stands() -> None:
    assert reference_note(MODEL, {"1": {"WT"}}) is None
    note = reference_note(MODEL, {"1": {"WT"}, **{str(n): set[str]() for n in range(2, 12)}})
    assert note == (
        "covariates of toy_absorption that no record says stand at their reference: WT, 70 kg, in 10 of 11 patients "
        "(2, 3, 4, 5, 6, 7, 8, 9 and 2 more)"
    )
