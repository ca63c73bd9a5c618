"""``dosetwin simulate``: what would come of regimens, rules and advice in virtual patients, and would a trial see it?

A study file names patients, arms and endpoints (`twin.virtual.plan`). Results are ``study.json``, a page
``study.html`` and ``patients.csv``. The exit code is 2 when the file cannot be used, 3 when a patient could not be
followed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.options import Cluster, Jobs, examples

if TYPE_CHECKING:
    from streams.batch.virtual.running import VirtualReport

app = typer.Typer()


@app.command(
    epilog=examples(
        "dosetwin simulate study.toml",
        "dosetwin simulate study.toml --out results --jobs 2",
    )
)
def simulate(
    study: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="TOML file of patients, arms and endpoints")
    ],
    out: Annotated[Path, typer.Option(help="folder for the results; those of an earlier run are replaced")] = Path(
        "study"
    ),
    jobs: Jobs = None,
    cluster: Cluster = None,
) -> None:
    """Treat virtual patients in every arm of a study; compare endpoints, and say how often a trial would see it."""
    from connectors.reports.trials.virtual_study import virtual_study_page
    from streams.batch.arguments import LEFT_OUT, ended_plainly, require_folder, usable_arguments
    from streams.batch.cases import CaseError
    from streams.batch.process_pool import model_of, prepare, worker_processes
    from streams.batch.virtual.running import publish_study, run_study
    from streams.batch.virtual.study import load_study, true_model
    from streams.terminal.progress import progress

    with usable_arguments():
        require_folder(out)
        found = load_study(study)
        patients = found.plan.patients * found.plan.trials
        processes = worker_processes(jobs, patients)
        prepare([true_model(found, arm) for arm in found.plan.arms], processes)
    with ended_plainly(cluster), usable_arguments(), progress("simulate", "patients", patients) as done:
        try:
            report, followed = run_study(found, model_of(found.text, found.model_id).hash, processes, done)
        except ValueError as error:
            raise CaseError(str(error)) from None
        publish_study(report, followed, found, virtual_study_page(report), out)
    for line in lines_of(report):
        typer.echo(line)
    for who, why in report.failed:
        typer.echo(f"{who}: {why}", err=True)
    typer.echo(f"page: {out / 'study.html'}", err=True)
    raise typer.Exit(LEFT_OUT if report.failed else 0)


def lines_of(found: VirtualReport) -> list[str]:
    """The figures as text."""
    from streams.batch.trial.running import classes_line

    lines = [f"{found.patients} patients{classes_line(found.classes)}"]
    lines += [f"{one.arm}: {one.dose:.3g} of the planned dose, {100 * one.left:.3g} % left" for one in found.arms]
    for one in found.compared:
        line = f"{one.endpoint}, {one.arm}: {one.value.value:.3g} ({one.value.low:.3g} to {one.value.high:.3g})"
        if one.difference is not None:
            apart = one.difference
            line += f", difference {apart.value:.3g} ({apart.low:.3g} to {apart.high:.3g})"
        if one.power is not None:
            line += f", found by {100 * one.power.share:.3g} % of {one.power.trials} trials"
        lines.append(line)
    return lines
