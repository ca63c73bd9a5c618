"""``dosetwin diagnose``: the page of a fit, made again from its folder and its data.

Into the folder go ``fit.html`` and ``tables/*.csv``: what the search did, estimates, residuals, prediction errors,
predictive checks, individual fits, effects beside covariates, and which patients weigh most. The same arguments make
the same bytes. What cannot be used of the data is reported on stderr; the exit code is then 3. Arguments that cannot be
used end the command with exit code 2 before anything is written. The last line on stderr is JSON.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import ReadingOptions, examples

app = typer.Typer()


@app.command(
    epilog=examples(
        "dosetwin diagnose fitted levels.csv",
        "dosetwin diagnose fitted levels.csv --stratify SEX --replicates 3000 --seed 2",
    )
)
@with_sets
def diagnose(
    fitted: Annotated[Path, typer.Argument(help="folder that dosetwin fit wrote", show_default=False)],
    files: Annotated[list[Path], typer.Argument(help="the data of the fit", show_default=False)],
    stratify: Annotated[
        str | None, typer.Option(help="covariate whose groups of patients get predictive checks of their own")
    ] = None,
    replicates: Annotated[int, typer.Option(min=100, max=100_000, help="simulations of every patient")] = 1000,
    seed: Annotated[int, typer.Option(help="of the simulations")] = 1,
    *,
    read_by: ReadingOptions,
) -> None:
    """Make the page of a fit again: residuals, prediction errors, predictive checks, fits, effects, influence."""
    import json

    from threadpoolctl import threadpool_limits

    from streams.batch.arguments import LeftOut, cases_in, ended_plainly, reading, usable_arguments
    from streams.batch.cases import CaseError
    from streams.batch.population.page import fitted_in, require_same, said_in, write_page
    from streams.batch.population.patients import cohort_of, data_of, timelines_of
    from twin.population.diagnostics.diagnosed import groups_of
    from twin.population.diagnostics.effects import covariates_of
    from twin.population.theta import FitError

    left_out = LeftOut()
    with usable_arguments():
        model, theta = fitted_in(fitted)
        path = str(fitted / f"{model.id}.toml")
        how = reading(path, files, read_by, mixtures=True)
        require_same(said_in(fitted), data_of(files, how.where).hash, files)
        try:
            cohort = cohort_of(timelines_of(cases_in(files, how, left_out), model, left_out), theta)
            groups_of(covariates_of(cohort), stratify)
        except FitError as error:
            raise CaseError(str(error)) from None
    with ended_plainly(), threadpool_limits(1):
        page = write_page(fitted, cohort, theta.pack(theta.start), stratify=stratify, seed=seed, replicates=replicates)
    typer.echo(json.dumps({"patients": len(cohort.patients), "left_out": len(left_out), "page": str(page)}), err=True)
    raise typer.Exit(left_out.exit_code)
