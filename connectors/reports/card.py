"""The page of one model: who it describes, how it behaves, every number with what it rests on, and its equations."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from connectors.reports.curves import population_drawing
from connectors.reports.facts import ASSUMED, facts, population
from connectors.reports.formula import equation
from connectors.reports.pages import page
from twin.model.spec import Model
from twin.study.population import Outlook


def card_page(model: Model, outlooks: Sequence[Outlook]) -> str:
    """The card of a model with its population along the model's own regimens."""
    return page(
        "card.html",
        model=model,
        population=population(model),
        drawing=population_drawing(model, outlooks),
        sections=facts(model),
        marked=_marked,
        equation=equation,
        assumed=sum(text.count(ASSUMED) for section in facts(model) for text in _texts(section.rows, section.lines)),
    )


def _texts(rows: tuple[tuple[str, ...], ...], lines: tuple[str, ...]) -> list[str]:
    return [*(cell for row in rows for cell in row), *lines]


def _marked(text: str) -> Markup:
    """The text with what is assumed marked so."""
    before, assumed, reason = text.partition(ASSUMED)
    return escape(before) + (Markup("<mark>assumed: {}</mark>").format(reason) if assumed else Markup(""))
