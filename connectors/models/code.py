"""Program text of a model as statements: assignments and branches, each with its line, formulas as trees.

Three dialects share one grammar, that of Python's expressions, once their words are replaced: Fortran as NM-TRAN has it
(``.EQ.``, ``DEXP``, ``A(1)``), C++ as mrgsolve has it (``&&``, ``? :``), R as rxode2 has it (``^``, ``ifelse``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.models.formulas import call, chosen, name, number, value
from connectors.models.source import SourceError
from twin.model.formula import DEEPEST, FUNCTIONS

LONGEST = 20_000
"""Characters of one statement; nobody writes longer ones by hand."""


@dataclass(frozen=True, slots=True)
class Assign:
    """``target`` becomes ``formula``."""

    target: str
    formula: ast.expr
    line: int


@dataclass(frozen=True, slots=True)
class Branch:
    """``yes`` where the ``test`` holds, else ``no``."""

    test: ast.expr
    yes: list[Statement] = field(default_factory=list)
    no: list[Statement] = field(default_factory=list)
    line: int = 0


@dataclass(frozen=True, slots=True)
class Unread:
    """A line that is no assignment and no branch, as it stands."""

    text: str
    line: int


Statement = Assign | Branch | Unread

_FORTRAN = (
    (r"\.EQN?\.", "=="), (r"\.NEN?\.", "!="), (r"\.GE\.", ">="), (r"\.GT\.", ">"), (r"\.LE\.", "<="),
    (r"\.LT\.", "<"), (r"\.AND\.", " and "), (r"\.OR\.", " or "), (r"\.NOT\.", " not "), (r"/=", "!="),
    (r"\b(\d+\.?\d*|\.\d+)D([+-]?\d+)", r"\1E\2"),
)  # fmt: skip
_FUNCTIONS = {
    "dexp": "exp", "dlog": "log", "alog": "log", "dsqrt": "sqrt", "dabs": "abs", "fabs": "abs", "amin1": "min",
    "amax1": "max", "dmin1": "min", "dmax1": "max", "int": "floor", "aint": "floor", "dint": "floor", "std_exp": "exp",
    "expm1": "expm1", "log10": "log10", "alog10": "log10", "dlog10": "log10", "log1p": "log1p", "logit": "logit",
    "expit": "expit", "phi": "phi", "gamln": "gamln", "lgamma": "gamln", "lgammafn": "gamln", "mod": "mod",
    "ifelse": "ifelse", "tan": "tan", "invlogit": "expit", "pexp": "exp", "plog": "log", "psqrt": "sqrt",
}  # fmt: skip


def formula(text: str, dialect: str, file: str, line: int) -> ast.expr:
    """A formula of a dialect (``fortran``, ``c``, ``r``) as a tree of the model language.

    Calls of functions that the language has not are left as they are: whoever needs one says so.

    Raises:
        SourceError: it is none.
    """
    if len(text) > LONGEST:
        raise SourceError(file, line, f"has a formula of {len(text)} characters, over {LONGEST}; split it")
    plain = _plain(text, dialect)
    try:
        body = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SourceError(file, line, f"'{text.strip()[:80]}' is not a formula; mend it") from None
    return _tree(body, file, line, 0)


def _plain(text: str, dialect: str) -> str:
    if dialect == "fortran":
        for pattern, by in _FORTRAN:
            text = re.sub(pattern, by, text, flags=re.IGNORECASE)
        # Python has no integers with zeros before them.
        return re.sub(r"(?<![\w.])0+(?=\d)", "", text)
    text = text.replace("&&", " and ").replace("||", " or ")
    text = re.sub(r"!(?!=)", " not ", text)
    if dialect == "r":
        text = re.sub(r"(?<![&])&(?!&)", " and ", text).replace("^", "**")
        text = re.sub(r"(?<!\|)\|(?!\|)", " or ", text)
        text = re.sub(r"\b([A-Za-z]\w*)\.(?=[A-Za-z])", r"\1_", text)
    if dialect == "c":
        text = re.sub(r"\b(?:std|R)::", "", text)
        text = _ternary(text)
    return re.sub(r"\bTRUE\b|\btrue\b", "True", re.sub(r"\bFALSE\b|\bfalse\b", "False", text))


def _ternary(text: str) -> str:
    """``test ? a : b`` as Python has it, innermost parentheses first."""
    found = re.search(r"\(([^()?]*)\?([^():?]*):([^()?]*)\)", text)
    while found:
        text = f"{text[: found.start()]}(({found[2]}) if ({found[1]}) else ({found[3]})){text[found.end() :]}"
        found = re.search(r"\(([^()?]*)\?([^():?]*):([^()?]*)\)", text)
    if "?" in text:
        test, _, rest = text.partition("?")
        yes, _, no = rest.partition(":")
        return f"(({yes}) if ({test}) else ({_ternary(no)}))"
    return text


def _tree(node: ast.expr, file: str, line: int, depth: int) -> ast.expr:
    """What Python's parser made of it, as the model language has it."""
    if depth > DEEPEST:
        raise SourceError(file, line, f"has a formula nested over {DEEPEST} deep; split it")

    def inner(each: ast.expr) -> ast.expr:
        return _tree(each, file, line, depth + 1)

    match node:
        case ast.Constant(value=bool()):
            return node
        case ast.Constant(value=int() | float() as written):
            return number(float(written))
        case ast.Name():
            return node
        case ast.UnaryOp(op=op, operand=operand):
            return ast.UnaryOp(op, inner(operand))
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow() as op, right=right):
            return ast.BinOp(inner(left), op, inner(right))
        case ast.BoolOp(op=joint, values=values):
            return ast.BoolOp(joint, [inner(each) for each in values])
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return ast.Compare(inner(left), [op], [inner(right)])
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return chosen(inner(test), inner(body), inner(otherwise))
        case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
            return _called(function, [inner(each) for each in arguments])
    raise SourceError(file, line, f"'{ast.unparse(node)[:80]}' cannot be read; write it with + - * / ** and functions")


def _called(function: str, arguments: list[ast.expr]) -> ast.expr:
    word = _FUNCTIONS.get(function.lower(), function.lower())
    match word, arguments:
        case "log10", [of]:
            return ast.BinOp(call("log", of), ast.Div(), call("log", number(10.0)))
        case "log1p", [of]:
            return call("log", ast.BinOp(number(1.0), ast.Add(), of))
        case "expm1", [of]:
            return ast.BinOp(call("exp", of), ast.Sub(), number(1.0))
        case "expit", [of]:
            lower = ast.BinOp(number(1.0), ast.Add(), call("exp", ast.UnaryOp(ast.USub(), of)))
            return ast.BinOp(number(1.0), ast.Div(), lower)
        case "logit", [of]:
            return call("log", ast.BinOp(of, ast.Div(), ast.BinOp(number(1.0), ast.Sub(), of)))
        case "tan", [of]:
            return ast.BinOp(call("sin", of), ast.Div(), call("cos", of))
        case "mod", [of, by]:
            whole = call("floor", ast.BinOp(of, ast.Div(), by))
            return ast.BinOp(of, ast.Sub(), ast.BinOp(by, ast.Mult(), whole))
        case "ifelse", [test, yes, no]:
            return chosen(test, yes, no)
        case "pow", [base, exponent]:
            return ast.BinOp(base, ast.Pow(), exponent)
    if word in FUNCTIONS:
        return call(word, *arguments)
    plain = [value(argument) for argument in arguments if isinstance(argument, ast.Constant)]
    if arguments and len(plain) == len(arguments):  # A(1), THETA(2), SIGMA(1,1)
        return name("_".join([function.upper(), *(f"{index:g}" for index in plain if index is not None)]))
    return call(function, *arguments)


# --- NM-TRAN ---------------------------------------------------------------------------------------------------------


def fortran(lines: list[tuple[int, str]], file: str) -> list[Statement]:
    """Statements of abbreviated code, lines with their numbers, comments taken off.

    Raises:
        SourceError: a formula that is none, or branches that do not end.
    """
    reader = _Fortran(_joined(lines), file)
    found = reader.block(None)
    if reader.at < len(reader.lines):
        line, text = reader.lines[reader.at]
        raise SourceError(file, line, f"'{text}' ends what was not begun; delete it, or write the IF that it ends")
    return found


def _joined(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Lines that a ``&`` goes on from, as one."""
    found: list[tuple[int, str]] = []
    going = False
    for line, raw in lines:
        text = raw.strip()
        if not text:
            continue
        if going:
            found[-1] = (found[-1][0], f"{found[-1][1]} {text.rstrip('&').lstrip('&')}")
        else:
            found.append((line, text.rstrip("&")))
        going = text.endswith("&")
    return found


class _Fortran:
    def __init__(self, lines: list[tuple[int, str]], file: str) -> None:
        self.lines, self.file, self.at = lines, file, 0

    def block(self, begun: int | None) -> list[Statement]:
        """Statements up to what ends the IF that was ``begun`` on a line."""
        found: list[Statement] = []
        while self.at < len(self.lines):
            line, text = self.lines[self.at]
            if re.match(r"(END\s*IF|ELSE)\b", text, re.IGNORECASE):
                return found
            self.at += 1
            found.append(self._statement(line, text))
        if begun is not None:
            raise SourceError(self.file, begun, "begins an IF that does not end; write its ENDIF")
        return found

    def _statement(self, line: int, text: str) -> Statement:
        if text.startswith(('"', "(")):
            return Unread(text, line)
        if re.match(r"IF\s*\(", text, re.IGNORECASE):
            return self._branch(line, text)
        target = re.match(r"([A-Za-z][\w]*(?:\s*\(\s*\d+(?:\s*,\s*\d+)*\s*\))?)\s*=(?!=)", text)
        if target is None:
            return Unread(text, line)
        word = re.sub(r"\s", "", target[1].upper())
        plain = re.sub(r"[(),]+", "_", word).strip("_")
        return Assign(plain, self.formula(text[target.end() :], line), line)

    def formula(self, text: str, line: int) -> ast.expr:
        return formula(text.upper(), "fortran", self.file, line)

    def _branch(self, line: int, text: str) -> Branch:
        test, rest = self._test(line, text)
        if not re.match(r"THEN\b", rest, re.IGNORECASE):
            return Branch(test, [self._statement(line, rest)], [], line)
        after = rest[4:].strip()
        yes: list[Statement] = [self._statement(line, after)] if after else []
        yes += self.block(line)
        at, words = self.lines[self.at]
        self.at += 1
        if re.match(r"END\s*IF\b", words, re.IGNORECASE):
            return Branch(test, yes, [], line)
        again = re.match(r"ELSE\s*(IF\s*\(.*)", words, re.IGNORECASE)
        if again:
            return Branch(test, yes, [self._branch(at, again[1])], line)
        after = words[4:].strip()
        no: list[Statement] = [self._statement(at, after)] if after else []
        no += self.block(line)
        self.at += 1
        return Branch(test, yes, no, line)

    def _test(self, line: int, text: str) -> tuple[ast.expr, str]:
        start = text.index("(")
        end = matching(text, start)
        if end is None:
            raise SourceError(self.file, line, f"'{text[:60]}' has a parenthesis that does not close; close it")
        return self.formula(text[start + 1 : end], line), text[end + 1 :].strip()


def matching(text: str, start: int) -> int | None:
    """Where the bracket that opens at ``start`` closes."""
    pairs = {"(": ")", "{": "}", "[": "]"}
    opening, closing, depth = text[start], pairs[text[start]], 0
    for at in range(start, len(text)):
        depth += (text[at] == opening) - (text[at] == closing)
        if depth == 0:
            return at
    return None


# --- C++ and R -------------------------------------------------------------------------------------------------------


def braced(
    text: str,
    first: int,
    dialect: str,
    file: str,
    target: Callable[[str], str | None],
) -> list[Statement]:
    """Statements of code whose branches are in braces (``c``, ``r``), the first line being number ``first``.

    ``target`` makes a name of the left-hand side of an assignment, or ``None`` of what is none.

    Raises:
        SourceError: a formula that is none, or braces that do not close.
    """
    return _Braced(text, first, dialect, file, target).block()


class _Braced:
    def __init__(self, text: str, first: int, dialect: str, file: str, target: Callable[[str], str | None]) -> None:
        self.text, self.first, self.dialect, self.file, self.target, self.at = text, first, dialect, file, target, 0

    @property
    def line(self) -> int:
        return self.first + self.text.count("\n", 0, self.at)

    def block(self) -> list[Statement]:
        found: list[Statement] = []
        while self._skip() < len(self.text) and self.text[self.at] != "}":
            found.append(self._statement())
        return found

    def _skip(self) -> int:
        while self.at < len(self.text) and (self.text[self.at].isspace() or self.text[self.at] == ";"):
            self.at += 1
        return self.at

    def _statement(self) -> Statement:
        line = self.line
        if re.match(r"if\s*\(", self.text[self.at :]):
            return self._branch(line)
        end = self._end()
        text = self.text[self.at : end].strip()
        self.at = end
        parts = re.match(r"(.*?[^<>=!*/+-])\s*(=|<-|~|\+=|-=|\*=|/=)(?!=)\s*(.*)\Z", text, re.DOTALL)
        name_of = self.target(parts[1].strip()) if parts and parts[2] != "~" else None
        if parts is None or name_of is None:
            return Unread(" ".join(text.split()), line)
        right = formula(" ".join(parts[3].split()), self.dialect, self.file, line)
        if len(parts[2]) == 2 and parts[2] != "<-":
            operator = {"+": ast.Add(), "-": ast.Sub(), "*": ast.Mult(), "/": ast.Div()}[parts[2][0]]
            right = ast.BinOp(name(name_of), operator, right)
        return Assign(name_of, right, line)

    def _end(self) -> int:
        """Where a statement ends: at a semicolon, or in R at a line end with nothing open and nothing to follow."""
        depth = 0
        for at in range(self.at, len(self.text)):
            letter = self.text[at]
            depth += (letter in "([") - (letter in ")]")
            if depth == 0 and (letter == ";" or letter == "}"):
                return at
            if letter == "\n" and self.dialect == "r" and depth == 0:
                before = self.text[self.at : at].rstrip()
                if before and before[-1] not in "+-*/^,&|=<~":
                    return at
        return len(self.text)

    def _branch(self, line: int) -> Branch:
        start = self.text.index("(", self.at)
        end = matching(self.text, start)
        if end is None:
            raise SourceError(self.file, line, "has a parenthesis that does not close; close it")
        test = formula(" ".join(self.text[start + 1 : end].split()), self.dialect, self.file, line)
        self.at = end + 1
        yes = self._body(line)
        self._skip()
        no: list[Statement] = []
        if re.match(r"else\b", self.text[self.at :]):
            self.at += 4
            no = self._body(line)
        return Branch(test, yes, no, line)

    def _body(self, line: int) -> list[Statement]:
        self._skip()
        if self.at < len(self.text) and self.text[self.at] == "{":
            self.at += 1
            found = self.block()
            if self.at >= len(self.text):
                raise SourceError(self.file, line, "begins with a brace that does not close; close it")
            self.at += 1
            return found
        return [self._statement()]
