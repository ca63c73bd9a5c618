"""How values show themselves where IPython runs, and that nothing happens elsewhere."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from matplotlib.figure import Figure

from dosetwin.notebook import card, picture, show_in_notebooks
from tests.dosetwin.small import MODEL


class Formatter:
    """Keeps what it was told, as IPython's formatters do."""

    def __init__(self, *chosen: str) -> None:
        self.shows: dict[str, Any] = dict.fromkeys(chosen)

    def lookup_by_type(self, name: str) -> Any:
        return self.shows[name]

    def for_type_by_name(self, module: str, name: str, show: Any) -> None:
        self.shows[f"{module}.{name}"] = show


def shell(monkeypatch: pytest.MonkeyPatch, **formatters: Formatter) -> dict[str, Formatter]:
    known = {"text/html": formatters["html"], "image/png": formatters["png"]}
    running = SimpleNamespace(display_formatter=SimpleNamespace(formatters=known))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: running))  # type: ignore[arg-type]
    return known


def test_models_and_figures_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    known = shell(monkeypatch, html=Formatter(), png=Formatter())
    show_in_notebooks()
    assert known["text/html"].shows == {"twin.model.spec.Model": card}
    assert known["image/png"].shows == {"matplotlib.figure.Figure": picture}


def test_what_a_user_has_chosen_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    known = shell(monkeypatch, html=Formatter("twin.model.spec.Model"), png=Formatter("matplotlib.figure.Figure"))
    show_in_notebooks()
    assert known["image/png"].shows == {"matplotlib.figure.Figure": None}


def test_without_ipython_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))  # type: ignore[arg-type]
    show_in_notebooks()
    monkeypatch.delitem(sys.modules, "IPython")
    show_in_notebooks()


def test_a_card_says_what_the_file_says_and_escapes_it() -> None:
    html = card(MODEL)
    assert "toy_absorption" in html
    assert "Parameters (typical value" in html
    assert "<td>kg</td>" in html
    assert "<script" not in html


def test_a_picture_is_png() -> None:
    assert picture(Figure()).startswith(b"\x89PNG")
