"""Reference pages that follow from the code: every command, every event, every model, and the format of its file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer


def write(folder: Path) -> None:
    """Write the pages into ``folder``; one that is as it should be is left alone, so that it is not built again."""
    folder.mkdir(exist_ok=True)
    made = {"commands": commands(), "events": events(), "models": models(), "model_file": model_file()}
    for name, text in made.items():
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def commands() -> str:
    """Every command with its arguments and options, as its help says."""
    from streams.cli import app

    found = "\n".join(_command("dosetwin", typer.main.get_command(app)))
    return f"# Commands\n\nMade from the commands themselves; `--help` says the same.\n\n{found}"


def _command(name: str, command: Any) -> Iterator[str]:
    inner = getattr(command, "commands", {})
    if not inner:
        yield f"## `{name}`\n\n{_cell(command.help or '')}\n\n| | |\n|---|---|"
        for one in command.params:
            if not getattr(one, "hidden", False) and one.name != "help":
                shown = " ".join(one.opts) if one.param_type_name == "option" else (one.metavar or one.name.upper())
                yield f"| `{shown}` | {_cell(getattr(one, 'help', None) or '')} |"
        yield ""
    for word, one in sorted(inner.items()):
        if not one.hidden:
            yield from _command(f"{name} {word}", one)


def _cell(text: str) -> str:
    """One line, in which nothing is markup but ``code`` of docstrings."""
    pieces = re.split(r"``(.*?)``", " ".join(text.split()))
    return "".join(f"`{piece}`" if number % 2 else _plain(piece) for number, piece in enumerate(pieces))


def _plain(text: str) -> str:
    return re.sub(r"([\\|<>*_\[\]`$])", r"\\\1", text)


def events() -> str:
    """Every event with its fields, from the schema."""
    import json

    from connectors.schema import documents

    schema = json.loads(documents.documents()["schema/events.schema.json"])
    head = "# Events\n\nMade from the schema: `dosetwin schema` prints it.\n"
    return head + "".join(
        f"\n## `{_kind(one)}`\n\n{_cell(one.get('description', ''))}\n\n| field | |\n|---|---|\n"
        + "".join(f"| `{field}` | {_cell(its.get('description', ''))} |\n" for field, its in one["properties"].items())
        for one in sorted(schema["$defs"].values(), key=_kind)
        if _kind(one)
    )


def _kind(definition: dict[str, Any]) -> str:
    kind = definition.get("properties", {}).get("kind", {})
    return str(kind.get("const") or next(iter(kind.get("enum", [])), ""))


def models() -> str:
    """The models of the library, by drug."""
    from twin.modelfile.library import loaded_library

    offers = sorted(loaded_library().offers, key=lambda one: (one.drug, one.id))
    rows = "".join(f"| {_cell(one.drug)} | `{one.id}` | {_cell(one.title)} |\n" for one in offers)
    said = "`dosetwin models show ID` prints the card of one: every number with its unit, and what it rests on."
    return f"# Models\n\n{said}\n\n| drug | model | |\n|---|---|---|\n{rows}"


def model_file() -> str:
    """The format of a model file: the commented template that ``dosetwin models new`` writes."""
    from twin.modelfile.template import template

    said = "`dosetwin models new ID` writes this to start from; it passes `dosetwin models check` as it is."
    return f"# A model file\n\n{said}\n\n```toml\n{template('drug_author2031')}```\n"
