"""What a parameter means, for whoever reads its symbol."""

from __future__ import annotations

import doctest
from dataclasses import replace

from connectors.console.patient import parameter_words
from connectors.console.patient.parameter_words import rests_on, said_of
from twin import load_model

NAMED = {each.name: each for each in load_model("docetaxel_ozawa2007").parameters}


def test_the_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(parameter_words).failed == 0


def test_the_note_of_the_model_file_comes_first() -> None:
    assert said_of(replace(NAMED["V1"], note="the\nblood")) == "the blood"


def test_what_the_file_does_not_say_is_not_guessed() -> None:
    assert said_of(replace(NAMED["V1"], note=None)) is None


def test_a_number_says_on_what_it_rests() -> None:
    assert (rests_on(NAMED["CL"]) or "").startswith("Ozawa 2007")
    assert rests_on(replace(NAMED["CL"], source=None, assumed="usual")) == "assumed: usual"
    assert rests_on(replace(NAMED["CL"], source=None, assumed=None)) is None
