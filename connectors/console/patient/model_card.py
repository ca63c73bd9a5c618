"""A model's card as the page has it: whom it was made of, and section by section what its file says."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Section(msgspec.Struct, frozen=True):
    """A part of the card: a table with its heads, if it has one, then lines."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...]


class ModelCard(msgspec.Struct, frozen=True):
    """A model: its id, the ``hash`` of its file, title, whom it was made of, and the sections of its card."""

    id: str
    hash: str
    title: str
    population: str
    sections: tuple[Section, ...]


Cards = Callable[[str], ModelCard | None]
"""The card of a model by its id; None of one that is not known here."""


def no_cards(_: str) -> None:
    """Where no models are known."""
