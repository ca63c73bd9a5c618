"""``dosetwin models``: the model library on paper, and the check of a model file before it is used."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from streams.terminal.options import Passphrase, asked_passphrase, examples

if TYPE_CHECKING:
    from rich.console import Console

    from twin.model.spec import Model

app = typer.Typer(
    name="models",
    no_args_is_help=True,
    help="The model library: what it holds, what each number rests on, and whether a file is sound.",
)


@app.command("list", epilog=examples("dosetwin models list", "dosetwin models list --json"))
def list_models(as_json: Annotated[bool, typer.Option("--json", help="one JSON list")] = False) -> None:
    """List the models that come with dosetwin and with installed packages."""
    import json

    from twin.modelfile.library import loaded_library

    found = loaded_library()
    if as_json:
        listed = [{"id": m.id, "drug": m.drug, "title": m.title, "hash": m.hash} for m in found.offers]
        typer.echo(json.dumps(listed, ensure_ascii=False))
    else:
        _table(_console(), ("id", "drug", "title"), ((m.id, m.drug, m.title) for m in found.offers))
    for broken in found.broken:
        typer.echo(f"dosetwin: {broken}", err=True)


@app.command(
    epilog=examples("dosetwin models show docetaxel_ozawa2007", "dosetwin models show my.toml --page card.html")
)
def show(
    model: Annotated[str, typer.Argument(help="id of a library model, or path of a model file")],
    page: Annotated[
        Path | None, typer.Option(help="write the card as an HTML page instead, with plots and drawn equations")
    ] = None,
) -> None:
    """Print a model's card: every number with its unit and what it rests on; ASSUMED marks what nobody published."""
    from twin.model.spec import ModelError
    from twin.modelfile.library import load_model

    try:
        found = load_model(model, mixtures=True)
        if page is not None:
            _write_page(found, page)
            return
    except (ModelError, OSError) as error:
        _fail(error)
    print_card(found, _console())


@app.command(epilog=examples("dosetwin models check my.toml"))
def check(
    files: Annotated[list[Path], typer.Argument(help="model files (TOML)")],
    strict: Annotated[bool, typer.Option(help="doubts count as faults")] = False,
) -> None:
    """Check model files: names, formulas, units, sources, Omega, and whether they can be compiled and solved.

    Says what is wrong with each, and what is sound but probably not meant (doubts). Exit code 1 when anything is wrong.
    """
    wrong = sum(not _sound(file, strict=strict) for file in files)
    if wrong:
        raise typer.Exit(1)


def _sound(file: Path, *, strict: bool) -> bool:
    """Whether a model file has no fault, which are printed with its doubts."""
    from twin.kernel.kernel import compile_model
    from twin.model.spec import ModelError
    from twin.modelfile.library import load_model, text_of
    from twin.modelfile.lint import doubtful, faults, located
    from twin.names import shown
    from twin.solver.expected import unexpected, unseen
    from twin.solver.step_control import step_sizes_for

    name = shown(file.name)
    try:
        found = faults(text_of(file), file.name)
        if not found:
            model = load_model(file, mixtures=True)
            kernel = compile_model(model)
            step_sizes = step_sizes_for(kernel)
            found = located(unexpected(kernel, file.name), model.text, file.name)
    except ModelError as error:
        typer.echo(str(error), err=True)
        return False
    for fault in found:
        typer.echo(str(fault), err=True)
    if found:
        typer.echo(f"{name}: {len(found)} to mend", err=True)
        return False
    doubts = (*doubtful(model, file.name), *located(unseen(kernel, file.name), model.text, file.name))
    for doubt in doubts:
        typer.echo(f"doubt: {doubt}", err=True)
    solved = f"{len(kernel.linear)} states solved exactly, {len(kernel.stepped)} stepped"
    if kernel.stepped:
        solved += f" by {step_sizes.first:.2g} to {step_sizes.largest:.2g} {model.time_unit}"
    verdict = f"can be read, {len(doubts)} doubt{'s' * (len(doubts) > 1)}" if doubts else "sound"
    typer.echo(f"{name}: {verdict}; {model.id}, hash {model.hash}; {solved}")
    return not (strict and doubts)


@app.command(epilog=examples("dosetwin models new paclitaxel_smith2031"))
def new(
    name: Annotated[str, typer.Argument(metavar="ID", help="id of the model, e.g. paclitaxel_smith2031")],
    out: Annotated[Path | None, typer.Option(help="file to write; ID.toml here when not said")] = None,
) -> None:
    """Write a commented model file to start from; it passes `models check` as it is."""
    from twin.modelfile.template import template

    file = Path(f"{name}.toml") if out is None else out
    try:
        text = template(name)
        with file.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except ValueError as error:
        _fail(error)
    except FileExistsError:
        _fail(FileExistsError(f"{file}: is there already; choose another name with --out, or move it away"))
    except OSError as error:
        _fail(OSError(f"{file}: cannot be written ({error.strerror}); name a file in a folder that is there"))
    typer.echo(f"{file}: written; change it to what the paper says, then dosetwin models check {file}")


@app.command(
    "import",
    epilog=examples(
        "dosetwin models import run1.mod --drug rifampicin",
        "dosetwin models import run1.mod --unit dv=mg/L --reference WT=70",
    ),
)
def import_(
    file: Annotated[Path, typer.Argument(help="a NONMEM control stream, mrgsolve, nlmixr2 or SBML")],
    drug: Annotated[str, typer.Option(help="name of the drug that its doses are of")] = "drug",
    out: Annotated[Path | None, typer.Option(help="file to write; ID.toml here when not said")] = None,
    name: Annotated[
        str | None, typer.Option("--id", help="id of the model; made of the file's name when not said")
    ] = None,
    language: Annotated[
        str | None, typer.Option("--from", help="language of the file; told by its text when not said")
    ] = None,
    dose_into: Annotated[str | None, typer.Option(help="state that doses enter, where the source says none")] = None,
    time_unit: Annotated[str | None, typer.Option(help="min, h or d; hours when neither said here nor there")] = None,
    unit: Annotated[
        list[str] | None, typer.Option(help="NAME=UNIT of what the source has no unit for; again for more")
    ] = None,
    reference: Annotated[
        list[str] | None, typer.Option(help="NAME=NUMBER: reference of a covariate; again for more")
    ] = None,
) -> None:
    """Carry a model of another program over into a model file, unverified, and check it.

    Prints what could not be carried, which also stands at the head of the file. Numbers that the source leaves open
    (units, references) are assumed and marked so, or given here.
    """
    from connectors.models.carrying import LANGUAGES, carry
    from connectors.models.source import SourceError
    from twin.modelfile.library import text_of
    from twin.names import NAME_IN_WORDS, is_name

    for word in (drug, *([name] if name else [])):
        if not is_name(word):
            _fail(ValueError(f"'{word}' cannot be a name; {NAME_IN_WORDS}"))
    if language is not None and language not in LANGUAGES:
        _fail(ValueError(f"--from is '{language}'; write one of {', '.join(LANGUAGES)}"))
    if time_unit not in (None, "min", "h", "d"):
        _fail(ValueError(f"--time-unit is '{time_unit}'; write min, h or d"))
    try:
        units, given = _pairs("--unit", unit or []), _numbers("--reference", reference or [])
        carried = carry(
            text_of(file),
            file.name,
            language=language,
            drug=drug,
            id=name,
            time_unit=time_unit,
            units=units,
            given=given,
            dose_into=dose_into,
        )
        target = Path(f"{carried.model.id}.toml") if out is None else out
        with target.open("x", encoding="utf-8") as handle:
            handle.write(carried.text)
    except FileExistsError:
        _fail(FileExistsError(f"{target}: is there already; choose another name with --out, or move it away"))
    except (SourceError, ValueError, OSError) as error:
        _fail(error)
    for lost in carried.lost:
        typer.echo(f"not carried, or otherwise: {lost}", err=True)
    typer.echo(f"{target}: written, unverified; compare it with {file} line by line")
    if not _sound(target, strict=False):
        raise typer.Exit(1)


@app.command(
    epilog=examples(
        "dosetwin models export tamoxifen_terheine2014 --to nonmem",
        "dosetwin models export my.toml --to mrgsolve --out my.cpp",
    )
)
def export(
    model: Annotated[str, typer.Argument(help="id of a library model, or path of a model file")],
    to: Annotated[str, typer.Option(help="nonmem or mrgsolve")],
    out: Annotated[Path | None, typer.Option(help="file to write; printed when not said")] = None,
) -> None:
    """Write a model for NONMEM or mrgsolve; what is not carried is printed, and stands at the head of the text."""
    from connectors.models.exports import mrgsolve, nonmem
    from connectors.models.exports.parts import ExportError
    from twin.model.spec import ModelError
    from twin.modelfile.library import load_model

    writers = {"nonmem": nonmem.write, "mrgsolve": mrgsolve.write}
    if to not in writers:
        _fail(ValueError(f"--to is '{to}'; write one of {', '.join(writers)}"))
    try:
        found = load_model(model, mixtures=True)
        text, lost = writers[to](found)
    except ExportError as error:
        _fail(ValueError(f"{model}: cannot be said for {to}: it {error}"))
    except (ModelError, OSError) as error:
        _fail(error)
    for each in lost:
        typer.echo(f"not carried: {each}", err=True)
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError:
        _fail(FileExistsError(f"{out}: is there already; choose another name with --out, or move it away"))
    except OSError as error:
        _fail(OSError(f"{out}: cannot be written ({error.strerror}); name a file in a folder that is there"))
    typer.echo(f"{out}: written from {found.id}, hash {found.hash}")


def _pairs(option: str, given: list[str]) -> dict[str, str]:
    """What is given as NAME=VALUE.

    Raises:
        ValueError: something else.
    """
    for each in given:
        if not all(each.partition("=")):
            raise ValueError(f"{option} is '{each}'; write NAME=VALUE")
    return {each.partition("=")[0]: each.partition("=")[2] for each in given}


def _numbers(option: str, given: list[str]) -> dict[str, float]:
    """What is given as NAME=NUMBER.

    Raises:
        ValueError: something else.
    """
    found: dict[str, float] = {}
    for word, text in _pairs(option, given).items():
        try:
            found[word] = float(text)
        except ValueError:
            raise ValueError(f"{option} is '{word}={text}'; write NAME=NUMBER") from None
    return found


Folder = Annotated[
    Path, typer.Option("--releases", envvar="DOSETWIN_CLINICAL", file_okay=False, help="folder of releases")
]


@app.command(epilog=examples("dosetwin models key 'A. Reviewer' --out reviewer.key"))
def key(
    reviewer: Annotated[str, typer.Argument(help="name of who will review models")],
    out: Annotated[Path, typer.Option(help="new file for the private key, which stays with the reviewer")],
    passphrase: Passphrase = None,
) -> None:
    """Make a reviewer's key, and print the line for reviewers.toml in the folder of releases."""
    import json

    from connectors.releases import REVIEWERS, NotReleased, new_key

    try:
        public = new_key(out, lambda: asked_passphrase(passphrase, twice=True))
    except NotReleased as error:
        _fail(error)
    typer.echo(f"{out}: written; add the line below to [reviewers] of {REVIEWERS}", err=True)
    typer.echo(f'{json.dumps(reviewer)} = "{public}"')


@app.command(
    epilog=examples(
        "dosetwin models sign docetaxel_ozawa2007 --key reviewer.key --reviewer 'A. Reviewer' --note checked"
    )
)
def sign(
    model: Annotated[str, typer.Argument(help="id of a library model, or path of a model file")],
    key: Annotated[Path, typer.Option(help="the reviewer's private key")],
    reviewer: Annotated[str, typer.Option(help="who reviewed it, as in reviewers.toml")],
    note: Annotated[str, typer.Option(help="what was looked at, in one line")],
    passphrase: Passphrase = None,
    releases: Folder = Path("releases"),
    replaces: Annotated[
        str, typer.Option(help="id of the model of which this is a version: running twins of it go on by this one")
    ] = "",
) -> None:
    """Sign that a model file was reviewed today; a worker with --clinical runs no other file under this id.

    With --replaces the file is put beside its release, and running workers move the twins of the other model to it, one
    patient at a time.
    """
    from datetime import UTC, datetime

    from connectors import releases as of
    from twin.model.spec import ModelError
    from twin.modelfile.library import load_model

    try:
        found = load_model(model, mixtures=True)
        file = releases / f"{found.id}{of.ENDING}"
        reviewed = datetime.now(UTC).date()
        opened = of.open_key(key, lambda: asked_passphrase(passphrase))
        of.publish(of.sign(found, opened, reviewer, reviewed, note, replaces), found, releases)
    except (ModelError, OSError, of.NotReleased) as error:
        _fail(error)
    typer.echo(f"{file}: {found.id}, SHA-256 {of.digest(found)}, reviewed by {reviewer} on {reviewed}")


@app.command(epilog=examples("dosetwin models verify docetaxel_ozawa2007 --releases releases"))
def verify(
    models: Annotated[list[str], typer.Argument(help="ids of library models, or paths of model files")],
    releases: Folder = Path("releases"),
) -> None:
    """Say of each model who reviewed it and when; exit code 1 when one may not be used in clinical mode, and why."""
    from connectors.releases import NotReleased, open_releases
    from twin.model.spec import ModelError
    from twin.modelfile.library import load_model

    wrong = 0
    try:
        opened = open_releases(releases)
    except NotReleased as error:
        _fail(error)
    for name in models:
        try:
            release = opened.check(load_model(name, mixtures=True))
        except (ModelError, OSError, NotReleased) as error:
            wrong += 1
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{release.model}: reviewed by {release.reviewer} on {release.reviewed}: {release.note}")
    if wrong:
        raise typer.Exit(1)


def _write_page(model: Model, path: Path) -> None:
    from connectors.reports.card import card_page
    from twin.kernel.kernel import compile_model
    from twin.study.population import outlooks

    path.write_text(card_page(model, outlooks(compile_model(model))), encoding="utf-8")
    typer.echo(f"page: {path}", err=True)


def _fail(error: Exception) -> NoReturn:
    from streams.batch.arguments import in_words

    typer.echo(in_words(error), err=True)
    raise typer.Exit(1)


def _console() -> Console:
    from rich.console import Console

    # Unit codes such as mm[Hg] would be read as markup.
    return Console(markup=False, emoji=False, highlight=False)


def _table(console: Console, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE, pad_edge=False)
    for position, head in enumerate(heads):
        # Names must be copied whole; the rest may run over several lines.
        table.add_column(head, no_wrap=position == 0, overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


# --- the card --------------------------------------------------------------------------------------------------------


def print_card(model: Model, console: Console) -> None:
    """Print everything a model file says, section by section."""
    from connectors.reports.facts import facts, population

    console.print(
        f"{model.title}\n{model.id}, hash {model.hash}, time in {model.time_unit}, drugs {', '.join(model.drugs)}"
    )
    if model.note:
        console.print("\n" + population(model))
    for section in facts(model):
        console.print("\n" + section.title)
        if section.rows:
            _table(console, section.heads, section.rows)
        for line in (*section.formulas, *section.lines):
            console.print(str(line))
