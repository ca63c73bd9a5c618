"""The generated documents that other systems read; nothing in them is written by hand.

A test holds the committed files against what would be generated (``dosetwin schema --write`` renews them).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from connectors.schema.asyncapi import asyncapi
from connectors.schema.definitions import event_schema
from connectors.schema.device_words import word_schema
from connectors.schema.openapi import openapi


def documents() -> dict[str, str]:
    """The generated files: path below the documentation folder -> text."""
    return {
        "schema/events.schema.json": _text(event_schema()),
        "schema/device_word.schema.json": _text(word_schema()),
        "asyncapi.json": _text(asyncapi()),
        "openapi.json": _text(openapi()),
    }


def stale(folder: Path) -> tuple[str, ...]:
    """Generated files below ``folder`` that are missing or differ from what would be written now."""
    return tuple(
        name
        for name, text in documents().items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    )


def write(folder: Path) -> tuple[Path, ...]:
    """Write the generated files below ``folder``; returns their paths."""
    written = []
    for name, text in documents().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return tuple(written)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
