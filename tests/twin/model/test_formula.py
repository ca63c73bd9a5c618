"""The formula language: what it lets in, and that its three readings of a formula agree."""

from __future__ import annotations

import ast
import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.model import formula as expressions
from twin.model import linearity
from twin.model.formula import ExpressionError, arguments_of, evaluate, names_in, parse_expression, to_source
from twin.model.linearity import linear_terms

NAMES = ("CL", "V", "A", "B")


def value(text: str, **env: float) -> float:
    return float(evaluate(parse_expression(text, list(env)), env))


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(expressions).failed == 0
    assert doctest.testmod(linearity).failed == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2 + 3*4 - 6/4", 12.5),
        ("2**3**2", 512.0),
        ("-A**2", -9.0),
        ("pow(A, 2)", 9.0),
        ("exp(log(A))", 3.0),
        ("sqrt(A*A)", 3.0),
        ("min(A, 2, 5)", 2.0),
        ("max(A, 2)", 3.0),
        ("where(A > 2, 10, 20)", 10.0),
        ("where(A == 2, 10, 20)", 20.0),
        ("sin(A)**2 + cos(A)**2", 1.0),
        ("tanh(A)", math.tanh(3.0)),
        ("abs(2 - A) + floor(A/2)", 2.0),
        (" A ", 3.0),
    ],
)
def test_arithmetic_and_functions_mean_what_they_say(text: str, expected: float) -> None:
    assert value(text, A=3.0) == pytest.approx(expected, rel=1e-15)


def test_arrays_broadcast() -> None:
    formula = parse_expression("where(A > 1, A*B, min(A, B))", ["A", "B"])
    found = evaluate(formula, {"A": np.array([0.5, 2.0, 3.0]), "B": 10.0})
    np.testing.assert_array_equal(found, [0.5, 20.0, 30.0])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("__import__('os')", "unknown function '__import__'"),
        ("CL.real", "'CL.real' is not part of the formula language"),
        ("CL[0]", "'CL[0]' is not part of the formula language"),
        ("(lambda: 1)()", "is not a plain call"),
        ("[CL for CL in V]", "is not part of the formula language"),
        ("CL if V else A", "is not part of the formula language"),
        ("CL and V", "is not part of the formula language"),
        ("not CL", "is not part of the formula language"),
        ("'CL'", "is not a number"),
        ("True", "True is not a number"),
        ("1j", "1j is not a number"),
        ("1e999", "a number is too large"),
        ("1" + "0" * 400, "a number is too large"),
        ("CL // V", "not one of + - * / **"),
        ("CL ^ 2", "uses '^'; write a power as '**'"),
        ("CL > V", "comparison 'CL > V' outside where(); write where(CL > V, a, b)"),
        ("where(CL, 1, 2)", "where() begins with one comparison"),
        ("where(1 < CL < 2, 1, 2)", "where() begins with one comparison"),
        ("exp(CL, V)", "exp takes 1 argument, not 2"),
        ("min(CL)", "min takes at least 2 arguments, not 1"),
        ("exp(x=CL)", "is not a plain call"),
        ("min(*CL)", "is not a plain call"),
        ("exp", "'exp' is a function; call it with arguments"),
        ("CLL", "unknown name 'CLL'; did you mean 'CL'?"),
        ("zebra", "unknown name 'zebra'; known here: A, B, CL, V"),
        ("CL +", "is not a formula: invalid syntax"),
        ("", "is not a formula"),
        ("CL; V", "is not a formula"),
        ("(" * 300 + "CL" + ")" * 300, "is not a formula"),
        ("-" * 3000 + "CL", "cannot be read; nest it less"),
        ("CL\0", "null bytes"),
        ("CL" + "+CL" * 200, "nested over 100 deep; name its parts"),
        ("CL+" * 3000 + "CL", "is over 4000; name its parts under [derived]"),
        ("input(docetaxel)", "input() is allowed only in the derivative of a state"),
    ],
)
def test_what_is_not_in_the_language_is_refused_with_the_mend(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text, NAMES)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("input(paclitaxel)", "unknown drug 'paclitaxel'; known: docetaxel; declare it as [inputs.paclitaxel]"),
        ("input(docetaxel, nasal)", "unknown route 'nasal'; the routes are iv, oral, sc, im, ip"),
        ("input()", "write input(drug) or input(drug, route), perhaps with lag=... and duration=..."),
        ("input(docetaxel, iv, oral)", "write input(drug) or input(drug, route)"),
        ("input('docetaxel')", "write input(drug) or input(drug, route)"),
        ("input(docetaxel, delay=CL)", "write input(drug) or input(drug, route), perhaps with lag=..."),
        ("input(docetaxel, lag=B2)", "unknown name 'B2'"),
        ("input(docetaxel, lag=input(docetaxel))", "input() is allowed only in the derivative of a state"),
        ("pulse(docetaxel, iv)", "write pulse(drug) or pulse(drug, T), perhaps with lag=..., with a number"),
        ("pulse(docetaxel, 0)", "with a number above 0 for T"),
        ("pulse(docetaxel, 96, 4)", "write pulse(drug) or pulse(drug, T)"),
        ("pulse(docetaxel, duration=CL)", "write pulse(drug) or pulse(drug, T), perhaps with lag=..."),
        ("transit(docetaxel, n=4)", "write transit(drug, n=..., mtt=...)"),
        ("tad(docetaxel)", "tad() is not allowed here (of the functions of the record: none)"),
    ],
)
def test_input_calls_name_a_known_drug_and_route(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text, NAMES, ["docetaxel"])
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tad(CL)", "tad() is not allowed here (of the functions of the record: dose, previous)"),
        ("dose(paclitaxel)", "unknown drug 'paclitaxel'; known: docetaxel"),
        ("dose()", "write dose(drug)"),
        ("dose(docetaxel, 1)", "write dose(drug)"),
        ("previous(platelets)", "unknown output 'platelets'; known: neutrophils"),
        ("previous(neutrophils, CL)", "the value before the first measurement must be a number"),
        ("dose(docetaxel=1)", "is not a plain call"),
    ],
)
def test_functions_of_the_record_are_asked_for_what_the_model_has(text: str, problem: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text, NAMES, None, {"dose": ["docetaxel"], "previous": ["neutrophils"]})
    assert problem in str(caught.value)


def test_functions_of_the_record_are_read_like_names() -> None:
    formula = parse_expression("CL*dose(x) + previous(y, -1)", NAMES, None, {"dose": ["x"], "previous": ["y"]})
    assert names_in(formula) == {"CL", "dose(x)", "previous(y, -1)"}
    assert evaluate(formula, {"CL": 2.0, "dose(x)": 5.0, "previous(y, -1)": -1.0}) == 9.0
    assert to_source(formula, {"dose(x)": "d", "previous(y, -1)": "p"}) == "((CL * d) + p)"


def test_an_input_call_comes_apart_into_what_it_says() -> None:
    function, words, formulas = arguments_of("transit(x, oral, n=NN, mtt=2*V, lag=CL)")
    assert (function, words) == ("transit", ("x", "oral"))
    assert {name: ast.unparse(formula) for name, formula in formulas.items()} == {
        "n": "NN",
        "mtt": "2 * V",
        "lag": "CL",
    }


@given(st.text(max_size=60))
def test_any_text_is_either_a_formula_or_an_expression_error(text: str) -> None:
    try:
        formula = parse_expression(text, NAMES, ["drug"])
    except ExpressionError:
        return
    assert names_in(formula) <= set(NAMES)


def test_names_are_those_whose_values_are_read() -> None:
    formula = parse_expression("exp(CL*A) + where(B > 0, V, 1) + input(drug, oral)", NAMES, ["drug"])
    assert names_in(formula) == {"CL", "A", "B", "V"}


numbers = st.floats(0.1, 10).map(lambda x: repr(round(x, 3)))


def formulas(depth: int = 3) -> st.SearchStrategy[str]:
    leaf = st.one_of(st.sampled_from(NAMES), numbers)
    if depth == 0:
        return leaf
    inner = formulas(depth - 1)
    return st.one_of(
        leaf,
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("(-{})".format, inner),
        st.builds("min({}, {})".format, inner, inner),
        st.builds("max({}, {})".format, inner, inner),
        st.builds("where({} {} {}, {}, {})".format, inner, st.sampled_from(["<", ">="]), inner, inner, inner),
        st.builds("exp(-max({}, 0.0))".format, inner),
        st.builds("sqrt(max({}, 0.5))".format, inner),
        st.builds("pow(max({}, 0.5), 0.3)".format, inner),
        st.builds("max({}, 0.5)**1.5".format, inner),
    )


@given(formulas(), st.tuples(*[st.floats(0.1, 10)] * 4))
def test_generated_source_computes_what_evaluate_does(text: str, values: tuple[float, ...]) -> None:
    formula = parse_expression(text, NAMES)
    env = dict(zip(NAMES, values, strict=True))
    source = to_source(formula, {name: f"m_{name}" for name in NAMES})
    scope = {f"m_{name}": number for name, number in env.items()} | {
        "math": math,
        "__builtins__": {"min": min, "max": max},
    }
    try:
        expected = eval(source, scope)
    except ZeroDivisionError:
        return
    assert float(evaluate(formula, env)) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_source_of_an_input_call_does_not_exist() -> None:
    with pytest.raises(TypeError, match=r"no scalar value: input\(drug\)"):
        to_source(parse_expression("input(drug)", NAMES, ["drug"]), {})


linear_formulas = st.builds(
    "{} - {}*A/({}) + ({})*(B - {})*{} - input(drug)*{}".format,
    numbers,
    *[st.sampled_from(["CL", "V", "CL/V", "2"])] * 6,
)


@given(linear_formulas, st.tuples(*[st.floats(0.1, 10)] * 5))
def test_linear_terms_add_up_to_the_formula(text: str, values: tuple[float, ...]) -> None:
    formula = parse_expression(text, NAMES, ["drug"])
    env = dict(zip((*NAMES, "input(drug)"), values, strict=True))
    variables = frozenset({"A", "B", "input(drug)"})
    terms = linear_terms(formula, variables)
    assert terms is not None
    assert all(names_in(term).isdisjoint(variables) for term in terms.values())
    total = sum(float(evaluate(term, env)) * env.get(name, 1.0) for name, term in terms.items())
    assert total == pytest.approx(float(evaluate(formula, env)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    "text", ["A*B", "A*A", "CL/A", "A**2", "exp(A)", "CL/(V + A)*A", "where(A > 1, A, B)", "A/(CL*B)"]
)
def test_a_formula_that_is_not_linear_has_no_terms(text: str) -> None:
    assert linear_terms(parse_expression(text, NAMES), frozenset({"A", "B"})) is None


def test_terms_without_a_variable_are_the_remainder() -> None:
    terms = linear_terms(parse_expression("-(CL - A) - V", NAMES), frozenset({"A"}))
    assert terms is not None
    assert {name: ast.unparse(term) for name, term in terms.items()} == {"": "-CL - V", "A": "--1.0"}


def test_an_input_that_is_no_variable_is_a_coefficient() -> None:
    formula = parse_expression("input(drug)*A", NAMES, ["drug"])
    assert linear_terms(formula, frozenset({"A", "input(drug)"})) is None
    terms = linear_terms(formula, frozenset({"A"}))
    assert terms is not None
    assert ast.unparse(terms["A"]) == "input(drug)"


def test_a_formula_may_run_over_lines() -> None:
    text = "A * (1 + B)\n    * (1 - B)"
    assert ast.dump(parse_expression(text, {"A", "B"})) == ast.dump(parse_expression("A*(1 + B)*(1 - B)", {"A", "B"}))
