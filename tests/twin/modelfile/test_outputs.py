"""Outputs of every kind as a model file writes them: what is read, and what is refused with its key."""

from __future__ import annotations

import pytest

from tests.twin.observation.test_outcomes import TEXT
from twin.model.spec import ModelError
from twin.modelfile.reader import parse_model


@pytest.mark.parametrize(
    ("good", "bad", "key", "problem"),
    [
        ('kind = "ordinal"', 'kind = "grades"', "neuropathy.kind", "write one of continuous, count, event, ordinal"),
        ('"1 / (1 + exp(-1 + harm*A', '"1 / (1 + exp(-1 + harn*A', "neuropathy.categories[0]", "did you mean 'harm'"),
        ('"1 / (1 + exp(-1 + harm*A/V', '"1 / (1 + exp(-1 + harm*A', "neuropathy.categories[0]", "is in"),
        ("h0*exp(harm*A/V)", "exp(harm*A/V)*A", "infection.hazard", "not in 1 per h"),
        ('hazard = "', 'expression = "1"\nhazard = "', "infection.expression", "unknown key"),
        ("negative_binomial = 0.2, ", "poisson = true, negative_binomial = 0.2, ", "lesions.error", "must say either"),
        ("negative_binomial = 0.2, ", "poisson = 1, ", "lesions.error.poisson", "write true or false"),
        ("parameters.h0]", "parameters.H_infection]", "infection.hazard", "unknown name 'h0'"),
    ],
)
def test_an_outcome_without_sense_is_refused(good: str, bad: str, key: str, problem: str) -> None:
    assert good in TEXT
    with pytest.raises(ModelError) as caught:
        parse_model(TEXT.replace(good, bad, 1), "mine.toml")
    assert caught.value.key == f"outputs.{key}"
    assert problem in caught.value.problem


def test_the_name_of_a_cumulative_hazard_must_be_free() -> None:
    text = TEXT.replace("[parameters.h0]", "[parameters.H_infection]").replace('"h0*exp', '"H_infection*exp')
    with pytest.raises(ModelError, match="integrates its hazard as 'H_infection', which the file already has"):
        parse_model(text, "mine.toml")


def test_a_poisson_count_needs_no_number() -> None:
    text = TEXT.replace('negative_binomial = 0.2, assumed = "a test"', "poisson = true")
    error = parse_model(text, "mine.toml").outputs[3].error
    assert (error.kind, error.dispersion) == ("poisson", None)


def test_a_kind_that_integrates_brings_a_state_of_its_own() -> None:
    model = parse_model(TEXT, "mine.toml")
    assert [output.kind for output in model.outputs] == ["continuous", "ordinal", "event", "count"]
    assert [state.name for state in model.states] == ["A", "H_infection"]
