"""``dosetwin models``: the model library on paper, and the check of a model file before it is used."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from twin.models import ErrorSpec, Model, ParameterSpec

app = typer.Typer(
    no_args_is_help=True,
    help="The model library: what it holds, what each number rests on, and whether a file is sound.",
)


@app.command("list")
def list_models() -> None:
    """List the models that come with dosetwin."""
    from twin.models import library_ids, load_model

    models = [load_model(name) for name in library_ids()]
    _table(_console(), ("id", "drug", "title", "hash"), ((m.id, m.drug, m.title, m.hash) for m in models))


@app.command()
def show(model: Annotated[str, typer.Argument(help="id of a library model, or path of a model file")]) -> None:
    """Print a model's card: every number with its unit and what it rests on; ASSUMED marks what nobody published."""
    from twin.models import ModelError, load_model

    try:
        found = load_model(model)
    except ModelError as error:
        _fail(error)
    print_card(found, _console())


@app.command()
def check(files: Annotated[list[Path], typer.Argument(help="model files (TOML)")]) -> None:
    """Check model files: names, formulas, units, sources, Omega, and whether they can be compiled.

    Says what is wrong with each; exit code 1 when anything is.
    """
    from twin.models import ModelError, load_model
    from twin.structure import analyse

    wrong = 0
    for file in files:
        try:
            found = load_model(file)
            structure = analyse(found)
        except ModelError as error:
            typer.echo(str(error), err=True)
            wrong += 1
            continue
        solved = f"{len(structure.linear)} states solved exactly, {len(structure.stepped)} stepped"
        typer.echo(f"{file.name}: sound; {found.id}, hash {found.hash}; {solved}")
    if wrong:
        raise typer.Exit(1)


def _fail(error: Exception) -> NoReturn:
    typer.echo(str(error), err=True)
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
    console.print(
        f"{model.title}\n{model.id}, hash {model.hash}, time in {model.time_unit}, drugs {', '.join(model.drugs)}"
    )
    if model.note:
        console.print("\n" + " ".join(model.note.split()))
    console.print("\nSources")
    for source in model.sources:
        parts = (source.citation, source.doi and f"doi {source.doi}", source.url, source.note)
        console.print("- " + "; ".join(part for part in parts if part))
    sections: tuple[Callable[[Model, Console], None], ...] = (
        _parameters,
        _covariates,
        _equations,
        _outputs,
        _limits,
        _regimens,
    )
    for section in sections:
        section(model, console)


def _parameters(model: Model, console: Console) -> None:
    console.print("\nParameters (typical value; IIV as SD of eta, log-normal unless said)")
    rows = [(p.name, f"{p.value:g}", p.unit, _variability(p), _grounds(p)) for p in model.parameters]
    _table(console, ("name", "value", "unit", "IIV", "rests on"), rows)
    for parameter in model.parameters:
        if parameter.expression is not None:
            console.print(f"{parameter.name}(individual) = {ast.unparse(parameter.expression)}")
    for i, name in enumerate(model.eta_names):
        for j, other in enumerate(model.eta_names[:i]):
            if model.omega[i, j] != 0:
                correlation = model.omega[i, j] / (model.omega[i, i] * model.omega[j, j]) ** 0.5
                console.print(f"correlation of {other} and {name}: {correlation:.3g}")


def _variability(parameter: ParameterSpec) -> str:
    if parameter.iiv is None:
        return ""
    shape = f" {parameter.shape:g}" if parameter.shape is not None else ""
    form = "" if parameter.distribution == "log-normal" else f" {parameter.distribution}{shape}"
    return f"{parameter.iiv**0.5:.3g}{form}"


def _grounds(parameter: ParameterSpec) -> str:
    rests = _rests_on(parameter.source, parameter.assumed)
    return f"{parameter.note}. {rests}" if parameter.note else rests


def _rests_on(source: str | None, assumed: str | None) -> str:
    parts = (source, assumed and f"ASSUMED: {' '.join(assumed.split())}")
    return "; ".join(part for part in parts if part)


def _covariates(model: Model, console: Console) -> None:
    if not model.covariates:
        return
    console.print("\nCovariates (the reference stands while none is reported)")
    rows = [
        (
            c.name,
            f"{c.reference:g}",
            c.unit,
            "" if c.low is None or c.high is None else f"{c.low:g} to {c.high:g}",
            f"{c.note + '. ' if c.note else ''}{_rests_on(c.source, c.assumed)}",
        )
        for c in model.covariates
    ]
    _table(console, ("name", "reference", "unit", "plausible", "rests on"), rows)


def _equations(model: Model, console: Console) -> None:
    console.print("\nEquations")
    for derived in model.derived:
        console.print(f"{derived.name} = {ast.unparse(derived.expression)}    [{derived.unit}]")
    for state in model.states:
        start = ast.unparse(state.initial)
        console.print(f"d{state.name}/dt = {ast.unparse(state.derivative)}    [{state.unit}, starts at {start}]")
    for entry in model.inputs:
        scale = f"recorded amount times {entry.scale:g}; " if entry.scale != 1 else ""
        console.print(f"input of {entry.drug}: {scale}{_rests_on(entry.source, entry.assumed)}")


def _outputs(model: Model, console: Console) -> None:
    console.print("\nOutputs")
    rows = [
        (
            ", ".join((o.name, *o.aliases)),
            ast.unparse(o.expression),
            o.unit,
            _residual(o.error),
            _rests_on(o.error.source, o.error.assumed),
        )
        for o in model.outputs
    ]
    _table(console, ("name", "formula", "unit", "residual error (SD)", "rests on"), rows)


def _residual(error: ErrorSpec) -> str:
    sizes = {
        "proportional": f"{error.proportional:g} of the value",
        "additive": f"{error.additive:g}",
        "combined": f"{error.additive:g} and {error.proportional:g} of the value",
        "power": f"{error.proportional:g} times the value to the power {error.exponent:g}",
        "log_additive": f"{error.additive:g} on the logarithm",
        "box_cox": f"{error.additive:g} on the Box-Cox scale, exponent {error.box_cox or 0:g}",
    }
    parts = [sizes[error.kind]]
    if error.kind == "power" and error.additive:
        parts.insert(0, f"{error.additive:g}")
    if error.combination == "sd":
        parts.append("added as standard deviations")
    if error.df is not None:
        parts.append(f"Student-t with {error.df:g} degrees of freedom")
    if error.outliers is not None:
        parts.append(f"{error.outliers.share:g} of them {error.outliers.widening:g} times as far")
    if error.replicate_correlation is not None:
        parts.append(f"replicates correlated {error.replicate_correlation:g}")
    return ", ".join(parts)


def _limits(model: Model, console: Console) -> None:
    if model.targets or model.toxicities:
        console.print("\nLimits")
    for t in model.targets:
        window = f"{t.low:g} to {t.high:g} {t.unit} per course"
        console.print(f"{t.name}: {t.state} {window}; {_rests_on(t.source, t.assumed)}")
    for x in model.toxicities:
        within = f"within {x.horizon:g} {model.time_unit}"
        console.print(f"{x.name}: {x.output} below {x.below:g} {x.unit} {within}; {_rests_on(x.source, x.assumed)}")


def _regimens(model: Model, console: Console) -> None:
    if model.regimens:
        console.print("\nUsual regimens")
    for r in model.regimens:
        unit = model.time_unit
        over = f"over {r.duration:g} {unit}" if r.duration else "at once"
        times = f"every {r.interval:g} {unit}, {r.cycles} times"
        what = f"{r.drug} {r.amount:g} {r.amount_unit} {r.route} {over}, {times}"
        console.print(f"{what}; {_rests_on(r.source, r.assumed)}")
