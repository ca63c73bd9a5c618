"""Formulas as MathML: fractions, powers, brackets where they are needed, and the same meaning as in the file."""

from __future__ import annotations

import ast
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.reports.formula import equation, name


def written(text: str) -> str:
    """The right side in one line: a fraction as [top/bottom], a power as base^(exponent), an index as V_1."""
    root = ElementTree.fromstring(str(equation("y", ast.parse(text, mode="eval").body)).replace("&nbsp;", " "))
    return _line(root).removeprefix("y=")


def _line(node: ElementTree.Element) -> str:
    parts = [_line(child) for child in node]
    match node.tag:
        case "mfrac":
            return f"[{parts[0]}/{parts[1]}]"
        case "msup":
            return f"{parts[0]}^({parts[1]})"
        case "msub":
            return "_".join(parts)
        case "msqrt":
            return f"√({''.join(parts)})"
    return (node.text or "") + "".join(parts)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("(CL + Q2)/V1*A1", "[CL+Q_2/V_1]·A_1"),
        ("a - (b - c)", "a−(b−c)"),
        ("a - (b + c)", "a−(b+c)"),
        ("a + (b - c)", "a+b−c"),
        ("(a + b)*c", "(a+b)·c"),
        ("-(a + b)", "−(a+b)"),
        ("(-a)**2", "(−a)^(2)"),
        ("(a*b)**gamma", "(a·b)^(gamma)"),
        ("(AAG / 0.94)**(-1.38)", "([AAG/0.94])^(−1.38)"),
        ("pow(a + b, 2)", "(a+b)^(2)"),
        ("(a**b)**c", "(a^(b))^(c)"),
        ("a**b**c", "a^(b^(c))"),
        ("exp(-k*t)", "exp(−k·t)"),
        ("sqrt(a/b)", "√([a/b])"),
        ("abs(a)", "|a|"),
        ("max(a, 0)", "max(a,0)"),
        ("where(a > 0.5, b, c)", "{bif a>0.5cotherwise"),
        ("input(drug, oral, lag=ALAG)", "input(drug, oral, lag=ALAG)"),
        ("base_VEGF*A1_SBP", "base_VEGF·A1_SBP"),
    ],
)
def test_a_formula_is_written_as_by_hand(text: str, shown: str) -> None:
    assert written(text) == shown


def test_left_sides_are_names_derivatives_and_individual_values() -> None:
    one = ast.Constant(1.0)
    assert "<mfrac>" in equation("dA1/dt", one)
    assert "(individual)" in equation("CL(individual)", one)
    assert name("ktr") == '<mi mathvariant="normal">ktr</mi>'


def test_nothing_in_a_name_is_markup() -> None:
    assert "<script>" not in equation("<script>", ast.Name("<b>"))


names = st.sampled_from("abcd").map(ast.Name)
operators = st.sampled_from([ast.Add, ast.Sub, ast.Mult])


def _larger(part: st.SearchStrategy[ast.expr]) -> st.SearchStrategy[ast.expr]:
    binary = st.builds(lambda a, op, b: ast.BinOp(a, op(), b), part, operators, part)
    return binary | st.builds(lambda a: ast.UnaryOp(ast.USub(), a), part)


@given(st.recursive(names, _larger, max_leaves=8), st.tuples(*[st.integers(-9, 9)] * 4))
def test_what_is_written_means_what_was_meant(formula: ast.expr, values: tuple[int, ...]) -> None:
    env = dict(zip("abcd", values, strict=True))
    shown = written(ast.unparse(formula)).replace("−", "-").replace("·", "*")
    assert re.fullmatch(r"[abcd()*+-]+", shown)
    assert eval(shown, {}, env) == eval(ast.unparse(formula), {}, env)
