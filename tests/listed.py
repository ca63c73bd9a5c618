"""The table of models in README.md, made from the model files.

``python -m tests.listed`` writes it anew; `tests.test_readme` holds it against what would be written now.
"""

from __future__ import annotations

from tests.places import ROOT
from twin.modelfile.library import library, load_model
from twin.registry import OURS

README = ROOT / "README.md"
BEGIN, END = "<!-- models: python -m tests.listed -->\n", "<!-- end of models -->\n"


def models() -> str:
    """Markdown: each drug with the ids of its models, ours alone, sorted by drug."""
    by_drug: dict[str, list[str]] = {}
    for plugin in library().plugins:
        if plugin.origin == OURS:
            by_drug.setdefault(load_model(plugin.name).drug, []).append(f"`{plugin.name}`")
    rows = (f"| {drug} | {', '.join(by_drug[drug])} |\n" for drug in sorted(by_drug))
    return "| drug | models |\n|---|---|\n" + "".join(rows)


def listed(text: str) -> str:
    """The page with its table made anew."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + models() + END + rest.split(END)[1]


if __name__ == "__main__":
    README.write_text(listed(README.read_text(encoding="utf-8")), encoding="utf-8")
