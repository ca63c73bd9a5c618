"""The picture and the table of rooms in CONTRIBUTING.md, made from the import contracts and the rooms' own docstrings.

``python -m tests.rooms`` writes both anew; `tests.test_architecture` holds them against what would be written now.
"""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from html import escape

from tests.places import ROOT

PICTURE = ROOT / "docs" / "rooms.svg"
MAP = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- rooms: python -m tests.rooms -->\n", "<!-- end of rooms -->\n"

COLUMN, GAP, MARGIN, ROW, HEAD, BAND = 400, 24, 16, 30, 44, 10
ACROSS = 4
"""Rooms that stand side by side in a column; more of one layer stand in a second row of its band."""

COLOURS = ("#e7eef7", "#e6f4ec", "#fdf1de", "#f3e8f5")


@dataclass(frozen=True)
class Package:
    """A package and its layers of rooms, the highest first: each layer may import those below it."""

    name: str
    layers: tuple[tuple[str, ...], ...]


def contracts() -> list[dict[str, object]]:
    """The contracts of import-linter in pyproject.toml."""
    found: list[dict[str, object]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    return found


def packages() -> list[Package]:
    """The packages in the order in which they may import each other, the lowest first."""
    layered = [contract for contract in contracts() if contract["type"] == "layers"]
    order = next(c["layers"] for c in layered if "containers" not in c)
    rooms = {c["containers"][0]: c["layers"] for c in layered if "containers" in c}  # type: ignore[index]
    return [Package(name, tuple(map(_split, rooms.get(name, ())))) for name in reversed(list(order))]  # type: ignore[call-overload]


def _split(layer: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in layer.replace(":", "|").split("|"))


def is_room(package: str, name: str) -> bool:
    """Whether a name in a contract is a folder; leaf words and programs are single modules."""
    return (ROOT / package / name).is_dir()


def purpose(package: str, name: str = "") -> str:
    """The first sentence of a room's docstring, or of a module's."""
    path = ROOT / package / name
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    said = ast.get_docstring(ast.parse(source.read_text()))
    assert said, source
    return said.split("\n\n")[0].replace("\n", " ").partition(". ")[0].rstrip(".")


def table() -> str:
    """Markdown: every room with what it is for, lowest first."""
    lines = ["| room | what it is for |", "|---|---|"]
    for package in packages():
        lines.append(f"| **`{package.name}/`** | **{purpose(package.name)}** |")
        for layer in reversed(package.layers):
            for name in layer:
                shown = f"`{name}/`" if is_room(package.name, name) else f"`{name}.py`"
                if not name.startswith("__"):
                    lines.append(f"| {shown} | {purpose(package.name, name)} |")
    return "\n".join(lines) + "\n"


def picture() -> str:
    """SVG: a column a package, its layers on top of one another; everything may import what is below it, or to the
    left."""
    drawn = packages()
    columns = [package for package in drawn if package.layers]
    height = max(sum(map(_height, package.layers)) for package in columns)
    above = [package for package in drawn if not package.layers]
    top = MARGIN + (ROW + 10) * len(above)
    width = 2 * MARGIN + len(columns) * COLUMN + (len(columns) - 1) * GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top + HEAD + height + MARGIN}" '
        'font-family="sans-serif" font-size="13" role="img">',
        f"<title>Rooms: {', '.join(package.name for package in drawn)}; each imports only what is below or to the left"
        "</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for i, package in enumerate(above):
        parts.append(
            _box(MARGIN, MARGIN + i * (ROW + 10), width - 2 * MARGIN, ROW, COLOURS[-1], f"{package.name}/", "600")
        )
    for i, package in enumerate(columns):
        parts += _column(package, MARGIN + i * (COLUMN + GAP), top, height, COLOURS[i % len(COLOURS)])
    return "\n".join([*parts, "</svg>", ""])


def _rows(layer: tuple[str, ...]) -> int:
    return -(-len(layer) // ACROSS)


def _height(layer: tuple[str, ...]) -> int:
    return _rows(layer) * ROW + BAND


def _column(package: Package, left: int, top: int, height: int, colour: str) -> list[str]:
    """A band for each layer, with its rooms inside."""
    parts = [f'<text x="{left}" y="{top + 18}" font-size="16" font-weight="700" fill="#1b1b1b">{package.name}/</text>']
    y = top + HEAD - 14 + height - sum(map(_height, package.layers))
    for layer in package.layers:
        band = _height(layer) - 5
        parts.append(f'<rect x="{left}" y="{y}" width="{COLUMN}" height="{band}" rx="6" fill="{colour}"/>')
        rows = [layer[i : i + ACROSS] for i in range(0, len(layer), ACROSS)]
        for k, row in enumerate(rows):
            wide = (COLUMN - 8) / len(row)
            for j, name in enumerate(row):
                shown = name if is_room(package.name, name) else f"{name}.py"
                parts.append(_box(left + 6 + j * wide, y + 5 + k * ROW, wide - 4, ROW - 5, "#ffffff", shown))
        y += _height(layer)
    return parts


def _box(left: float, top: float, width: float, height: float, colour: str, text: str, weight: str = "400") -> str:
    middle = f'x="{left + width / 2:g}" y="{top + height / 2 + 4.5:g}"'
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="4" fill="{colour}" '
        'stroke="#5b6770"/>'
        f'<text {middle} text-anchor="middle" font-weight="{weight}" fill="#1b1b1b">{escape(text)}</text>'
    )


def mapped(markdown: str) -> str:
    """``markdown`` with the table of rooms as it would be written now."""
    before, _, rest = markdown.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    MAP.write_text(mapped(MAP.read_text(encoding="utf-8")), encoding="utf-8")
