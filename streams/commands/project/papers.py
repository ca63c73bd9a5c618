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
SCAN = "vulnerabilities.json"


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


@app.command(epilog=examples("dosetwin papers scan"))
def scan(
    tree: Tree = Path(),
    out: Out = WRITTEN,
    service: Annotated[
        str, typer.Option(envvar="DOSETWIN_ADVISORIES", help="a service that speaks as api.osv.dev does")
    ] = "https://api.osv.dev",
) -> None:
    """Ask a service for known vulnerabilities of every part, and write the dated answer.

    Exit code 1 names each that is not excepted, and each exception that has ended; 3 says that there was no answer, so
    that nothing is known.
    """
    from datetime import UTC, datetime

    from streams.papers import advisories
    from streams.papers.parts import PartsError
    from streams.papers.parts import parts as parts_of

    now = datetime.now(UTC)
    try:
        asked, exceptions = parts_of(tree), advisories.read_exceptions(tree)
    except (PartsError, advisories.ExceptionsError, OSError) as error:
        _fail(str(error))
    found = advisories.scan(asked, service, now)
    out.mkdir(parents=True, exist_ok=True)
    (out / SCAN).write_text(found.as_json(), encoding="utf-8")
    if found.trouble:
        typer.echo(f"NOT SCANNED, so nothing is known of vulnerabilities: {found.trouble}", err=True)
        raise typer.Exit(3)
    typer.echo(
        f"{out / SCAN}: {found.asked} parts, {len(found.found)} with known vulnerabilities, {now:%Y-%m-%d %H:%MZ}"
    )
    _say(advisories.gaps(found, exceptions, now.date()))


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
    from streams.papers import advisories, folder, results
    from streams.papers.parts import PartsError
    from streams.terminal.version import version

    try:
        run, scanned = results.read(report), advisories.read(out / SCAN)
        papers = folder.gathered(tree, run, scanned, version())
        _say(folder.gaps(papers, tree))
        pages = papers.pages()
    except (PartsError, ValueError, OSError) as error:
        _fail(str(error))
    out.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (out / name).write_text(text, encoding="utf-8")
    typer.echo(f"{out / 'README.md'}: {len(pages)} pages, by the run of {run.began:%Y-%m-%d %H:%M}")
    if scanned is None or scanned.trouble:
        typer.echo("not scanned for known vulnerabilities; the pages say so: 'dosetwin papers scan'", err=True)


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
