"""Formulas as they are written by hand: MathML with fractions, powers and roots, which browsers draw themselves."""

from __future__ import annotations

import ast
import re

from markupsafe import Markup, escape

SUM, PRODUCT, NEGATIVE, POWER, ATOM = range(5)
"""How tightly a formula holds together: what stands inside a tighter one needs brackets."""

_SIGNS: dict[type[ast.operator] | type[ast.cmpop], str] = {
    ast.Add: "+",
    ast.Sub: "−",
    ast.Mult: "·",
    ast.Lt: "<",
    ast.LtE: "≤",
    ast.Gt: ">",
    ast.GtE: "≥",
    ast.Eq: "=",
    ast.NotEq: "≠",
}


def equation(left: str, right: ast.expr) -> Markup:
    """``left = right`` as a MathML element; ``left`` is a name, ``dNAME/dt``, or a name with words in brackets."""
    return Markup('<math displaystyle="true"><mrow>{}<mo>=</mo>{}</mrow></math>').format(_left(left), _right(right)[0])


def name(text: str) -> Markup:
    """A name with what follows an underscore, or its final digits, as a subscript: V1, A1_SBP."""
    found = re.fullmatch(r"([^_]+?)(?:_(\w+)|(\d+))", text)
    if found is None:
        return _upright(text)
    return Markup("<msub>{}{}</msub>").format(_upright(found[1]), _upright(found[2] or found[3]))


def _upright(text: str) -> Markup:
    return Markup('<mi mathvariant="normal">{}</mi>').format(text)


def _left(text: str) -> Markup:
    if derivative := re.fullmatch(r"d(\w+)/dt", text):
        return Markup("<mfrac><mrow><mi>d</mi>{}</mrow><mrow><mi>d</mi><mi>t</mi></mrow></mfrac>").format(
            name(derivative[1])
        )
    plain, bracket, words = text.partition("(")
    return name(plain) + (Markup("<mtext>&nbsp;({}</mtext>").format(words) if bracket else Markup(""))


def _right(node: ast.expr) -> tuple[Markup, int]:
    """The formula, and how tightly it holds together."""
    match node:
        case ast.Constant(value=float() | int() as value):
            return Markup("<mn>{}</mn>").format(f"{value:g}"), ATOM
        case ast.Name():
            return name(node.id), ATOM
        case ast.UnaryOp(op=ast.USub()):
            return Markup("<mrow><mo>−</mo>{}</mrow>").format(_within(node.operand, PRODUCT)), NEGATIVE
        case ast.BinOp(op=ast.Div()):
            top, bottom = _right(node.left)[0], _right(node.right)[0]
            return Markup("<mfrac><mrow>{}</mrow><mrow>{}</mrow></mfrac>").format(top, bottom), PRODUCT
        case ast.BinOp(op=ast.Pow()):
            return _power(node.left, node.right)
        case ast.BinOp():
            sign = _SIGNS[type(node.op)]
            level = PRODUCT if isinstance(node.op, ast.Mult) else SUM
            # What is taken away keeps its brackets: a - (b + c).
            right = _within(node.right, level + 1 if isinstance(node.op, ast.Sub) else level)
            return Markup("<mrow>{}<mo>{}</mo>{}</mrow>").format(_within(node.left, level), sign, right), level
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            sides = _right(left)[0], _SIGNS[type(op)], _right(right)[0]
            return Markup("<mrow>{}<mo>{}</mo>{}</mrow>").format(*sides), SUM
        case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
            return _call(function, arguments, node)
    return _words(node), ATOM


def _call(function: str, arguments: list[ast.expr], node: ast.expr) -> tuple[Markup, int]:
    if function == "pow":
        return _power(arguments[0], arguments[1])
    if function == "where":
        condition, yes, no = (_right(argument)[0] for argument in arguments)
        rows = (
            "<mrow><mo>{{</mo><mtable columnalign='left'><mtr><mtd>{}</mtd><mtd><mtext>if&nbsp;</mtext>{}</mtd></mtr>"
            "<mtr><mtd>{}</mtd><mtd><mtext>otherwise</mtext></mtd></mtr></mtable></mrow>"
        )
        return Markup(rows).format(yes, condition, no), PRODUCT
    if function == "sqrt":
        return Markup("<msqrt>{}</msqrt>").format(_right(arguments[0])[0]), ATOM
    if function == "abs":
        return Markup("<mrow><mo>|</mo>{}<mo>|</mo></mrow>").format(_right(arguments[0])[0]), ATOM
    if function in ("exp", "log", "sin", "cos", "tanh", "floor", "min", "max"):
        inside = Markup("<mo>,</mo>").join(_right(argument)[0] for argument in arguments)
        return Markup("<mrow><mi>{}</mi><mo>(</mo>{}<mo>)</mo></mrow>").format(function, inside), ATOM
    return _words(node), ATOM


def _power(base: ast.expr, exponent: ast.expr) -> tuple[Markup, int]:
    return Markup("<msup><mrow>{}</mrow><mrow>{}</mrow></msup>").format(_within(base, ATOM), _right(exponent)[0]), POWER


def _within(node: ast.expr, level: int) -> Markup:
    """The formula as part of one of this level, in brackets where it needs them."""
    written, own = _right(node)
    return written if own >= level else Markup("<mrow><mo>(</mo>{}<mo>)</mo></mrow>").format(written)


def _words(node: ast.expr) -> Markup:
    """What is no mathematics, such as ``input(drug, oral)``, as the file writes it."""
    return Markup("<mtext>{}</mtext>").format(escape(ast.unparse(node)))
