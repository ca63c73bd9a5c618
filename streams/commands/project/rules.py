"""``dosetwin rules``: by what alerts are judged, and a ward's own thresholds checked.

``show`` prints every rule with harm, onset and severity, and each of its numbers with the source where it was read or
the reason why it is assumed. ``check`` reads a file of thresholds as the worker would.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.options import examples

if TYPE_CHECKING:
    from twin.alerts.thresholds import Thresholds

app = typer.Typer(name="rules", no_args_is_help=True, help="By what alerts are judged, and thresholds of a ward's own.")

DOCUMENT = Path("docs/rules.md")

File = Annotated[Path, typer.Argument(help="TOML of thresholds", show_default=False)]


@app.command(epilog=examples("dosetwin rules show", "dosetwin rules show ward.toml"))
def show(
    file: Annotated[Path | None, typer.Argument(help="TOML of thresholds", show_default=False)] = None,
    write: Annotated[bool, typer.Option("--write", help=f"into {DOCUMENT} of this clone instead", hidden=True)] = False,
) -> None:
    """Print every rule with its thresholds and their sources, as Markdown; with a file what it sets otherwise, too."""
    text = page(_read(file))
    if write:
        DOCUMENT.write_text(text, encoding="utf-8")
    else:
        typer.echo(text, nl=False)


@app.command(epilog=examples("dosetwin rules check ward.toml"))
def check(file: File) -> None:
    """Check a file of thresholds; exit code 2 names the field, what is wrong and how to mend it."""
    from twin.alerts.rules import rules_hash

    thresholds = _read(file)
    typer.echo(f"{file}: {len(thresholds.overrides)} entries, version {thresholds.version}, {rules_hash(thresholds)}")


def page(thresholds: Thresholds) -> str:
    """All rules and their numbers, as Markdown."""
    from twin.alerts.rules import rules, rules_hash

    lines = [
        "# Rules of alerts",
        "",
        "Severity follows from harm and onset by the table of IEC 60601-1-8. A probability raises an alert where it is",
        "above `raise_above` by two of its Monte-Carlo standard errors. Made by `dosetwin rules show`.",
        "",
        f"Hash of these thresholds, as it is on every alert: `{rules_hash(thresholds)}`. Grades are those of CTCAE",
        f"v{thresholds.ctcae}.",
    ]
    for plugin in rules().plugins:
        its = plugin.offer.SETTINGS
        lines += ["", f"## `{plugin.name}`: {plugin.offer.TITLE}", "", plugin.summary, ""]
        traits = [f"{its.harm} harm, {its.onset} onset: **{its.severity}**"]
        traits += ["latches"] if its.latching else []
        traits += [f"inhibited by {', '.join(f'`{rule}`' for rule in its.inhibited_by)}"] if its.inhibited_by else []
        lines += ["; ".join(traits) + ".", "", "| number | value | source, or why it is assumed |", "|---|---|---|"]
        for name, one in its.thresholds.items():
            lines.append(f"| `{name}` | {_value(one.value, one.unit)} | {_reason(one.source, one.assumed)} |")
        for other in thresholds.overrides:
            if other.rule == plugin.name:
                named = zip(("drug", "protocol", "ward"), (other.drug, other.protocol, other.ward), strict=True)
                whom = ", ".join(f"{kind} {name}" for kind, name in named if name) or "everybody"
                for name, one in other.numbers:
                    reason = _reason(one.source, one.assumed)
                    lines.append(f"| `{name}` for {whom} | {_value(one.value, one.unit)} | {reason} |")
    return "\n".join(lines) + "\n"


def _read(file: Path | None) -> Thresholds:
    from twin.alerts.rules import thresholds_of
    from twin.alerts.thresholds import DEFAULT

    if file is None:
        return DEFAULT
    try:
        return thresholds_of(file.read_text(encoding="utf-8"), str(file))
    except (OSError, ValueError) as error:
        typer.echo(f"dosetwin: {error}", err=True)
        raise typer.Exit(2) from None


def _value(value: float, unit: str) -> str:
    from twin.writing import unit as written

    return f"{value:.4g}" if unit == "1" else f"{value:.4g} {written(unit)}"


def _reason(source: str, assumed: str) -> str:
    return "; ".join(part for part in (source, f"assumed: {assumed}" if assumed else "") if part)
