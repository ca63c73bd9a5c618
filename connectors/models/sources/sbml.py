"""SBML, levels 2 and 3: compartments, species, reactions, rules, initial assignments, function definitions.

A species becomes a state that holds its amount; in formulas it stands for its concentration, as SBML has it, unless it
is declared to have substance units only. Of units that of time alone is read. Nothing is dosed and nothing is measured
in SBML: name the species that doses enter, and each species is an output with an error that is assumed. Events, delays
and algebraic rules cannot be said, nor are fast reactions, conversion factors and formulas of stoichiometry.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from connectors.models.formulas import ZERO, call, chosen, folded, name, number, replaced, total, words
from connectors.models.source import Observed, Scatter, Source, SourceError, State, Theta
from connectors.models.sources.xml_tree import Element, tree

MOST_OUTPUTS = 16
_JOINED = {"plus": ast.Add(), "times": ast.Mult(), "minus": ast.Sub(), "divide": ast.Div(), "power": ast.Pow()}
_TESTS = {
    "eq": ast.Eq(), "neq": ast.NotEq(), "gt": ast.Gt(), "geq": ast.GtE(), "lt": ast.Lt(), "leq": ast.LtE(),
}  # fmt: skip
_CALLED = {"exp": "exp", "ln": "log", "sin": "sin", "cos": "cos", "tanh": "tanh", "abs": "abs", "floor": "floor"}
_FIXED = {"pi": 3.141592653589793, "exponentiale": 2.718281828459045}


def read(text: str, file: str, drug: str) -> Source:
    """An SBML document as a `Source`; ``drug`` enters nothing until it is said what.

    Raises:
        SourceError: naming file, line, what is wrong and how to mend it.
    """
    _ = drug
    document = tree(text, file)
    models = document.of("model")
    if document.name != "sbml" or not models:
        raise SourceError(file, document.line, "has no <model> in an <sbml>; this is not SBML")
    return _Document(models[0], file, document.get("level")).read()


class _Document:
    def __init__(self, model: Element, file: str, level: str) -> None:
        self.model, self.level = model, level
        title = model.get("name") or model.get("id") or "no title"
        self.source = Source("SBML model", file, title)
        self.functions: dict[str, tuple[list[str], Element]] = {}
        self.amounts: dict[str, ast.expr] = {}
        self.varying: set[str] = set()

    def read(self) -> Source:
        source, model = self.source, self.model
        self._time()
        for refused, mend in (("listOfEvents", "events"), ("listOfConstraints", "constraints")):
            for each in model.listed(refused):
                if refused == "listOfEvents":
                    raise source.wrong(
                        each.line, "has an event, which a model file cannot say; write it as doses, or drop it"
                    )
                source.lose(each.line, f"{mend} are not carried")
        for each in model.listed("listOfFunctionDefinitions"):
            self._function(each)
        rules = list(model.listed("listOfRules"))
        ruled = {rule.get("variable") for rule in rules}
        starts = {e.get("symbol"): e for e in model.listed("listOfInitialAssignments")}
        self.varying = ruled | set(starts)
        for group in ("listOfCompartments", "listOfParameters"):
            for each in model.listed(group):
                self._constant(each, ruled, starts)
        changes = self._reactions()
        species = list(model.listed("listOfSpecies"))
        for each in species:
            self._amount(each)
        self._assigned(rules)
        rates = {rule.get("variable"): rule for rule in rules if rule.name == "rateRule"}
        for each in species:
            self._species(each, changes.get(each.get("id"), []), rates, ruled, starts)
        self._varying_parameters(rates, starts, {each.get("id") for each in species})
        for rule in rules:
            if rule.name == "algebraicRule":
                raise source.wrong(
                    rule.line, "has an algebraic rule, which a model file cannot say; solve it for one name"
                )
        if not source.states:
            raise source.wrong(model.line, "has no species that changes; this is no model of a course")
        self._observe(species)
        source.lose(0, "units of the source are not carried, doses and measurements have no place in it")
        return source

    def _time(self) -> None:
        """The unit of time: of level 2 the one called time, else the second; of level 3 what the model names."""
        units = {each.get("id"): each for each in self.model.listed("listOfUnitDefinitions")}
        stated = self.model.get("timeUnits") if self.level == "3" else "time"
        if not stated:
            return
        seconds = 1.0
        for each in units[stated].listed("listOfUnits") if stated in units else ():
            size = float(each.get("multiplier", "1")) * 10.0 ** float(each.get("scale", "0"))
            seconds *= size ** float(each.get("exponent", "1"))
        self.source.time_unit = {60.0: "min", 3600.0: "h", 86400.0: "d"}.get(round(seconds, 6))
        self.source.time_said = "the second" if seconds == 1.0 else f"one of {seconds:g} s"

    # --- what it declares --------------------------------------------------------------------------------------------

    def _constant(self, each: Element, ruled: set[str], starts: Mapping[str, Element]) -> None:
        word = each.get("id")
        if word in ruled:
            return
        if word in starts:
            self.source.definitions[word] = self._math(starts[word])
            return
        text = each.get("value") or each.get("size")
        if not text and each.name == "compartment":
            text = "1"
            self.source.lose(each.line, f"compartment {word} has no size; 1 is assumed")
        self.source.thetas[word] = Theta(word, self._number(text, each, word), each.line, each.get("name"))

    def _number(self, text: str, element: Element, word: str) -> float:
        try:
            return float(text)
        except ValueError:
            raise self.source.wrong(element.line, f"{word} has no value ('{text}'); write a number") from None

    def _function(self, each: Element) -> None:
        for math in each.of("math"):
            for inner in math.of("lambda"):
                bound = [" ".join(v.of("ci")[0].text.split()) for v in inner.of("bvar")]
                self.functions[each.get("id")] = bound, inner.inside[-1]

    def _amount(self, each: Element) -> None:
        word, compartment = each.get("id"), each.get("compartment")
        only = each.get("hasOnlySubstanceUnits") == "true"
        self.amounts[word] = name(word) if only else ast.BinOp(name(word), ast.Div(), name(compartment))

    def _reactions(self) -> dict[str, list[ast.expr]]:
        found: dict[str, list[ast.expr]] = {}
        for each in self.model.listed("listOfReactions"):
            if each.get("fast") == "true":
                raise self.source.wrong(
                    each.line, f"reaction {each.get('id')} is fast; write the state that it is always in as a rule"
                )
            laws = each.of("kineticLaw")
            if not laws:
                raise self.source.wrong(each.line, f"reaction {each.get('id')} has no kineticLaw; write it")
            local: dict[str, ast.expr] = {}
            for group in ("listOfLocalParameters", "listOfParameters"):
                for parameter in laws[0].listed(group):
                    own = f"{each.get('id')}_{parameter.get('id')}"
                    value_of = self._number(parameter.get("value"), parameter, own)
                    self.source.thetas[own] = Theta(own, value_of, parameter.line)
                    local[parameter.get("id")] = name(own)
            rate = f"rate_{each.get('id')}"
            self.source.definitions[rate] = replaced(self._math(laws[0]), local)
            self.source.lines[rate] = laws[0].line
            for group, sign in (("listOfReactants", -1.0), ("listOfProducts", 1.0)):
                for reference in each.listed(group):
                    if reference.of("stoichiometryMath") or reference.get("id") in self.varying:
                        said = f"stoichiometry of {reference.get('species')} is a formula; write its number"
                        raise self.source.wrong(reference.line, said)
                    times = sign * self._number(reference.get("stoichiometry", "1"), reference, "stoichiometry")
                    found.setdefault(reference.get("species"), []).append(
                        folded(ast.BinOp(number(times), ast.Mult(), name(rate)))
                    )
        return found

    def _assigned(self, rules: list[Element]) -> None:
        """Assignment rules as definitions, those that others read first; species within them as concentrations."""
        source = self.source
        own = {rule.get("variable"): rule for rule in rules if rule.name == "assignmentRule"}
        formulas = {word: self._math(rule) for word, rule in own.items()}
        rates, source.definitions = source.definitions, {}
        waiting = {**formulas, **rates}
        while waiting:
            ready = [word for word, formula in waiting.items() if not words(formula) & set(waiting)]
            if not ready:
                first = next(iter(waiting))
                line = own[first].line if first in own else self.model.line
                raise source.wrong(line, f"{first} is defined by itself; a model file cannot say that")
            for word in ready:
                by = {each: meant for each, meant in self.amounts.items() if each not in own}
                source.definitions[word] = replaced(waiting.pop(word), by)
        self.amounts = {word: name(word) if word in own else meant for word, meant in self.amounts.items()}

    def _species(
        self,
        each: Element,
        changes: list[ast.expr],
        rates: Mapping[str, Element],
        ruled: set[str],
        starts: Mapping[str, Element],
    ) -> None:
        word, size = each.get("id"), name(each.get("compartment"))
        if each.get("conversionFactor") or self.model.get("conversionFactor"):
            raise self.source.wrong(each.line, f"{word} has a conversion factor; write it into the kinetic laws")
        only = each.get("hasOnlySubstanceUnits") == "true"
        if word in ruled and word not in rates:
            return
        held = each.get("constant") == "true" or (each.get("boundaryCondition") == "true" and word not in rates)
        derivative = ZERO if held or not changes else total(changes)
        if word in rates:
            derivative = replaced(self._math(rates[word]), self.amounts)
            derivative = derivative if only else ast.BinOp(derivative, ast.Mult(), size)
        start: ast.expr = number(self._number(each.get("initialAmount") or "0", each, word))
        if each.get("initialConcentration"):
            start = ast.BinOp(number(self._number(each.get("initialConcentration"), each, word)), ast.Mult(), size)
        if word in starts:
            start = self._math(starts[word])
            start = start if only else ast.BinOp(start, ast.Mult(), size)
        self.source.states.append(State(word, derivative, folded(start), each.line))

    def _varying_parameters(
        self, rates: Mapping[str, Element], starts: Mapping[str, Element], species: set[str]
    ) -> None:
        for word, rule in rates.items():
            if word in species:
                continue
            declared = next(
                (
                    e
                    for g in ("listOfParameters", "listOfCompartments")
                    for e in self.model.listed(g)
                    if e.get("id") == word
                ),
                rule,
            )
            start = (
                self._math(starts[word])
                if word in starts
                else number(self._number(declared.get("value") or "0", declared, word))
            )
            self.source.states.append(State(word, replaced(self._math(rule), self.amounts), start, rule.line))

    def _observe(self, species: list[Element]) -> None:
        states = {state.name for state in self.source.states}
        assumed = Scatter((("proportional", 0.2),), "the source has no measurements; a round number stands in")
        shown = [each for each in species if each.get("id") in states and each.get("boundaryCondition") != "true"]
        for each in shown[:MOST_OUTPUTS]:
            word = each.get("id")
            self.source.observed.append(Observed(f"{word}_o", self.amounts[word], assumed, each.line))
        if len(shown) > MOST_OUTPUTS:
            self.source.lose(0, f"of {len(shown)} species the first {MOST_OUTPUTS} are outputs")

    # --- MathML ------------------------------------------------------------------------------------------------------

    def _math(self, holder: Element) -> ast.expr:
        for math in holder.of("math"):
            if math.inside:
                return folded(self._tree(math.inside[-1], {}))
        raise self.source.wrong(holder.line, f"<{holder.name}> has no <math>; write its formula")

    def _tree(self, node: Element, bound: Mapping[str, ast.expr]) -> ast.expr:
        word = " ".join(node.text.split())
        match node.name:
            case "ci":
                return bound.get(word, name(word))
            case "cn":
                return self._written(node)
            case "true" | "false":
                return ast.Constant(node.name == "true")
            case "csymbol" if node.get("definitionURL").endswith("/time"):
                return name("t")
            case "piecewise":
                return self._piecewise(node, bound)
            case "apply" if node.inside:
                return self._apply(node.inside[0], [self._tree(each, bound) for each in self._operands(node)], node)
            case known if known in _FIXED:
                return number(_FIXED[known])
        raise self.source.wrong(node.line, f"<{node.name}> {word} cannot be said in a model file; write it otherwise")

    def _operands(self, node: Element) -> Iterator[Element]:
        for each in node.inside[1:]:
            if each.name in ("degree", "logbase"):
                raise self.source.wrong(
                    each.line, f"<{each.name}> is not read; write the power or the quotient of logarithms"
                )
            yield each

    def _written(self, node: Element) -> ast.expr:
        text = "".join(node.text.split())
        kind = node.get("type")
        if kind in (
            "e-notation",
            "rational",
        ):  # their two numbers stand on either side of <sep/>, which leaves no trace
            first, *rest = node.text.split()
            if len(rest) != 1:
                raise self.source.wrong(node.line, f"'{text}' of type {kind} is not read; write it as a plain number")
            value_of = float(f"{first}e{rest[0]}") if kind == "e-notation" else float(first) / float(rest[0])
            return number(value_of)
        return number(self._number(text, node, "a number"))

    def _piecewise(self, node: Element, bound: Mapping[str, ast.expr]) -> ast.expr:
        found: ast.expr = ZERO
        for each in node.of("otherwise"):
            found = self._tree(each.inside[0], bound)
        for each in reversed(node.of("piece")):
            found = chosen(self._tree(each.inside[1], bound), self._tree(each.inside[0], bound), found)
        return found

    def _apply(self, operator: Element, operands: list[ast.expr], node: Element) -> ast.expr:
        word = operator.name
        if word == "ci":
            return self._called(" ".join(operator.text.split()), operands, node)
        if word in _JOINED and operands:
            if word == "minus" and len(operands) == 1:
                return ast.UnaryOp(ast.USub(), operands[0])
            found = operands[0]
            for each in operands[1:]:
                found = ast.BinOp(found, _JOINED[word], each)
            return found
        if word in _TESTS and len(operands) == 2:
            return ast.Compare(operands[0], [_TESTS[word]], [operands[1]])
        if word in ("and", "or") and len(operands) > 1:
            return ast.BoolOp(ast.And() if word == "and" else ast.Or(), operands)
        if word == "not" and len(operands) == 1:
            return ast.UnaryOp(ast.Not(), operands[0])
        if word == "root" and len(operands) == 1:
            return call("sqrt", operands[0])
        if word == "log" and len(operands) == 1:
            return ast.BinOp(call("log", operands[0]), ast.Div(), call("log", number(10.0)))
        if word in ("min", "max") and operands:
            return call(word, *operands)
        if word in _CALLED and len(operands) == 1:
            return call(_CALLED[word], operands[0])
        raise self.source.wrong(
            operator.line, f"<{word}> of {len(operands)} cannot be said in a model file; write it otherwise"
        )

    def _called(self, word: str, operands: list[ast.expr], node: Element) -> ast.expr:
        if word not in self.functions or len(self.functions[word][0]) != len(operands):
            raise self.source.wrong(node.line, f"{word} of {len(operands)} is no function that is defined; define it")
        bound, body = self.functions[word]
        return self._tree(body, dict(zip(bound, operands, strict=True)))
