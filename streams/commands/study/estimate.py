"""``dosetwin estimate``: the empirical Bayes estimates of all patients of a data set, as tables.

What a post hoc step gives: one row a patient, with ``--predictions`` one row a measured value, and of a model whose
effects drift, with ``--drift``, one row a step of it. What cannot be used is reported on stderr with its file, line and
reason while the rest goes on; the exit code is then 3, and the column ``left_out`` says it of each patient.
``at_reference`` names the covariates that nothing was said of. Arguments that cannot be used end the command with exit
code 2 before anything is written. The last line on stderr is JSON: what was read, estimated and left out, and the
shrinkage of each random effect, 1 - SD(eta)/omega.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import Cluster, Jobs, ReadingOptions, examples

app = typer.Typer()


@app.command(epilog=examples("dosetwin estimate counts.csv --model docetaxel_ozawa2007 --out estimates.csv"))
@with_sets
def estimate(
    files: Annotated[list[Path], typer.Argument(help="NM-TRAN style CSV or NDJSON events", show_default=False)],
    model: Annotated[str, typer.Option(help="id or path, for every patient")],
    out: Annotated[Path, typer.Option(help="CSV with a row a patient")],
    predictions: Annotated[
        Path | None, typer.Option(help="CSV with a row a measured value: PRED, IPRED, IWRES, NPDE")
    ] = None,
    drift: Annotated[
        Path | None, typer.Option(help="CSV with a row a step of the drift: effects and parameters from then on")
    ] = None,
    *,
    read_by: ReadingOptions,
    jobs: Jobs = None,
    cluster: Cluster = None,
) -> None:
    """Estimate every patient of a data set: random effects with standard errors, parameters, objective function."""
    import json

    from streams.batch.arguments import LeftOut, cases_in, ended_plainly, reading, usable_arguments
    from streams.batch.cases import CaseError
    from streams.batch.estimate import drift_table, estimate_table, value_table
    from streams.batch.estimate import estimate as estimate_cases
    from streams.batch.estimated import remarks, shrinkage
    from streams.batch.process_pool import prepare, worker_processes
    from streams.batch.tables import write_table
    from streams.terminal.progress import progress

    left_out = LeftOut()
    with usable_arguments():
        how = reading(model, files, read_by, mixtures=True)
        assert how.model is not None, "a model is required"
        _writable("--out", out)
        if predictions is not None:
            _writable("--predictions", predictions, out)
        if drift is not None:
            _writable("--drift", drift, out)
            if predictions is not None and drift.resolve() == predictions.resolve():
                raise CaseError(f"--drift {drift} is also --predictions; name another file")
            if how.model.drift is None:
                raise CaseError(f"--drift: {how.model.id} has no drift, and effects stay as they are; leave it out")
        cases = cases_in(files, how, left_out)
        processes = worker_processes(jobs, len(cases))
        prepare({how.model}, processes)
    with ended_plainly(cluster), progress("estimate", "patients", len(cases)) as done:
        diagnosed = predictions is not None
        found = estimate_cases(cases, how.model, processes, left_out, done, diagnosed=diagnosed)
        write_table(out, estimate_table(how.model, found))
        if predictions is not None:
            write_table(predictions, value_table(found))
        if drift is not None:
            write_table(drift, drift_table(how.model, found))
    for remark in remarks(found):
        typer.echo(f"note: {remark}", err=True)
    summary = {
        "patients": len(cases),
        "estimated": len(found),
        "converged": sum(one.converged for one in found),
        "several_modes": sum(one.modes > 1 for one in found),
        "incomplete": sum(bool(one.left_out) for one in found),
        "eta_shrinkage": {name: round(share, 4) for name, share in shrinkage(how.model, found).items()},
        "left_out": len(left_out),
        "out": str(out),
    }
    typer.echo(json.dumps(summary), err=True)
    raise typer.Exit(left_out.exit_code)


def _writable(option: str, path: Path, other: Path | None = None) -> None:
    """Refuse a place that a table cannot be put in, before any work is done."""
    from streams.batch.cases import CaseError

    if path.is_dir():
        raise CaseError(f"{option} {path} is a folder; name a file")
    if not path.parent.is_dir():
        raise CaseError(f"{option} {path}: there is no folder {path.parent}; make it first")
    if other is not None and path.resolve() == other.resolve():
        raise CaseError(f"{option} {path} is also --out; name another file")
