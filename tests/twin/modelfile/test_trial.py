"""A file is tried on its typical patient: formulas without a value there, or with an impossible one, are named."""

from __future__ import annotations

import tomllib

import pytest

from tests.twin.observation.test_outcomes import TEXT as OUTCOMES
from twin.model.spec import ModelError
from twin.modelfile.library import load_model
from twin.modelfile.reader import read_model
from twin.modelfile.trial import check_typical

DOCETAXEL = load_model("docetaxel_ozawa2007").text


def tried(text: str, good: str, bad: str) -> ModelError:
    """What a trial of the file says once it was spoilt; it is read, but not otherwise checked."""
    assert good in text
    spoilt = text.replace(good, bad, 1)
    with pytest.raises(ModelError) as caught:
        check_typical(read_model(tomllib.loads(spoilt), spoilt, "mine.toml"), "mine.toml")
    assert caught.value.file == "mine.toml"
    return caught.value


@pytest.mark.parametrize(
    ("good", "bad", "key", "problem"),
    [
        ('initial = "ANC0"\nderivative = "ktr*Tr3', 'initial = "0"\nderivative = "ktr*Tr3', "states.Prol.derivative",
         "has no value at the start of the typical patient"),
        ('"4 / MTT"', '"4 / (MTT - 113)"', "parameters", "have no value for the typical patient"),
        ("(AAG / 0.94)**(-1.38)", "(AAG / 0.94 - 2)", "parameters.Slope.expression",
         "gives -17.9 for the typical patient; a log-normal parameter is above 0"),
        ('expression = "Circ"', 'expression = "Circ / Tr1 / 0"', "outputs.neutrophils.expression", "has no value at"),
    ],
)  # fmt: skip
def test_a_formula_without_a_value_is_named(good: str, bad: str, key: str, problem: str) -> None:
    error = tried(DOCETAXEL, good, bad)
    assert error.key == key
    assert problem in error.problem


@pytest.mark.parametrize(
    ("good", "bad", "key", "problem"),
    [
        ('"1 - 1 / (1 + exp(-3', '"1.2 - 1 / (1 + exp(-3', "outputs.neuropathy.categories", "sum to 1.2 at the start"),
        ('"1 / (1 + exp(-1 +', '"2 - 1 / (1 + exp(-1 +', "outputs.neuropathy.categories[0]", "lies between 0 and 1"),
        ("h0*exp(harm*A/V)", "0 - h0*exp(harm*A/V)", "outputs.infection.hazard", "a hazard is 0 or more"),
    ],
)
def test_what_a_kind_of_output_cannot_have_is_named(good: str, bad: str, key: str, problem: str) -> None:
    error = tried(OUTCOMES, good, bad)
    assert error.key == key
    assert problem in error.problem


def test_a_sound_file_passes() -> None:
    check_typical(read_model(tomllib.loads(OUTCOMES), OUTCOMES, "mine.toml"), "mine.toml")
