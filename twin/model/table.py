"""Reading one TOML table strictly: every key is asked for by name, and what nobody asked for is an error.

A `Table` knows its file and its dotted key, so that each complaint says where it is, what was found and how to mend
it. Formulas are parsed on the way.
"""

from __future__ import annotations

import ast
import difflib
import keyword
import math
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from twin.model.formula import RESERVED, ExpressionError, parse_expression
from twin.model.spec import ModelError
from twin.model.terms import Terms
from twin.names import NAME_IN_WORDS, is_alias, is_name, is_unit_text, unprintable


class Table:
    """One TOML table being read; ``key`` is its dotted path, empty for the whole file.

    ``terms`` are shared by all tables of a file and written out in every formula that is read (`twin.model.terms`).
    """

    def __init__(self, file: str, key: str, content: object, terms: Terms | None = None) -> None:
        self.file = file
        self.key = key
        self.terms = Terms() if terms is None else terms
        if not isinstance(content, dict):
            raise self.wrong("", f"is {_kind(content)}; write it as a table, [{key}]")
        self._content: Mapping[str, Any] = content
        self._asked: set[str] = set()

    def path(self, key: str) -> str:
        """Dotted key of an entry of this table."""
        return ".".join(part for part in (self.key, key) if part)

    def wrong(self, key: str, problem: str) -> ModelError:
        """The error to raise about an entry of this table."""
        return ModelError(self.file, self.path(key), problem)

    def _missing(self, key: str, mend: str) -> ModelError:
        """The error about an entry that must be there: where one is that nobody knows, it is probably meant."""
        unknown = [other for other in self._content if other not in self._asked]
        misspelt = _closest(key, unknown)
        if misspelt:
            return self.wrong(misspelt, f"unknown key; did you mean '{key}'?")
        return self.wrong(key, f"is missing; {mend}")

    def _get(self, key: str) -> Any:
        self._asked.add(key)
        return self._content.get(key)

    def has(self, key: str) -> bool:
        """Whether the table has the entry at all."""
        return key in self._content

    def close(self) -> None:
        """Complain about the first entry that nothing asked for."""
        for key in self._content:
            if key not in self._asked:
                meant = _closest(key, self._asked)
                hint = f"did you mean '{meant}'?" if meant else f"known here: {', '.join(sorted(self._asked))}"
                raise self.wrong(key, f"unknown key; {hint}")

    def optional_text(self, key: str) -> str | None:
        """A text that is not blank, if there is one."""
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, f"is {_kind(value)}; write a text in quotes")
        if (character := unprintable(value)) is not None:
            raise self.wrong(key, f"has the character {character}, which a terminal would obey or hide; delete it")
        return value.strip()

    def text(self, key: str) -> str:
        """A text that must be there."""
        value = self.optional_text(key)
        if value is None:
            raise self._missing(key, "write a text in quotes")
        return value

    def name(self, key: str) -> str:
        """A text that must be there and is a name (`twin.names`): it enters code, paths, tags and queries."""
        value = self.text(key)
        if not is_name(value):
            raise self.wrong(key, f"'{value}' cannot be a name; {NAME_IN_WORDS}")
        return value

    def unit(self, key: str = "unit") -> str:
        """A text that must be there and has only characters of unit codes; whether it is one is checked later."""
        value = self.text(key)
        if not is_unit_text(value):
            raise self.wrong(key, f"unit '{value}' is not a UCUM code; write one such as mg/L, 10*9/L or 1")
        return value

    def aliases(self, key: str) -> tuple[str, ...]:
        """Other names of an analyte, as laboratories write them."""
        found = self.texts(key)
        for word in found:
            if not is_alias(word):
                raise self.wrong(key, f"'{word}' is no name of an analyte; use letters, digits and _ . + / -")
        return found

    def choice(self, key: str, choices: Collection[str]) -> str:
        """One of a few words."""
        value = self.text(key)
        if value not in choices:
            raise self.wrong(key, f"'{value}' is not known; write one of {', '.join(choices)}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts, empty when it is missing."""
        value = self._get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            raise self.wrong(key, 'is not a list of texts; write ["one", "two"]')
        return tuple(item.strip() for item in value)

    def listed_numbers(self, key: str) -> tuple[float, ...]:
        """A list of finite numbers, empty when it is missing."""
        value = self._get(key)
        if value is None:
            return ()
        numbers = isinstance(value, list) and all(
            isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item) for item in value
        )
        if not numbers:
            raise self.wrong(key, "is not a list of finite numbers; write [1, 2.5]")
        return tuple(float(item) for item in value)

    def optional_number(self, key: str, *, above: float | None = None, least: float | None = None) -> float | None:
        """A finite number, if there is one, greater than ``above`` and not smaller than ``least``."""
        value = self._get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(key, f"is {_kind(value)}; write a number")
        number = float(value)
        if not math.isfinite(number):
            raise self.wrong(key, f"is {number}; write a finite number")
        if above is not None and number <= above:
            raise self.wrong(key, f"is {number:g}; it must be greater than {above:g}")
        if least is not None and number < least:
            raise self.wrong(key, f"is {number:g}; it must be at least {least:g}")
        return number

    def number(self, key: str, *, above: float | None = None, least: float | None = None) -> float:
        """A finite number that must be there."""
        value = self.optional_number(key, above=above, least=least)
        if value is None:
            raise self._missing(key, "write a number")
        return value

    def numbers(self, key: str, *, above: float | None = None) -> dict[str, float]:
        """A table of numbers by name, empty when it is missing."""
        inner = self.table(key)
        return {name: inner.number(name, above=above) for name in inner._content}

    def flag(self, key: str) -> bool:
        """Whether a switch is there and true."""
        value = self._get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, f"is {_kind(value)}; write true or false")
        return bool(value)

    def formula(
        self,
        key: str,
        names: Collection[str],
        drugs: Collection[str] | None = None,
        record: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> ast.expr:
        """A formula over ``names`` (see `twin.model.formula.parse_expression`); a bare number will do."""
        value = self._get(key)
        if value is None:
            raise self._missing(key, "write a formula in quotes")
        return self._parsed(key, value, names, drugs, record)

    def optional_formula(
        self, key: str, names: Collection[str], record: Mapping[str, Collection[str]] = MappingProxyType({})
    ) -> ast.expr | None:
        """A formula, if there is one."""
        return self.formula(key, names, None, record) if self.has(key) else None

    def formulas(
        self, key: str, names: Collection[str], record: Mapping[str, Collection[str]] = MappingProxyType({})
    ) -> tuple[ast.expr, ...]:
        """A list of formulas, each as `formula` reads it."""
        value = self._get(key)
        if not isinstance(value, list):
            problem = "is missing" if value is None else f"is {_kind(value)}"
            raise self.wrong(key, f'{problem}; write a list of formulas, ["...", "..."]')
        return tuple(self._parsed(f"{key}[{i}]", item, names, None, record) for i, item in enumerate(value))

    def _parsed(
        self,
        key: str,
        value: object,
        names: Collection[str],
        drugs: Collection[str] | None,
        record: Mapping[str, Collection[str]],
    ) -> ast.expr:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = repr(value)
        if not isinstance(value, str):
            raise self.wrong(key, f"is {_kind(value)}; write a formula in quotes")
        try:
            return self.terms.written_out(parse_expression(value, names, drugs, record))
        except ExpressionError as error:
            raise self.wrong(key, str(error)) from None

    def evidence(self) -> tuple[str | None, str | None]:
        """Where the numbers of this table come from: ``source``, ``assumed``, or both; never neither."""
        source, assumed = self.optional_text("source"), self.optional_text("assumed")
        if source is None and assumed is None:
            raise self.wrong(
                "source", "is missing; say where the number was published, or say in 'assumed' why it was chosen"
            )
        return source, assumed

    def table(self, key: str) -> Table:
        """A table inside this one; an empty one when it is missing."""
        value = self._get(key)
        return Table(self.file, self.path(key), {} if value is None else value, self.terms)

    def names(self, key: str) -> list[str]:
        """Names of the tables of a section such as [parameters.CL], in file order."""
        return list(self.table(key)._content)

    def named(self, key: str) -> Iterator[tuple[str, Table]]:
        """The tables of a section such as [parameters.CL], in file order, each closed after its use."""
        section = self.table(key)
        for name in section._content:
            inner = section.table(name)
            yield name, inner
            inner.close()

    def as_written(self, key: str) -> list[dict[str, Any]]:
        """The tables of a list such as [[regimens]] as they stand there, for whoever reads them in another file."""
        value = self._get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.wrong(key, f"is {_kind(value)}; write it as a list of tables, [[{self.path(key)}]]")
        return value

    def listed(self, key: str) -> Iterator[Table]:
        """The tables of a list such as [[regimens]], in file order, each closed after its use."""
        value = self._get(key)
        if value is None:
            return
        if not isinstance(value, list):
            raise self.wrong(key, f"is {_kind(value)}; write it as a list of tables, [[{self.path(key)}]]")
        for position, item in enumerate(value):
            inner = Table(self.file, f"{self.path(key)}[{position}]", item, self.terms)
            yield inner
            inner.close()


def _closest(word: str, known: Collection[str]) -> str | None:
    """The known word that is most like this one; of those alike, one with the same letters."""
    near = difflib.get_close_matches(word, sorted(known), n=3)
    return next((other for other in near if sorted(other) == sorted(word)), near[0] if near else None)


def check_name(table: Table, name: str) -> None:
    """Refuse a name that formulas could not use."""
    if not is_name(name) or keyword.iskeyword(name):
        raise table.wrong("", f"'{name}' cannot be a name; {NAME_IN_WORDS}")
    if name in RESERVED:
        raise table.wrong("", f"'{name}' is a word of the formula language; choose another name")


def _kind(value: object) -> str:
    words = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}
    if isinstance(value, str):
        return f"'{value}'" if value.strip() else "an empty text"
    return words.get(type(value), f"a {type(value).__name__}")
