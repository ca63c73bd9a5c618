"""``dosetwin points``: a population's distribution without a form: support points and the share of patients at each.

Where it is not to be assumed that effects of patients are normal, the most likely distribution of any form is found: it
lies on points, no more of them than there are patients. The search is that of the adaptive grid (NPAG) with weights by
an interior point method and new points where the likelihood's directional derivative is greatest (NPOD). What has no
iiv stays as the model file has it, residual errors too: fit these first. What occasions add (iov) stays normal, and is
integrated over. Into the folder ``--out`` go ``points.csv``
(weights, parameters, effects), ``patients.csv`` (mean, SD and likeliest point of everybody) and ``points.json``. What
cannot be used is reported on stderr with its line and reason while the rest goes on; the exit code is then 3, and 1
where the search did not converge. Arguments that cannot be used end the command with exit code 2 before anything is
written. The last line on stderr is JSON.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import ReadingOptions, examples

app = typer.Typer()

NOT_CONVERGED = 1
"""Exit code of a search that did not end at the most likely distribution."""


@app.command(
    epilog=examples(
        "dosetwin points levels.csv --model fitted/busulfan_fit.toml --out points",
        "dosetwin points levels.csv --model mine.toml --seed 2 --out points",
    )
)
@with_sets
def points(
    files: Annotated[list[Path], typer.Argument(help="NM-TRAN style CSV or NDJSON events", show_default=False)],
    model: Annotated[
        str, typer.Option(help="id or path: equations, errors, and the iiv that points lie within 5 SD of")
    ],
    out: Annotated[Path, typer.Option(help="folder of the results")],
    read_by: ReadingOptions,
    seed: Annotated[int, typer.Option(min=0, help="of the points that are tried; another ends near to the same")] = 1,
) -> None:
    """Estimate a population without a form: support points, their weights, and what they say of every patient."""
    import json

    from threadpoolctl import threadpool_limits

    from streams.batch.arguments import LeftOut, cases_in, ended_plainly, reading, usable_arguments
    from streams.batch.cases import CaseError
    from streams.batch.population.patients import cohort_of, data_of, timelines_of
    from streams.batch.population.points import write_points
    from twin.population.nonparametric.support import refuse, support
    from twin.population.theta import FitError, Theta

    left_out = LeftOut()
    with usable_arguments():
        how = reading(model, files, read_by, out)
        assert how.model is not None, "a model is required"
        cases = cases_in(files, how, left_out)
        try:
            cohort = cohort_of(timelines_of(cases, how.model, left_out), Theta.of(how.model))
            refuse(cohort)
        except FitError as error:
            raise CaseError(str(error)) from None
        out.mkdir(parents=True, exist_ok=True)

    def told(number: int, log: float, gain: float, count: int) -> None:
        typer.echo(f"round {number}: objective {-2 * log:.4f}, may fall by {2 * gain:.3g}; {count} points", err=True)

    with ended_plainly(), threadpool_limits(1):
        try:
            found = support(cohort, seed, told)
        except FitError as error:
            typer.echo(f"dosetwin: {error}", err=True)
            raise typer.Exit(NOT_CONVERGED) from None
        write_points(out, cohort, found, data_of(files, how.where))
    summary = {
        "patients": len(cohort.patients),
        "points": len(found.weight),
        "minus_2_log_likelihood": round(found.minus_2_log, 4),
        "may_fall_by": float(f"{2 * max(found.gain, 0.0):.3g}"),
        "converged": found.why == "converged",
        "left_out": len(left_out),
        "out": str(out),
    }
    typer.echo(json.dumps(summary), err=True)
    raise typer.Exit(left_out.exit_code if found.why == "converged" else NOT_CONVERGED)
