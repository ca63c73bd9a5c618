"""A term is a name for a part of the equations, and nothing else: with it or written out, the model is the same."""

from __future__ import annotations

import ast
import doctest

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.equations import infusion, timeline_of
from twin.clock import HOUR_MS
from twin.kernel.kernel import compile_model
from twin.model import terms
from twin.model.spec import ModelError
from twin.modelfile.reader import parse_model
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for

PLAIN = toys.ABSORPTION
TERMS = """
[terms.C]
unit = "mg/L"
expression = "A/V"

[terms.loss]
unit = "mg/h"
expression = "CL*C"

[states.Depot]"""
NAMED = PLAIN.replace("\n[states.Depot]", TERMS, 1).replace("- CL/V*A", "- loss", 1)


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(terms).failed == 0


@pytest.mark.slow
def test_a_model_with_terms_is_the_model_with_them_written_out() -> None:
    plain, named = (parse_model(text, "toy.toml") for text in (PLAIN, NAMED))
    assert [term.name for term in named.terms] == ["C", "loss"]
    (derivative,) = (state.derivative for state in named.states if state.name == "A")
    assert ast.unparse(derivative).endswith("- CL * (A / V)")
    marks = np.arange(1, 60, dtype=np.int64) * HOUR_MS
    found = []
    for model in (plain, named):
        kernel = compile_model(model)
        assert kernel.linear == compile_model(plain).linear  # still solved in closed form
        timeline = timeline_of(kernel, {"toxin": infusion([], [(0, 60.0, "oral")])})
        solver = Solver(kernel, np.zeros((1, len(model.effect_names))), step_sizes_for(kernel), shared=False)
        found.append(solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)[1])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


@pytest.mark.parametrize(
    ("good", "bad", "key", "problem"),
    [
        ("[terms.loss]", "[terms.CL]", "terms.CL", "the name is taken by parameters.CL; choose another"),
        ("[terms.loss]", "[terms.exp]", "terms.exp", "'exp' is a word of the formula language"),
        ('"CL*C"', '"CL*D"', "terms.loss.expression", "unknown name 'D'"),
        ('"A/V"', '"loss/CL"', "terms.C.expression", "unknown name 'loss'"),
        ('"CL*C"', '"CL*A"', "terms.loss.expression", "is in L.mg/h, not in mg/h"),
        ('unit = "mg/L"\nexpression = "A/V"', 'expression = "A/V"', "terms.C.unit", "is missing"),
        ('initial = "Base"', 'initial = "C"', "initial", "unknown name 'C'"),
    ],
)
def test_a_wrong_term_is_refused_with_key_and_reason(good: str, bad: str, key: str, problem: str) -> None:
    assert good in NAMED
    with pytest.raises(ModelError) as caught:
        parse_model(NAMED.replace(good, bad, 1), "mine.toml")
    assert key in caught.value.key
    assert problem in caught.value.problem


def test_a_drug_may_be_called_like_a_term() -> None:
    named = parse_model(NAMED.replace("[terms.loss]", "[terms.toxin]", 1).replace("- loss", "- toxin", 1), "toy.toml")
    (depot,) = (state.derivative for state in named.states if state.name == "Depot")
    assert "input(toxin, oral)" in ast.unparse(depot)
