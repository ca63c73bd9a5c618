"""How values show themselves in a notebook: a model as its card, a figure as a picture.

Nothing happens outside IPython, and what a user has chosen for a type of value stands.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from twin.model.spec import Model

MODEL, FIGURE = ("twin.model.spec", "Model"), ("matplotlib.figure", "Figure")


def show_in_notebooks() -> None:
    """Tell IPython, where it runs, how to show models and figures."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None:
        return
    formatters: dict[str, Any] = shell.display_formatter.formatters
    for kind, (module, name), show in (("text/html", MODEL, card), ("image/png", FIGURE, picture)):
        try:
            formatters[kind].lookup_by_type(f"{module}.{name}")
        except KeyError:
            formatters[kind].for_type_by_name(module, name, show)


def card(model: Model) -> str:
    """The card of a model as HTML: who was studied, every number with what it rests on, the equations."""
    from html import escape

    from connectors.reports.facts import facts, population

    parts = [f"<h3>{escape(model.id)}: {escape(model.title)}</h3>", f"<p>{escape(population(model))}</p>"]
    for section in facts(model):
        parts.append(f"<details><summary>{escape(section.title)}</summary>")
        if section.rows:
            rows = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in section.rows]
            heads = "".join(f"<th>{escape(head)}</th>" for head in section.heads)
            parts.append(f"<table><tr>{heads}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>")
        lines = [*map(str, section.formulas), *section.lines]
        parts.append("".join(f"<div>{escape(line)}</div>" for line in lines) + "</details>")
    return "".join(parts)


def picture(figure: Figure) -> bytes:
    """A figure as PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
