"""``dosetwin papers``: the papers that a hospital asks for, made from a clone of the sources."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from streams.terminal.options import examples

app = typer.Typer(
    name="papers",
    no_args_is_help=True,
    help="The papers that a hospital asks for, made from a clone of the sources.",
)

Tree = Annotated[Path, typer.Option("--tree", file_okay=False, help="the clone")]
Out = Annotated[Path, typer.Option("--out", file_okay=False, help="folder to write into")]

WRITTEN = Path("build/papers")


@app.command(epilog=examples("dosetwin papers parts"))
def parts(tree: Tree = Path(), out: Out = WRITTEN) -> None:
    """Write the bill of materials (CycloneDX 1.6) of all that somebody else made, with versions, hashes and licences.

    Exit code 1 names each part whose licence is unknown or not acceptable.
    """
    from datetime import UTC, datetime

    from streams.papers import licences, materials
    from streams.papers.parts import PartsError
    from streams.papers.parts import parts as parts_of
    from streams.terminal.version import version

    try:
        found, known = parts_of(tree), licences.read(tree)
        bill = materials.bill(found, known, version(), datetime.now(UTC))
    except ImportError as error:
        _fail(f"{error}; the papers are made with the packages of development: 'make setup' installs them")
    except (PartsError, OSError) as error:
        _fail(str(error))
    out.mkdir(parents=True, exist_ok=True)
    (out / "materials.cdx.json").write_text(bill, encoding="utf-8")
    typer.echo(f"{out / 'materials.cdx.json'}: {len(found)} parts, {sum(one.shipped for one in found)} of them shipped")
    _say(licences.gaps(found, known))


@app.command(
    epilog=examples(
        "dosetwin papers scan", "dosetwin papers scan --records osv/ --named 'export of osv.dev, 2026-11-29'"
    )
)
def scan(
    tree: Tree = Path(),
    out: Annotated[Path | None, typer.Option("--out", dir_okay=False, help="by default the tree's newest scan")] = None,
    service: Annotated[
        str, typer.Option(envvar="DOSETWIN_ADVISORIES", help="a service that speaks as api.osv.dev does")
    ] = "https://api.osv.dev",
    records: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="a folder of records of OSV instead of a service")
    ] = None,
    named: Annotated[str, typer.Option(help="whose records these are and of when, for the pages")] = "",
) -> None:
    """Ask a service, or a folder of records, for known vulnerabilities of every part, and write the dated answer.

    Records answer for the ecosystems that they are of; for the others the answers that the file has stay.

    Exit code 1 names each that is not excepted, each exception and answer that is too old, and each kind of parts that
    nobody was asked about; 3 says that there was no answer, so that nothing is known.
    """
    from datetime import UTC, datetime

    from streams.papers import advisories
    from streams.papers.parts import PartsError
    from streams.papers.parts import parts as parts_of
    from streams.papers.records import RecordsError

    now, path = datetime.now(UTC), out or tree / advisories.KEPT
    if records is not None and not named.strip():
        _fail("--named: say whose records these are, and of when")
    try:
        asked, exceptions = parts_of(tree), advisories.read_exceptions(tree)
        if records is None:
            found = advisories.ask(asked, service, now)
        else:
            kept = advisories.read(path) or advisories.Scan({})
            found = kept.renewed(advisories.look_up(asked, records, named, now))
    except (PartsError, RecordsError, advisories.ExceptionsError, advisories.ScanError, OSError) as error:
        _fail(str(error))
    except advisories.NoAnswer as trouble:
        typer.echo(f"NOT SCANNED, so nothing is known of vulnerabilities: {trouble}", err=True)
        raise typer.Exit(3) from None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(found.as_json(), encoding="utf-8")
    for name, answer in sorted(found.answers.items()):
        until = f", newest record {answer.newest}" if answer.newest else ""
        typer.echo(
            f"{name}: {answer.parts} parts, {len(answer.found)} with known vulnerabilities, by {answer.by}{until}"
        )
    _say(advisories.gaps(found, exceptions, asked, now.date()))


@app.command(epilog=examples("dosetwin papers write", "dosetwin papers write --report build/tests.xml"))
def write(
    tree: Tree = Path(),
    out: Out = WRITTEN,
    report: Annotated[
        Path, typer.Option(help="of the newest run of all tests, as pytest's --junitxml writes it")
    ] = Path("build/tests.xml"),
) -> None:
    """Write the regulatory folder: intended use, hazards, threats, software that others made, and the trace to tests.

    Exit code 1 names every gap, and nothing is written: an empty cell, a control without a test, a test that does not
    exist, was not run or did not pass.
    """
    from streams.papers import folder, results
    from streams.papers.parts import PartsError
    from streams.terminal.version import version

    try:
        run = results.read(report)
        papers = folder.gathered(tree, run, version())
        _say(folder.gaps(papers, tree))
        pages = papers.pages()
    except (PartsError, ValueError, OSError) as error:
        _fail(str(error))
    out.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (out / name).write_text(text, encoding="utf-8")
    typer.echo(f"{out / 'README.md'}: {len(pages)} pages, by the run of {run.began:%Y-%m-%d %H:%M}")


def _say(gaps: Iterable[str]) -> None:
    """Name every gap; exit code 1 if there is any."""
    found = list(gaps)
    for gap in found:
        typer.echo(gap, err=True)
    if found:
        typer.echo(f"{len(found)} to mend", err=True)
        raise typer.Exit(1)


def _fail(said: str) -> NoReturn:
    typer.echo(f"dosetwin: {said}", err=True)
    raise typer.Exit(2)
