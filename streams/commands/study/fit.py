"""``dosetwin fit``: the population of a data set, estimated: typical values, covariates, variability, residual error.

Everything that the model file has as a number of its own is estimated, from the values there: typical values and
coefficients (parameters), Omega with the correlations that are listed, the errors (sizes, exponents, tails); but for
what ``--fix`` names, and with ``[mixture]`` the shares of classes that nobody sees. Into ``--out`` go ``fit.json``
(estimates with three standard errors, correlations, condition number, shrinkage, trace), the fitted model as
``NAME.toml``, each number with where it comes from, and a page of all that with its diagnostics, ``fit.html``, whose
tables are in ``tables``. An interrupted fit goes on where it stood when it is called again. What cannot be used is
reported on stderr with its line and reason while the rest goes on; the exit code is then 3, and 1 where the fit did not
converge. Arguments that cannot be used end the command with exit code 2 before anything is written. The last line on
stderr is JSON.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import Cluster, Fix, Jobs, ReadingOptions, examples

app = typer.Typer()

NOT_CONVERGED = 1
"""Exit code of a fit whose search did not end at a minimum."""


class MethodOption(StrEnum):
    """What is made small."""

    FOCEI = "focei"
    FOCE = "foce"
    FO = "fo"
    LAPLACE = "laplace"
    IMP = "imp"
    SAEM = "saem"
    BAYES = "bayes"


def _compared_elsewhere(asked: bool) -> None:
    if asked:
        say = "fits are compared by a command of its own, with the folders that they were written to"
        typer.echo(f"dosetwin: --compare: {say}: dosetwin compare A B C", err=True)
        raise typer.Exit(2)


@app.command(
    epilog=examples(
        "dosetwin fit levels.csv --model busulfan_neroutsos2022 --out fitted",
        "dosetwin fit levels.csv --model mine.toml --method imp --stratify SEX --out fitted",
        "dosetwin fit levels.csv --model mine.toml --method saem --seed 2 --out fitted_2",
        "dosetwin fit levels.csv --model mine.toml --method bayes --prior published.toml --out fitted",
        "dosetwin fit levels.csv --model mine.toml --bootstrap 1000 --strata SEX --out fitted",
        "dosetwin fit levels.csv --model mine.toml --starts 5 --profile all --sir --out fitted",
        "dosetwin fit levels.csv --model mine.toml --prior published.toml --out fitted",
        "dosetwin fit levels.csv --model mine.toml --fix ka,omega.ka --method foce --name mine_2 --out fitted",
    )
)
@with_sets
def fit(
    files: Annotated[list[Path], typer.Argument(help="NM-TRAN style CSV or NDJSON events", show_default=False)],
    model: Annotated[str, typer.Option(help="id or path: the equations, and the values to begin with")],
    out: Annotated[Path, typer.Option(help="folder of the results")],
    method: Annotated[
        MethodOption,
        typer.Option(
            help="laplace, imp, saem, bayes also weigh limits, grades, counts, events; the last three exactly"
        ),
    ] = MethodOption.FOCEI,
    fix: Fix = "",
    name: Annotated[str | None, typer.Option(help="id of the fitted model; by default the model's and _fit")] = None,
    *,
    read_by: ReadingOptions,
    bootstrap: Annotated[
        int, typer.Option(min=0, max=100_000, help="replicates of patients drawn anew, for errors and intervals")
    ] = 0,
    strata: Annotated[str | None, typer.Option(help="covariate within whose values patients are drawn anew")] = None,
    prior: Annotated[
        Path | None, typer.Option(help="TOML of what is known of numbers: value and se, or degrees; for sparse data")
    ] = None,
    starts: Annotated[
        int, typer.Option(min=1, max=1000, help="searches from jittered values; the deepest end is gone on from")
    ] = 1,
    profile: Annotated[
        str, typer.Option(help="intervals by the profile of the likelihood: names as CL,omega.CL, or all")
    ] = "",
    sir: Annotated[bool, typer.Option("--sir", help="intervals by sampling importance resampling")] = False,
    seed: Annotated[int, typer.Option(min=0, help="of draws of imp, saem, bayes; another ends near to the same")] = 1,
    page: Annotated[bool, typer.Option("--page/--no-page", help="write fit.html, the page of the fit")] = True,
    stratify: Annotated[
        str | None, typer.Option(help="covariate whose groups of patients get predictive checks of their own")
    ] = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
    _compare: Annotated[
        bool, typer.Option("--compare", hidden=True, is_eager=True, callback=_compared_elsewhere, help="see compare")
    ] = False,
) -> None:
    """Estimate the population of a data set: values, variability, errors, with their certainty, as a model file."""
    import json

    from threadpoolctl import threadpool_limits

    from streams.batch.arguments import LeftOut, cases_in, ended_plainly, reading, usable_arguments
    from streams.batch.cases import CaseError
    from streams.batch.population.asked import Asked
    from streams.batch.population.fit import as_json, draws_table, intervals, written
    from streams.batch.population.fit import fit as fit_cohort
    from streams.batch.population.known import read_prior
    from streams.batch.population.page import PAGE, write_page
    from streams.batch.population.patients import asked_of, cohort_of, data_of, timelines_of
    from streams.terminal.progress import said_moved
    from twin.names import NAME_IN_WORDS, is_name
    from twin.population.diagnostics.diagnosed import groups_of
    from twin.population.diagnostics.effects import covariates_of
    from twin.population.prior import PriorError
    from twin.population.starts import End, deepest
    from twin.population.theta import FitError

    left_out, asked = LeftOut(), Asked(starts, bootstrap, strata, profile, sir, jobs)
    with usable_arguments():
        how = reading(model, files, read_by, out, mixtures=True)
        assert how.model is not None, "a model is required"
        called = f"{how.model.id}_fit" if name is None else name
        if not is_name(called):
            raise CaseError(f"--name {called!r} cannot be an id; {NAME_IN_WORDS}")
        fixed = [part.strip() for part in fix.split(",") if part.strip()]
        cases = cases_in(files, how, left_out)
        try:
            timelines = timelines_of(cases, how.model, left_out)
            theta, held = asked_of(how.model, fixed, timelines)
            theta = theta.with_prior(None if prior is None else read_prior(prior))
            cohort = cohort_of(timelines, theta)
            asked.check(cohort, method.value)
            groups_of(covariates_of(cohort), stratify)
        except (FitError, PriorError) as error:
            raise CaseError(str(error)) from None
        out.mkdir(parents=True, exist_ok=True)
    data, search, begun = data_of(files, how.where), out / "search.json", out / "starts.json"
    replicates = out / "replicates.json"
    asked_by = (method.value, read_by.columns, read_by.output or "")
    key = " ".join([how.model.hash, data.hash, *asked_by, *theta.names, repr(theta.prior), str(seed)])

    def ended(number: int, end: End) -> None:
        typer.echo(f"start {number}: objective {end.objective:.4f}; {end.why}", err=True)

    with ended_plainly(cluster, goes_on=True), threadpool_limits(1):
        try:
            ends = asked.begun(cases, cohort, method.value, ended, begun, key)
            start = ends[deepest(ends)].vector if ends else None
            found = fit_cohort(cohort, method.value, said_moved, search, f"{key} {starts}", start, seed)
            found = asked.answered(found, cases, cohort, ends, replicates, key)
        except FitError as error:
            typer.echo(f"dosetwin: {error}", err=True)
            raise typer.Exit(NOT_CONVERGED) from None
        (out / f"{called}.toml").write_text(written(found, data.hash, called).text)
        (out / "fit.json").write_text(as_json(found, data, called))
        if found.posterior is not None:
            (out / "posterior.csv").write_text(draws_table(found.posterior))
        for come_so_far in (search, begun, replicates):
            come_so_far.unlink(missing_ok=True)
        if page:
            write_page(out, cohort, found.evaluation.vector, stratify=stratify)
    if held:
        typer.echo(f"note: nothing that was measured tells {', '.join(held)}; they stay as the file has them", err=True)
    for problem in found.problems:
        typer.echo(f"note: {problem}", err=True)
    for line in intervals(found):
        typer.echo(line, err=True)
    summary = {
        "patients": len(cohort.patients),
        "values": found.values,
        "objective": round(found.evaluation.total, 4),
        "minus_2_log_likelihood": [round(found.exact.minus_2_log, 3), round(found.exact.error, 3)],
        "converged": found.converged,
        "steps": found.state.step,
        "estimates": {
            n: float(f"{v:.6g}") for n, v in zip(theta.names, theta.natural(found.state.vector).tolist(), strict=True)
        },
        "left_out": len(left_out),
        "out": str(out),
        "page": str(out / PAGE) if page else None,
    }
    typer.echo(json.dumps(summary), err=True)
    raise typer.Exit(left_out.exit_code if found.converged else NOT_CONVERGED)
