"""``dosetwin validate``: is the twin of a model calibrated, and how does the model describe a set of patients?

Without a file, patients are simulated from each model and followed (`twin.study.calibration`): a JSON and a page a
model, and an index. With ``--data`` the patients of a file are followed by the twin of one model
(`twin.study.examination`). The exit code is 1 when a model is not calibrated, 2 when the arguments cannot be used, 3
when something was left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import Cluster, Jobs, ReadingOptions, examples

if TYPE_CHECKING:
    from streams.batch.cases import RecordedCases
    from twin.model.spec import Model
    from twin.study.calibration import Calibration

app = typer.Typer()

NOT_CALIBRATED = 1
"""Exit code."""

PATIENTS = 100
"""Simulated patients of a model: four times in five, a shift by half a posterior SD or a posterior a third too narrow
is noticed (of 200, nearly always)."""


@app.command(
    epilog=examples(
        "dosetwin validate docetaxel_ozawa2007 --patients 50",
        "dosetwin validate --data counts.csv --model docetaxel_ozawa2007",
    )
)
@with_sets
def validate(
    models: Annotated[
        list[str] | None,
        typer.Argument(help="ids or files of models to simulate from; all of the library without", show_default=False),
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for the results; those of an earlier run are replaced")] = Path(
        "validation"
    ),
    patients: Annotated[int, typer.Option(min=20, max=100_000, help="simulated patients of each model")] = PATIENTS,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="real patients: NDJSON events or NM-TRAN style CSV, read by --columns to --where"),
    ] = None,
    model: Annotated[str | None, typer.Option(help="with --data: id or path of the model held against them")] = None,
    *,
    read_by: ReadingOptions,
    particles: Annotated[
        int, typer.Option(min=50, max=1_000_000, envvar="DOSETWIN_PARTICLES", help="size of each twin's cloud")
    ] = 1000,
    jobs: Jobs = None,
    cluster: Cluster = None,
) -> None:
    """Is each model's twin calibrated? Simulated patients tell; with --data: how does a model describe real ones?"""
    from streams.batch.arguments import reading, usable_arguments
    from streams.batch.cases import CaseError

    with usable_arguments():
        if data is None and (model or any(read_by)):
            options = "--model, --columns, --output, --join, --prefix-ids and --where"
            raise CaseError(f"{options} say how to read a file; name it with --data")
        if data is not None and models:
            raise CaseError(f"{models[0]} stands beside --data; name the one model of the data with --model")
    if data is None:
        _simulated(models or [], out, patients, particles, jobs, cluster)
    else:
        with usable_arguments():
            if model is None:
                raise CaseError("--data needs the model that is held against it; name one with --model")
            how = reading(model, data, read_by, out)
        _examined(data, how, out, particles, jobs, cluster)


def _simulated(
    names: list[str], out: Path, patients: int, particles: int, jobs: int | None, cluster: str | None
) -> None:
    from connectors.reports.calibration import index_page
    from streams.batch.arguments import LEFT_OUT, ended_plainly, usable_arguments
    from streams.batch.process_pool import worker_processes
    from streams.batch.validation import calibrate, publish
    from streams.terminal.progress import progress
    from twin.modelfile.library import loaded_library

    failed: list[tuple[str, str]] = []
    if not names:
        library = loaded_library()
        names = list(library.names)
        failed = [(broken.name, f"{broken.reason}; {broken.mend}") for broken in library.broken]
        for broken in library.broken:
            typer.echo(f"dosetwin: {broken}", err=True)
    with usable_arguments():
        chosen = _chosen(names, out)
    found: list[Calibration] = []
    with ended_plainly(cluster):
        out.mkdir(parents=True, exist_ok=True)
        with progress("validate", "patients", len(chosen) * patients) as done:
            processes = worker_processes(jobs, len(chosen) * patients)
            for model, result in calibrate(chosen, patients, particles, processes, done):
                if isinstance(result, str):
                    failed.append((model.id, result))
                    typer.echo(f"{model.id}: {result}", err=True)
                    continue
                found.append(result)
                publish(model, result, out)
                typer.echo(verdict_text(result))
        (out / "index.html").write_text(index_page(found, failed), encoding="utf-8")
    typer.echo(f"pages: {out / 'index.html'}", err=True)
    if not all(one.passed for one in found):
        raise typer.Exit(NOT_CALIBRATED)
    raise typer.Exit(LEFT_OUT if failed else 0)


def _examined(
    files: list[Path], how: RecordedCases, out: Path, particles: int, jobs: int | None, cluster: str | None
) -> None:
    from connectors.reports.examination import descriptions
    from streams.batch.arguments import LeftOut, cases_in, ended_plainly, usable_arguments
    from streams.batch.cases import CaseError
    from streams.batch.process_pool import prepare, worker_processes
    from streams.batch.validation import examine_cases, publish_examination
    from streams.terminal.progress import progress

    left_out = LeftOut()
    with usable_arguments():
        cases = cases_in(files, how, left_out)
        assert how.model is not None
        processes = worker_processes(jobs, len(cases))
        prepare([how.model], processes)
    with ended_plainly(cluster), progress("validate", "patients", len(cases)) as done:
        found = examine_cases(cases, particles, processes, left_out, done)
    with usable_arguments():
        if not found:
            raise CaseError(f"no patient of {', '.join(map(str, files))} could be examined")
        out.mkdir(parents=True, exist_ok=True)
        names = ", ".join(file.name for file in files)
        publish_examination(how.model, found, out, particles=particles, files=names, left_out=len(left_out))
    for one in descriptions(how.model, found):
        typer.echo(f"{one.output}: {one.values} values of {one.patients} patients")
        for m in one.measures:
            typer.echo(f"  {m.name:56} {m.value:8.3g}   {m.low:.3g} to {m.high:.3g}")
    typer.echo(f"page: {out / 'examination.html'}", err=True)
    raise typer.Exit(left_out.exit_code)


def verdict_text(found: Calibration) -> str:
    """One line on a model."""
    tests = (*found.ranks, *found.pit)
    least = min(tests, key=lambda one: one.p_value)
    word = "calibrated" if found.passed else "NOT CALIBRATED"
    held = "; ".join(
        f"{one.output} 90 % interval {100 * next(c.share for c in one.coverage if c.level == 0.9):.0f} %"
        for one in found.foreseen
    )
    return f"{found.model}: {word}; least p {least.p_value:.2g} of {len(tests)} tests ({least.name}); {held}"


def _chosen(names: list[str], out: Path) -> list[Model]:
    from streams.batch.arguments import require_folder
    from streams.batch.cases import CaseError
    from streams.batch.process_pool import prepare
    from twin.modelfile.library import load_model

    require_folder(out)
    models = [load_model(name) for name in names]
    twice = {model.id for model in models if sum(model.id == other.id for other in models) > 1}
    if twice:
        raise CaseError(f"{', '.join(sorted(twice))} is named more than once; results go by the id of a model")
    prepare(models, 1)
    return models
