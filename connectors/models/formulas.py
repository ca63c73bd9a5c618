"""Working with formulas as trees: putting one into another, folding what is known, taking products apart."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from twin.model.formula import RECORD_FUNCTIONS, evaluate

ZERO, ONE = ast.Constant(0.0), ast.Constant(1.0)


def number(value: float) -> ast.expr:
    """A written number; a negative one with its sign before it."""
    if value < 0:
        return ast.UnaryOp(ast.USub(), ast.Constant(-value))
    return ast.Constant(value)


def name(text: str) -> ast.expr:
    return ast.Name(text, ast.Load())


def call(function: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(function, ast.Load()), list(arguments), [])


def parsed(text: str) -> ast.expr:
    """A formula of ours, written in a module here."""
    return ast.parse(text, mode="eval").body


def same(one: ast.expr, other: ast.expr) -> bool:
    return ast.dump(one) == ast.dump(other)


def words(node: ast.AST) -> frozenset[str]:
    """Names that a formula reads, without those of functions and of drugs in functions of the record."""
    return frozenset(_words(node))


def reads(formula: ast.AST, wanted: Collection[str], definitions: Mapping[str, ast.expr]) -> bool:
    """Whether a formula names any of ``wanted``, itself or by what it names."""
    ahead, seen = list(words(formula)), set[str]()
    while ahead:
        word = ahead.pop()
        if word in wanted:
            return True
        if word not in seen:
            seen.add(word)
            ahead += words(definitions[word]) if word in definitions else ()
    return False


def _words(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        if node.func.id not in RECORD_FUNCTIONS:
            for argument in node.args:
                yield from _words(argument)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _words(child)


def value(node: ast.expr) -> float | None:
    """The number that a formula is, if it is one without names."""
    if any(isinstance(each, ast.Name | ast.Call) for each in ast.walk(node)):
        return None
    try:
        return float(evaluate(node, {}))
    except (ArithmeticError, TypeError, ValueError, KeyError):
        return None


def replaced(node: ast.expr, by: Mapping[str, ast.expr]) -> ast.expr:
    """A formula with other formulas in the place of names, folded."""
    return folded(mapped(node, lambda each: by.get(each.id, each) if isinstance(each, ast.Name) else each))


def mapped(node: ast.expr, change: Callable[[ast.expr], ast.expr]) -> ast.expr:
    """A formula with each part changed, the innermost first."""
    match node:
        case ast.UnaryOp(op=op, operand=operand):
            return change(ast.UnaryOp(op, mapped(operand, change)))
        case ast.BinOp(left=left, op=operator, right=right):
            return change(ast.BinOp(mapped(left, change), operator, mapped(right, change)))
        case ast.Compare(left=left, ops=ops, comparators=[right]):
            return change(ast.Compare(mapped(left, change), ops, [mapped(right, change)]))
        case ast.BoolOp(op=joint, values=values):
            return change(ast.BoolOp(joint, [mapped(each, change) for each in values]))
        case ast.Call(func=function, args=arguments, keywords=keywords):
            if isinstance(function, ast.Name) and function.id in RECORD_FUNCTIONS:
                return change(node)
            return change(ast.Call(function, [mapped(each, change) for each in arguments], keywords))
    return change(node)


def folded(node: ast.expr) -> ast.expr:
    """A formula without what changes nothing: written zeros, ones, tests whose outcome is known."""
    return mapped(node, fold_once)


def fold_once(node: ast.expr) -> ast.expr:
    """A formula whose parts are folded, folded."""
    match node:
        case ast.Call(func=ast.Name(id="where"), args=[test, yes, no]):
            outcome = decided(test)
            if outcome is not None:
                return yes if outcome else no
            return yes if same(yes, no) else node
        case ast.UnaryOp(op=ast.USub(), operand=ast.UnaryOp(op=ast.USub(), operand=inner)):
            return inner
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return inner
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=0)):
            return ZERO
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return right if _is(left, 0) else left if _is(right, 0) else node
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return left if _is(right, 0) else ast.UnaryOp(ast.USub(), right) if _is(left, 0) else node
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            if _is(left, 0) or _is(right, 0):
                return ZERO
            return right if _is(left, 1) else left if _is(right, 1) else node
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return ZERO if _is(left, 0) and not _is(right, 0) else left if _is(right, 1) else node
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return left if _is(right, 1) else node
        case ast.Call(func=ast.Name(id="exp"), args=[inner]):
            return ONE if _is(inner, 0) else node
    return node


def _is(node: ast.expr, wanted: float) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and float(node.value) == wanted


def decided(test: ast.expr) -> bool | None:
    """Whether a test holds, where that can be told without knowing anything."""
    match test:
        case ast.Constant(value=bool() as known):
            return known
        case ast.BoolOp(op=op, values=values):
            found = [decided(each) for each in values]
            if isinstance(op, ast.And):
                return False if False in found else None if None in found else True
            return True if True in found else None if None in found else False
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = decided(operand)
            return None if inner is None else not inner
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            one, other = value(left), value(right)
            if same(left, right) and isinstance(left, ast.Name):
                return isinstance(op, ast.Eq | ast.LtE | ast.GtE)
            if one is None or other is None:
                return None
            return bool(evaluate(ast.Call(ast.Name("where"), [test, ONE, ZERO], []), {}))
    return None


def chosen(test: ast.expr, yes: ast.expr, no: ast.expr) -> ast.expr:
    """One formula or the other, by a test with and, or, not in it, as the model language can say it."""
    match test:
        case ast.BoolOp(op=op) if not isinstance(no if isinstance(op, ast.And) else yes, ast.Constant):
            # What would stand once for each test stands once behind what all of them come to.
            held = chosen(test, ONE, ZERO)
            return fold_once(call("where", ast.Compare(held, [ast.Gt()], [ZERO]), yes, no))
        case ast.BoolOp(op=ast.And(), values=values):
            found = yes
            for each in reversed(values):
                found = chosen(each, found, no)
            return found
        case ast.BoolOp(op=ast.Or(), values=values):
            found = no
            for each in reversed(values):
                found = chosen(each, yes, found)
            return found
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return chosen(operand, no, yes)
        case ast.Compare():
            return fold_once(call("where", test, yes, no))
        case ast.Constant(value=bool() as known):
            return yes if known else no
    return fold_once(call("where", ast.Compare(test, [ast.NotEq()], [ZERO]), yes, no))


def factors(node: ast.expr, whole: Collection[str] = ()) -> tuple[list[ast.expr], list[ast.expr]]:
    """What a product multiplies, and what it divides by; a name of ``whole`` stays with the number below it."""
    match node:
        case ast.BinOp(left=ast.Name(id=word), op=ast.Div(), right=right) if word in whole and value(right) is not None:
            return [node], []
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            (above, below), (more, under) = factors(left, whole), factors(right, whole)
            return above + more, below + under
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            (above, below), (more, under) = factors(left, whole), factors(right, whole)
            return above + under, below + more
    return [node], []


def product(above: list[ast.expr], below: list[ast.expr]) -> ast.expr:
    """The reverse of `factors`."""
    found: ast.expr = ONE
    for each in above:
        found = fold_once(ast.BinOp(found, ast.Mult(), each))
    for each in below:
        found = ast.BinOp(found, ast.Div(), each)
    return found


def summands(node: ast.expr) -> list[ast.expr]:
    """What a sum adds; differences stay as they are."""
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return summands(left) + summands(right)
    return [node]


def total(parts: Sequence[ast.expr]) -> ast.expr:
    """The reverse of `summands`."""
    found = parts[0]
    for each in parts[1:]:
        found = ast.BinOp(found, ast.Add(), each)
    return found


def text(node: ast.expr) -> str:
    """A formula as the model file writes it, numbers short."""
    return ast.unparse(ast.fix_missing_locations(mapped(copy.deepcopy(node), _short)))


def _short(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value == int(node.value):
        return ast.Constant(int(node.value)) if abs(node.value) < 1e15 else node
    return node
