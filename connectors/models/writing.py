"""A drawn source as the text of a model file: unverified, with what was not carried at its head.

Sources state no units. They are worked out (`connectors.models.units`) where the formulas allow one reading; where
they allow none every number is a plain one and two parameters of size one, ``one_amount`` and ``one_time``, stand
between the formulas and what has units of itself: doses, time and covariates. Either way each is marked assumed.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.models.characteristics import usual
from connectors.models.drawn import Drawn, Parameter
from connectors.models.formulas import mapped, name, parsed, replaced, same, text, value, words
from connectors.models.source import Entry, Lost, Observed, Scatter
from connectors.models.units import Units
from twin.model.formula import HOLDING_FUNCTIONS, RESERVED, is_record
from twin.names import is_name, unprintable

CADENCE = {"min": (60, 1440, 10080), "h": (1, 24, 168), "d": (1, 1, 28)}
"""Estimate, forecast and horizon of a model file by its time unit: every hour or day, a week or a month ahead."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user says that a source does not: id, drug, units by name, time unit, references of covariates."""

    id: str
    drug: str
    time_unit: str | None
    units: Mapping[str, str]
    references: Mapping[str, tuple[float, str]]

    def covariate_unit(self, word: str) -> str:
        """The unit of a covariate: as given, or usual for its name."""
        known = usual(word)
        return self.units.get(word) or (known[0] if known else "1")


def model_text(drawn: Drawn, asked: Asked, units: Units | None) -> tuple[str, list[Lost]]:
    """The text of the model file, and what it could not carry; ``units`` ``None``: every number a plain one."""
    return _Writer(drawn, asked, units).text()


class _Writer:
    def __init__(self, drawn: Drawn, asked: Asked, units: Units | None) -> None:
        self.drawn, self.asked, self.units = drawn, asked, units
        self.source = drawn.source
        self.time = asked.time_unit or self.source.time_unit or "h"
        self.lost = list(self.source.lost)
        self.bare = units is None or units.bare
        self.names = self._safe_names()
        self.file = self.source.file

    # --- names and formulas ------------------------------------------------------------------------------------------

    def _safe_names(self) -> dict[str, str]:
        """A name of the model language for each of the source's."""
        import keyword

        every = [
            *(p.name for p in self.drawn.parameters), *self.drawn.definitions, *self.drawn.covariates,
            *(s.name for s in self.source.states),
        ]  # fmt: skip
        found: dict[str, str] = {}
        for word in every:
            safe = re.sub(r"\W", "_", word)
            safe = safe if re.match(r"[A-Za-z]", safe) else f"x{safe}"
            while (
                safe in RESERVED
                or keyword.iskeyword(safe)
                or not is_name(safe)
                or safe in found.values()
                or safe.startswith("one_")
            ):
                safe = f"{safe[:60]}_v"
            found[word] = safe
        return found

    def formula(self, node: ast.expr) -> str:
        renamed = replaced(node, {word: name(safe) for word, safe in self.names.items() if word != safe})
        return text(self._plain(renamed) if self.bare else renamed)

    def _plain(self, node: ast.expr) -> ast.expr:
        """A formula of plain numbers: time, doses and covariates without their units."""
        covariates = {self.names[each] for each in self.drawn.covariates}

        def change(each: ast.expr) -> ast.expr:
            if isinstance(each, ast.Name) and each.id == "t":
                return parsed("t/one_time")
            if isinstance(each, ast.Name) and each.id in covariates:
                return parsed(f"{each.id}/1")
            if is_record(each) and isinstance(each, ast.Call) and isinstance(each.func, ast.Name):
                one = {"dose": "one_amount", "daily": "one_amount"}.get(each.func.id, "one_time")
                return each if each.func.id in ("count", "after") else ast.BinOp(each, ast.Div(), name(one))
            return each

        return mapped(node, change)

    def constant(self, node: ast.expr, constants: set[str]) -> bool:
        """Whether a formula has one value for a patient until something is recorded."""
        records = {ast.unparse(n) for n in ast.walk(node) if is_record(n)}
        return words(node) <= constants and all(call.startswith(HOLDING_FUNCTIONS) for call in records)

    # --- the file ----------------------------------------------------------------------------------------------------

    def text(self) -> tuple[str, list[Lost]]:
        drawn = self.drawn
        body = [*self._covariates(), *self._parameters(), *self._correlations(), *self._occasions(), *self._sites()]
        body += self._mixture()
        constants = {p.name for p in drawn.parameters} | set(drawn.covariates)
        derived: list[str] = []
        terms: list[str] = []
        for word, formula in drawn.definitions.items():
            fixed = self.constant(formula, constants)
            section = "derived" if fixed else "terms"
            if fixed:
                constants.add(word)
            lines = [f"[{section}.{self.names[word]}]", f"unit = {_quoted(self._unit(word))}"]
            lines += [f"expression = {_quoted(self.formula(formula))}", ""]
            (derived if fixed else terms).extend(lines)
        body += [*derived, *terms, *self._states(), *self._outputs(), *self._end(), *self._fit()]
        head = self._head()
        return "\n".join([*head, *body]).rstrip() + "\n", self.lost

    def _head(self) -> list[str]:
        source, asked = self.source, self.asked
        lines = [
            f"# Carried over from {_clean(source.file)} ({source.language}); nobody has verified it against the source."
        ]
        if self.lost:
            lines.append("# What the source has and this file has not, or has otherwise:")
            for each in self.lost:
                lines += textwrap.wrap(_clean(str(each)), 118, initial_indent="# - ", subsequent_indent="#   ")
        entered = {entry.drug for entry in source.entries}
        lines += [
            "",
            f"id = {_quoted(asked.id)}",
            f"drug = {_quoted(asked.drug)}",
            f"title = {_quoted(_clean(source.title))}",
        ]
        lines += [f"time_unit = {_quoted(self.time)}"]
        lines += [
            f'unconfirmed = "unverified: carried over from {_clean(source.file)} by a program, compared by nobody"',
            "",
        ]
        lines += ["[[sources]]", f"citation = {_quoted(f'{_clean(source.file)}, {source.language}')}", ""]
        if asked.drug not in entered or not self._enters():
            lines += [f"[inputs.{asked.drug}]", "enters_nothing = true", 'assumed = "the source has no doses"', ""]
        return lines

    def _enters(self) -> bool:
        return any(entry.drug == self.asked.drug for entry in self.source.entries)

    def _unit(self, word: str) -> str:
        if word in self.asked.units:
            return self.asked.units[word]
        return self.units.of(word) if self.units else "1"

    def _covariates(self) -> list[str]:
        lines: list[str] = []
        for word in self.drawn.covariates:
            if self.source.classes is not None and word == self.source.classes.covariate:
                lines += self._class(word, len(self.source.classes.shares))
                continue
            reference, why = self.asked.references.get(word, (1.0, "the source gives no reference; 1 stands in"))
            known = usual(word)
            unit = (
                self.units.by_name.get(word, self.asked.covariate_unit(word))
                if self.units
                else self.asked.covariate_unit(word)
            )
            how = "unit as usual for this name" if known and word not in self.asked.units else "unit as given"
            if not known and word not in self.asked.units:
                how = "the source states no unit"
            lines += [
                f"[covariates.{self.names[word]}]",
                f"unit = {_quoted(unit)}",
                f"reference = {_number(reference)}",
            ]
            lines += [f"assumed = {_quoted(f'{why}; {how}')}", ""]
            if why != "as given":
                self._lose(f"covariate {word}: reference {reference:g} ({why}); {how}")
        return lines

    def _class(self, word: str, count: int) -> list[str]:
        levels = ", ".join(f"class_{at} = {at}" for at in range(1, count + 1))
        why = "a class that nobody sees, by the source's own numbers; the reference is the most frequent"
        return [
            f"[covariates.{self.names[word]}]",
            'unit = "1"',
            f"reference = {_number(self.asked.references[word][0])}",
            f"levels = {{ {levels} }}",
            f"assumed = {_quoted(why)}",
            "",
        ]

    def _mixture(self) -> list[str]:
        classes = self.source.classes
        if classes is None:
            return []
        if classes.covariate not in self.drawn.covariates:
            self._lose("subpopulations: nothing of the model hangs on which one a patient is of")
            return []
        shares = ", ".join(f"class_{at} = {_number(share)}" for at, share in enumerate(classes.shares, start=1))
        why = f"{_clean(self.file)}, line {classes.line}"
        names = [f"covariate = {_quoted(self.names[classes.covariate])}", f"shares = {{ {shares} }}"]
        return ["[mixture]", *names, f"source = {_quoted(why)}", ""]

    def _lose(self, what: str) -> None:
        if Lost(0, what) not in self.lost:
            self.lost.append(Lost(0, what))

    def _parameters(self) -> list[str]:
        lines: list[str] = []
        if any(p.iiv is not None or p.iov is not None for p in self.drawn.parameters):
            lines += ["[variability]", 'stated_as = "variance"', f"source = {_quoted(self._of_source())}", ""]
        if self.bare:
            for word, unit, of_what in (("one_time", self.time, "time"), ("one_amount", "mg", "amount")):
                lines += [f"[parameters.{word}]", "value = 1", f"unit = {_quoted(unit)}"]
                lines += [f'assumed = "one unit of {of_what}: the formulas of the source are over plain numbers"', ""]
            self._lose(
                "units: the source states none, and its formulas allow no one reading; all numbers are plain (1)"
            )
        for parameter in self.drawn.parameters:
            lines += self._parameter(parameter)
        return lines

    def _of_source(self) -> str:
        return f"{_clean(self.file)}"

    def _parameter(self, parameter: Parameter) -> list[str]:
        lines = [f"[parameters.{self.names[parameter.name]}]", f"value = {_number(parameter.value)}"]
        lines.append(f"unit = {_quoted(self._unit(parameter.name))}")
        if parameter.iiv is not None:
            lines.append(f"iiv = {_number(parameter.iiv)}")
        if parameter.iov is not None:
            lines.append(f"iov = {_number(parameter.iov)}")
        if parameter.isv is not None:
            lines.append(f"isv = {_number(parameter.isv)}")
        if parameter.distribution != "log-normal":
            lines.append(f"distribution = {_quoted(parameter.distribution)}")
        if parameter.expression is not None:
            lines.append(f"expression = {_quoted(self.formula(parameter.expression))}")
        of = parameter.theta.name if parameter.theta else "a factor or shift of the source's formulas"
        where = f", line {parameter.theta.line if parameter.theta else parameter.line}"
        lines.append(f"source = {_quoted(f'{_clean(self.file)}{where}: {of}')}")
        if parameter.name not in self.asked.units:
            lines.append(
                f"assumed = {_quoted('unit: ' + (self.units.why if self.units else 'the source states none'))}"
            )
        note = _clean(parameter.comment)
        bounds = parameter.theta and (parameter.theta.low, parameter.theta.high)
        if bounds and any(bound is not None for bound in bounds):
            low, high = ("" if bound is None else f"{bound:g}" for bound in bounds)
            note = f"{note}; estimated within {low or '-inf'} to {high or 'inf'}".strip("; ")
        if parameter.theta and parameter.theta.fixed:
            note = f"{note}; fixed in the source".strip("; ")
        if note:
            lines.append(f"note = {_quoted(note)}")
        return [*lines, ""]

    def _correlations(self) -> list[str]:
        lines: list[str] = []
        for one, other, level, covariance in self.drawn.covariances:
            lines += ["[[correlations]]", f"between = [{_quoted(self.names[one])}, {_quoted(self.names[other])}]"]
            lines += [f'level = "{level}"'] if level != "iiv" else []
            lines += [
                f"covariance = {_number(covariance)}",
                'stated_as = "covariance"',
                f"source = {_quoted(self._of_source())}",
                "",
            ]
        by_name = {output.name: self._output_name(output) for output in self.source.observed}
        for one, other, correlation in self.source.residuals:
            between = f"between = [{_quoted(by_name[one])}, {_quoted(by_name[other])}]"
            lines += ["[[correlations]]", between, 'level = "residual"', f"correlation = {_number(correlation)}"]
            lines += [f"source = {_quoted(self._of_source())}", ""]
        return lines

    def _occasions(self) -> list[str]:
        if all(p.iov is None for p in self.drawn.parameters):
            return []
        word = self.source.occasion
        if word is None and self.source.every is not None and self._enters():
            every = _number(self.source.every)
            self._lose(
                f"occasions: a new one begins every {every} {self.time} from the first dose on; the source's by time"
            )
            why = f"the source tells occasions by the time, {every} after one another"
            lines = ["[occasions]", f"drug = {_quoted(self.asked.drug)}", f"every = {every}"]
            return [*lines, f"assumed = {_quoted(why)}", ""]
        if word is None or word not in self.drawn.covariates:
            raise self.source.wrong(
                None, "has effects of occasions (SAME), and no data item tells one occasion from the next"
            )
        self._lose(f"occasions: a new one begins at each change of {word}")
        why = f"the source chooses the effect of an occasion by {word}"
        return ["[occasions]", f"covariate = {_quoted(self.names[word])}", f"assumed = {_quoted(why)}", ""]

    def _sites(self) -> list[str]:
        word = self.source.site
        if word is None or word not in self.drawn.covariates:
            return []
        why = f"the source has effects of {word} above those of its patients ($LEVEL)"
        return ["[sites]", f"covariate = {_quoted(self.names[word])}", f"assumed = {_quoted(why)}", ""]

    def _states(self) -> list[str]:
        lines: list[str] = []
        for state in self.source.states:
            lines += [f"[states.{self.names[state.name]}]", f"unit = {_quoted(self._unit(state.name))}"]
            if state.initial is not None and value(state.initial) != 0:
                lines.append(f"initial = {_quoted(self.formula(state.initial))}")
            given = [self._given(entry) for entry in self.source.entries if entry.state == state.name]
            change = self.formula(state.derivative)
            if not self.units and change != "0":
                change = f"({change})/one_time"
            parts = [*given, *([change] if change != "0" or not given else [])]
            lines += [f"derivative = {_quoted(' + '.join(parts))}", ""]
        return lines

    def _given(self, entry: Entry) -> str:
        options = []
        for key, formula in (("lag", entry.lag), ("duration", entry.duration)):
            if formula is not None:
                said = self.formula(formula)
                options.append(f"{key}={said}" if self.units else f"{key}=({said})*one_time")
        call = f"input({', '.join([entry.drug, *options])})"
        call = call if self.units else f"{call}/one_amount"
        if entry.fraction is None or same(entry.fraction, ast.Constant(1.0)):
            return call
        return f"({self.formula(entry.fraction)})*{call}"

    def _outputs(self) -> list[str]:
        lines: list[str] = []
        for output in self.source.observed:
            lines.append(f"[outputs.{self._output_name(output)}]")
            if output.categories:
                listed = ", ".join(_quoted(self.formula(each)) for each in output.categories)
                lines += ['kind = "ordinal"', f"categories = [{listed}]", ""]
                continue
            if output.hazard is not None:
                hazard = self.formula(output.hazard)
                lines += ['kind = "event"', f"hazard = {_quoted(hazard if self.units else f'({hazard})/one_time')}", ""]
                continue
            assert output.expression is not None
            assert output.scatter is not None
            if output.counted:
                lines += self._count(output)
                continue
            unit = self.asked.units.get(output.name) or (self.units.of(output.name) if self.units else "1")
            sizes = ", ".join(f"{k} = {_size(v)}" for k, v in output.scatter.sizes)
            fitted = ', fitted_on = "linear"' if {"proportional"} & {k for k, _ in output.scatter.sizes} else ""
            lines += [f"unit = {_quoted(unit)}", f"expression = {_quoted(self.formula(output.expression))}"]
            evidence = f"source = {_quoted(f'{_clean(self.file)}, line {output.line}')}"
            if output.scatter.assumed:
                evidence = f"assumed = {_quoted(output.scatter.assumed)}"
            lines += [f"error = {{ {sizes}{fitted}, {evidence} }}", ""]
        return lines

    def _count(self, output: Observed) -> list[str]:
        assert output.expression is not None
        assert output.scatter is not None
        ((law, size),) = output.scatter.sizes
        lines = ['kind = "count"', f"expression = {_quoted(self.formula(output.expression))}"]
        lines += [] if output.zeros is None else [f"zeros = {_quoted(self.formula(output.zeros))}"]
        evidence = f"source = {_quoted(f'{_clean(self.file)}, line {output.line}')}"
        said = "poisson = true" if law == "poisson" else f"{law} = {_size(size)}"
        return [*lines, f"error = {{ {said}, {evidence} }}", ""]

    def _end(self) -> list[str]:
        estimate, forecast, horizon = CADENCE[self.time]
        lines: list[str] = []
        if self._enters():
            lines += [
                "[[regimens]]",
                f"drug = {_quoted(self.asked.drug)}",
                "amount = 100",
                'amount_unit = "mg"',
                "duration = 0",
            ]
            day = {"min": 1440, "h": 24, "d": 1}[self.time]
            lines += [f"interval = {day}", "cycles = 7", 'route = "oral"']
            lines += ['assumed = "the source has its doses in a data set; a round number once a day stands in"', ""]
            self._lose("doses are in the source's data set; a regimen of 100 mg once a day stands in")
        if self.asked.time_unit is None and self.source.time_unit is None:
            said = self.source.time_said
            self._lose(f"time unit: the source states {said}; hours are assumed (say --time-unit)")
        lines += ["[cadence]", f"estimate = {estimate}", f"forecast = {forecast}", f"horizon = {horizon}"]
        return lines

    def _fit(self) -> list[str]:
        """What the source does not estimate, nor what stands for no number of its own."""
        fixed = ["one_time", "one_amount"] if self.bare else []
        for p in self.drawn.parameters:
            if p.theta.fixed if p.theta is not None else True:
                fixed.append(self.names[p.name])
            fixed += [f"{level}.{self.names[p.name]}" for level in p.fixed]
        for output in self.source.observed:
            if output.scatter is not None:
                fixed += [f"error.{self._output_name(output)}.{size}" for size in _known_sizes(output.scatter)]
        classes = self.source.classes
        if classes is not None and classes.fixed and classes.covariate in self.drawn.covariates:
            fixed.append("share.class_1")
        return ["", "[fit]", f"fixed = [{', '.join(_quoted(each) for each in fixed)}]"] if fixed else []

    def _output_name(self, output: Observed) -> str:
        safe = re.sub(r"\W", "_", output.name)
        return safe if safe not in self.names.values() else f"{safe}_o"


def _known_sizes(scatter: Scatter) -> list[str]:
    """What a fit calls the numbers of an error that are known."""
    keys = {key for key, _ in scatter.sizes}
    # Beside one over the value, what is added to the logarithm is a part of the value.
    added = {"additive"} if {"additive", "log_additive"} <= keys else {"additive", "log_additive"}
    named = dict.fromkeys(added, "additive") | {"exponent": "exponent", "df": "df"}
    sizes = (named.get(key, "proportional") for key in scatter.fixed if key != "combination")
    return list(dict.fromkeys(sizes))


def _size(size: float | str) -> str:
    if isinstance(size, str):
        return size if size.startswith("{") else _quoted(size)
    return _number(size)


def _number(value_of: float) -> str:
    if value_of == int(value_of) and abs(value_of) < 1e15:
        return str(int(value_of))
    return repr(float(value_of))


def _quoted(words_of: str) -> str:
    return json.dumps(words_of, ensure_ascii=False)


def _clean(words_of: str) -> str:
    """A text that a terminal may show, on one line."""
    plain = " ".join(words_of.split())
    while (bad := unprintable(plain)) is not None:
        plain = "".join(letter for letter in plain if f"U+{ord(letter):04X}" != bad)
    return plain[:2000]
