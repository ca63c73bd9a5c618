"""nlmixr2 model functions: ``ini({...})`` and ``model({...})``, with ``d/dt()``, ``linCmt()`` and errors by ``~``.

Names may have dots, which become underscores. Bounds are notes; ``fix()`` too. ``eta ~ 0.1 | occ`` is an effect of an
occasion. Read are the errors add, prop, pow, lnorm and their sums, combined as variances (combined2, the default) or as
standard deviations (combined1).
"""

from __future__ import annotations

import ast
import math
import re

from connectors.models.code import Branch, Statement, Unread, braced, formula, matching
from connectors.models.following import Follower
from connectors.models.formulas import name, parsed, value
from connectors.models.source import Entry, Eta, Observed, Scatter, Source, State, Theta
from connectors.models.sources.pk_names import build

_CALLS = re.compile(r"""\b(?:label|backTransform)\s*\((?:"[^"]*"|'[^']*'|[^)"'])*\)""")
"""What is said of a value beside it; a text in it may have parentheses."""

_SPECIAL = {"f": "F", "lag": "ALAG", "alag": "ALAG", "dur": "D", "rate": "R"}


def read(text: str, file: str, drug: str) -> Source:
    """A model function as a `Source`; doses are of ``drug``.

    Raises:
        SourceError: naming file, line, what is wrong and how to mend it.
    """
    return _Function(text, file, drug).read()


class _Function:
    def __init__(self, text: str, file: str, drug: str) -> None:
        plain = "\n".join(_without_comment(line) for line in text.splitlines())
        self.text = re.sub(r"\b([A-Za-z]\w*)\.(?=[A-Za-z_])", lambda found: f"{found[1]}_", plain)
        while re.search(r"\b[A-Za-z]\w*\.(?=[A-Za-z_])", self.text):
            self.text = re.sub(r"\b([A-Za-z]\w*)\.(?=[A-Za-z_])", lambda found: f"{found[1]}_", self.text)
        title = re.search(r"([A-Za-z]\w*)\s*(?:<-|=)\s*function", self.text)
        self.source = Source("nlmixr2 model", file, title[1] if title else "no title")
        self.drug = drug
        self.lines: dict[str, int] = {}

    def read(self) -> Source:
        source = self.source
        self._ini(*self._block("ini"))
        code, first = self._block("model")
        statements = braced(self._marked(code), first, "r", source.file, _target)
        follower = Follower(source, {"t": parsed("t"), "time": parsed("t"), "TIME": parsed("t")})
        observed = [each for each in _flat(statements) if isinstance(each, Unread) and "~" in each.text]
        follower.follow([each for each in statements if not (isinstance(each, Unread) and "~" in each.text)])
        self._states(follower, code, first)
        self._covariates()
        for each in observed:
            self._observe(follower, each)
        if not source.observed:
            raise source.wrong(first, "observes nothing; write cp ~ add(add.sd) + prop(prop.sd)")
        return source

    def _block(self, word: str) -> tuple[str, int]:
        found = re.search(rf"\b{word}\s*\(\s*\{{", self.text)
        if found is None:
            raise self.source.wrong(None, f"has no {word}({{...}}); this is not a model function of nlmixr2")
        start = self.text.index("{", found.start())
        line = self.text.count("\n", 0, start) + 1
        end = matching(self.text, start)
        if end is None:
            raise self.source.wrong(line, f"{word}({{ has a brace that does not close; close it")
        return self.text[start + 1 : end], line

    # --- ini ---------------------------------------------------------------------------------------------------------

    def _ini(self, text: str, first: int) -> None:
        source = self.source
        for each in braced(text, first, "r", source.file, lambda _: None):
            if not isinstance(each, Unread):
                continue
            line, words_of = each.line, _CALLS.sub("", each.text).strip(" ;")
            if not words_of:
                continue
            if "~" in words_of:
                self._variances(words_of, line)
                continue
            parts = re.fullmatch(r"([A-Za-z]\w*)\s*(?:<-|=)\s*(.+)", words_of)
            if parts is None:
                source.lose(line, f"'{words_of[:80]}' was passed over")
                continue
            source.thetas[parts[1]] = self._theta(parts[1], parts[2], line)
        if not source.thetas:
            raise source.wrong(first, "has no values in ini({...}); write tcl <- log(5)")

    def _theta(self, word: str, text: str, line: int) -> Theta:
        fixed = bool(re.search(r"\bfix(ed)?\b", text))
        plain = re.sub(r",\s*fix(ed)?\b", "", re.sub(r"\bfix(ed)?\s*\((.*)\)\s*$", r"c(\2)", text.strip()))
        raised = re.fullmatch(r"log\s*\(\s*c\s*\((.*)\)\s*\)", plain)
        inner = raised[1] if raised else (m[1] if (m := re.fullmatch(r"c\s*\((.*)\)", plain)) else plain)
        parts = [self._number(part, line) for part in _split(inner)]
        parts = [math.log(part) if raised and part and part > 0 else part for part in parts]
        if not 1 <= len(parts) <= 3 or parts[min(1, len(parts) - 1)] is None:
            raise self.source.wrong(line, f"'{word} <- {text}' is no value; write a number or c(low, value, high)")
        middle = parts[1] if len(parts) > 1 else parts[0]
        assert middle is not None
        low, high = (parts[0] if len(parts) > 1 else None), (parts[2] if len(parts) > 2 else None)
        return Theta(word, middle, line, "", low, high, fixed)

    def _number(self, text: str, line: int) -> float | None:
        if re.fullmatch(r"\s*-?Inf\s*", text):
            return None
        tree = formula(text, "r", self.source.file, line)
        try:
            found = value(tree) if not isinstance(tree, ast.Call) else _evaluated(tree)
        except (ValueError, ArithmeticError, KeyError):
            found = None
        if found is None:
            raise self.source.wrong(line, f"'{text.strip()}' is no number; write it as one")
        return found

    def _variances(self, text: str, line: int) -> None:
        left, _, right = text.partition("~")
        names = [word.strip() for word in left.split("+")]
        right, _, level = right.partition("|")
        plain = re.sub(r"\bfix(ed)?\s*\((.*)\)\s*$", r"c(\2)", right.strip())
        inner = m[1] if (m := re.fullmatch(r"c\s*\((.*)\)", plain)) else plain
        numbers = [self._number(part, line) or 0.0 for part in _split(inner)]
        if len(numbers) != len(names) * (len(names) + 1) // 2:
            needed = len(names) * (len(names) + 1) // 2
            raise self.source.wrong(
                line, f"has {len(numbers)} numbers for {len(names)} effects; write {needed}, the lower triangle"
            )
        occasion = level.strip() not in ("", "id")
        if occasion:
            self.source.occasion = level.strip()
        at = 0
        for i, word in enumerate(names):
            for j in range(i):
                if numbers[at + j]:
                    self.source.covariances[word, names[j]] = numbers[at + j]
            at += i
            self.source.etas[word] = Eta(word, numbers[at], line, "iov" if occasion else "iiv")
            at += 1

    # --- model -------------------------------------------------------------------------------------------------------

    def _marked(self, code: str) -> str:
        """Code with ``d/dt(depot)``, ``f(depot)``, ``depot(0)`` on the left as names, and linCmt() as one."""
        code = re.sub(r"\bd\s*/\s*dt\s*\(\s*(\w+)\s*\)", r"DT__\1", code)
        code = re.sub(
            r"\b(f|lag|alag|dur|rate)\s*\(\s*(\w+)\s*\)(?=\s*(?:<-|=)(?!=))",
            lambda m: f"{_SPECIAL[m[1]]}__{m[2]}",
            code,
        )
        code = re.sub(r"\b(\w+)\s*\(\s*0\s*\)(?=\s*(?:<-|=)(?!=))", r"START__\1", code)
        return re.sub(r"\blinCmt\s*\(\s*\)", "LINCMT__", code)

    def _states(self, follower: Follower, code: str, first: int) -> None:
        source, meaning = self.source, follower.meaning
        for word, derivative in list(meaning.items()):
            if word.startswith("DT__"):
                state = word.removeprefix("DT__")
                line = source.lines.get(word, first)
                source.states.append(State(state, derivative, meaning.get(f"START__{state}"), line))
        if "linCmt" in code:
            concentration = build(source, [*source.definitions, *source.thetas, *meaning], {}, first)
            if concentration is None:
                raise source.wrong(first, "uses linCmt(), and no cl and v are defined; define them")
            source.states = [State(s.name, follower.resolved(s.derivative), None, s.line) for s in source.states]
            follower.meaning["LINCMT__"] = follower.resolved(parsed(concentration))
            for word, each in source.definitions.items():
                source.definitions[word] = _put(each, follower.meaning["LINCMT__"])
        if not source.states:
            raise source.wrong(first, "has no compartments; write d/dt(central) <- ..., or linCmt()")
        doses = source.states[0].name
        pieces = [meaning.get(f"{key}__{doses}") for key in ("F", "ALAG", "D")]
        source.entries.append(Entry(doses, self.drug, *pieces))
        for word in meaning:
            key, _, state = word.partition("__")
            if key in ("F", "ALAG", "D", "R") and state and (state != doses or key == "R"):
                source.lose(
                    source.lines.get(word, first), f"{key} of doses into {state} is not carried; doses enter {doses}"
                )

    def _covariates(self) -> None:
        source = self.source
        known = {*source.thetas, *source.etas, *source.definitions, *(s.name for s in source.states), "t", "LINCMT__"}
        read_of = [*source.definitions.values(), *(s.derivative for s in source.states)]
        found = dict.fromkeys(
            node.id
            for each in read_of
            for node in ast.walk(each)
            if isinstance(node, ast.Name) and node.id not in known
        )
        functions = {
            n.func.id
            for each in read_of
            for n in ast.walk(each)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        source.covariates = tuple(word for word in found if word not in functions)
        if source.occasion and source.occasion not in source.covariates:
            source.covariates = (*source.covariates, source.occasion)

    def _observe(self, follower: Follower, each: Unread) -> None:
        source, line = self.source, each.line
        left, _, right = each.text.partition("~")
        target = left.strip()
        right, _, _compartment = right.partition("|")
        prediction = follower.meaning.get(target, name(target))
        sizes: dict[str, float | str] = {}
        fixed: list[str] = []
        for part in [each.strip() for each in right.split("+")]:
            call = re.fullmatch(r"(\w+)\s*\(\s*([^()]*)\s*\)", part)
            if call is None:
                raise source.wrong(line, f"'{part}' is no error that is read; write add(), prop(), pow() or lnorm()")
            said = [word.strip() for word in call[2].split(",") if word.strip()]
            arguments = [self._sd(word, line) for word in said]
            before = set(sizes)
            match call[1], arguments:
                case (("add" | "norm" | "dnorm"), [size]):
                    sizes["additive"] = size
                case "prop", [size]:
                    sizes["proportional"] = size
                case (("lnorm" | "dlnorm" | "logn"), [size]):
                    sizes["log_additive"] = size
                case (("t" | "dt"), [df]):
                    sizes["df"] = df
                case "pow", [size, exponent]:
                    sizes["power"] = f"{{ coefficient = {size!r}, exponent = {exponent!r} }}"
                case "combined1", []:
                    sizes["combination"] = "sd"
                case "combined2", []:
                    pass
                case _:
                    raise source.wrong(
                        line, f"'{part}' is no error that is read; write add(), prop(), pow() or lnorm()"
                    )
            names = [*(key for key in sizes if key not in before), "exponent"]
            fixed += [key for key, word in zip(names, said, strict=False) if self._is_known(word)]
        label = "cp" if target == "LINCMT__" else target
        source.observed.append(Observed(label, prediction, Scatter(tuple(sizes.items()), fixed=tuple(fixed)), line))

    def _is_known(self, word: str) -> bool:
        return word not in self.source.thetas or self.source.thetas[word].fixed

    def _sd(self, word: str, line: int) -> float:
        if word in self.source.thetas:
            return self.source.thetas[word].value
        return self._number(word, line) or 0.0


def _put(tree: ast.expr, concentration: ast.expr) -> ast.expr:
    from connectors.models.formulas import replaced

    return replaced(tree, {"LINCMT__": concentration})


def _evaluated(tree: ast.expr) -> float:
    from twin.model.formula import evaluate

    return float(evaluate(tree, {}))


def _flat(statements: list[Statement]) -> list[Statement]:
    found: list[Statement] = []
    for each in statements:
        found += [each, *(_flat([*each.yes, *each.no]) if isinstance(each, Branch) else [])]
    return found


def _target(left: str) -> str | None:
    return left if re.fullmatch(r"[A-Za-z]\w*", left) else None


def _split(text: str) -> list[str]:
    """Parts at commas outside parentheses."""
    found, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            found.append(text[start:at])
            start = at + 1
    return [*found, text[start:]]


def _without_comment(line: str) -> str:
    """A line of R without what follows ``#`` outside quotes."""
    quote = ""
    for at, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "#":
            return line[:at]
    return line
