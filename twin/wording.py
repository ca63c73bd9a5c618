"""Texts that can be told in another language: beside the English words stand a key and what is put into its pattern.

    >>> said = say("delivery.ahead", "{drug}: ahead by {p}.", drug="docetaxel", p=share(0.25))
    >>> said
    'docetaxel: ahead by 25%.'
    >>> said.wording.key, said.wording.terms["drug"], said.wording.terms["p"].terms
    ('delivery.ahead', 'docetaxel', {'value': 25.0})

A pattern stands where the text is made, and once more in the message files of whoever tells it to people; that both
are the same is tested. Terms are names, numbers, and other wordings: numbers with units keep these, so that they can
be told in the reader's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from twin.writing import number
from twin.writing import unit as written


@dataclass(frozen=True, slots=True)
class Wording:
    """A text as the ``key`` of its pattern, and its ``terms`` by name: names, numbers and wordings; what is not there
    says nothing."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

    key: str
    terms: dict[str, str | float | Wording]


class Said(str):
    """A text with the wording that it was made from."""

    __slots__ = ("wording",)
    wording: Wording

    def __new__(cls, text: str, wording: Wording) -> Said:
        said = super().__new__(cls, text)
        said.wording = wording
        return said

    def __getnewargs__(self) -> tuple[str, Wording]:  # type: ignore[override]
        return str(self), self.wording


def say(key: str, pattern: str, **terms: str | float) -> Said:
    """The text of a pattern, ``{name}`` for each term; a term that is empty says nothing."""
    put = {name: _term(term) for name, term in terms.items() if term != ""}
    english = {name: term if isinstance(term, str) else number(term, 6) for name, term in terms.items()}
    return Said(pattern.format(**english), Wording(key, put))


def _term(term: str | float) -> str | float | Wording:
    if isinstance(term, Said):
        return term.wording
    return str(term) if isinstance(term, str) else float(term)


def wording_of(text: str) -> Wording | None:
    """The wording that a text was made from; ``None`` of one that is plain."""
    return text.wording if isinstance(text, Said) else None


def amount(figure: str, unit: str, of: str = "") -> Said:
    """A number, rounded as its ``figure`` is, with its UCUM unit; ``of`` is the output that it is a value of."""
    return _quantity("amount", f"{_plain(figure)} {written(unit)}".strip(), figure, unit, of)


def bare(figure: str, unit: str, of: str = "") -> Said:
    """The same without its unit, which stands beside it."""
    return _quantity("bare", _plain(figure), figure, unit, of)


def _quantity(key: str, text: str, figure: str, unit: str, of: str) -> Said:
    terms: dict[str, str | float | Wording] = {"value": float(figure), "unit": unit}
    return Said(text, Wording(key, terms | ({"of": of} if of else {})))


def _plain(figure: str) -> str:
    """The figure without an exponent and without noughts that say nothing."""
    return number(float(figure), 6)


def share(p: float) -> Said:
    """A probability or a part, in whole per cent."""
    return Said(f"{p:.0%}", Wording("share", {"value": float(f"{p:.0%}"[:-1])}))


def change(p: float) -> Said:
    """By which part more (+) or less (-) something is, in whole per cent."""
    return Said(f"{p:+.0%}", Wording("change", {"value": float(f"{p:+.0%}"[:-1])}))


def capital(text: str) -> Said:
    """A text at the beginning of a sentence."""
    return Said(text[:1].upper() + text[1:], Wording("capital", {"text": _term(text)}))
