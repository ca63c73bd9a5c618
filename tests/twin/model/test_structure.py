"""The part of a model that can be solved exactly is found from its equations."""

from __future__ import annotations

import ast

import pytest

from tests.twin import toys
from twin.model.spec import ModelError
from twin.model.structure import analyse, input_calls
from twin.modelfile.library import load_model
from twin.modelfile.reader import parse_model

DOCETAXEL = load_model("docetaxel_ozawa2007")


def test_compartments_are_linear_and_counts_are_stepped() -> None:
    structure = analyse(DOCETAXEL)
    assert structure.linear == ("A1", "A2", "A3", "AUC", "In")
    assert structure.stepped == ("Prol", "Tr1", "Tr2", "Tr3", "Circ")
    assert structure.inputs == ("input(docetaxel)", "pulse(dexamethasone, 96)")


def test_drivers_are_the_linear_states_that_stepped_ones_read() -> None:
    assert analyse(DOCETAXEL).drivers == ("A1", "In")


def test_a_population_that_grows_by_its_own_size_is_growing() -> None:
    structure = analyse(DOCETAXEL)
    assert structure.growing == {"Prol"}
    rest = structure.equations["Prol"].rest
    assert rest is not None
    assert "Prol" not in ast.unparse(rest)


def test_growth_that_depends_on_the_population_itself_is_not_taken_apart() -> None:
    # Cells * (growth * (1 - Cells / Base) - ...) is not linear in Cells: it is stepped as it stands.
    structure = analyse(toys.absorption())
    assert structure.growing == frozenset()
    assert structure.stepped == ("Cells", "Memory")


def test_a_state_that_follows_a_stepped_one_is_stepped_too() -> None:
    # Memory alone is linear, but Cells drives it.
    assert analyse(toys.absorption()).linear == ("Depot", "A", "AUC", "Pool")


def test_states_can_be_kept_out_of_the_linear_block() -> None:
    structure = analyse(toys.chain(), keep_stepped=("S1", "S2"))
    assert structure.linear == ()
    assert structure.stepped == ("S1", "S2", "S3")
    assert list(structure.equations["S1"].inputs) == ["input(toxin)"]


def test_routes_of_one_drug_are_inputs_of_their_own() -> None:
    assert analyse(toys.absorption()).inputs == ("input(toxin, oral)", "input(toxin)", "pulse(helper)")


def test_inputs_of_one_text_in_several_states_are_told_apart_and_pulses_are_not() -> None:
    model = toys.made(
        {"k": "0.1 1/h", "V": "10 L"},
        {"D": "mg: input(toxin) - k*D", "A": "mg: input(toxin) + k*D - k*A", "P": "1: pulse(toxin) - k*P"},
        {"plasma": "mg/L: A/V"},
    )
    structure = analyse(model)
    assert structure.inputs == ("input(toxin, into=D)", "input(toxin, into=A)", "pulse(toxin)")
    assert structure.enters["input(toxin, into=A)"] == ("A",)
    assert structure.late == ()
    assert ast.unparse(model.states[0].derivative) == "input(toxin) - k * D"


def test_a_call_is_listed_once_however_often_it_is_written() -> None:
    expression = ast.parse("input(x)*0.3 + 2*input(x) + pulse(y)", mode="eval").body
    assert sorted(input_calls(expression)) == ["input(x)", "pulse(y)"]


@pytest.mark.parametrize(
    ("derivative", "problem"),
    [
        ("min(input(toxin)*1, 3) - k*S1", "an input must enter as 'coefficient * input(drug)'"),
        ("input(toxin)*(S1/(S1 + V*k/k)) - k*S1", "the coefficient of input(toxin) depends on a state"),
    ],
)
def test_an_input_that_enters_nonlinearly_is_refused(derivative: str, problem: str) -> None:
    text = toys.CHAIN.replace("input(toxin) - k*S1", derivative).replace('unit = "L"', 'unit = "mg"')
    text = text.replace('unit = "mg/L"\nexpression = "S3/V"', 'unit = "1"\nexpression = "S3/V"')
    with pytest.raises(ModelError) as refused:
        analyse(parse_model(text, "toy.toml"))
    assert refused.value.key == "states.S1.derivative"
    assert problem in refused.value.problem
