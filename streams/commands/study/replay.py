"""``dosetwin replay``: recorded events or records through the same twins, without any server, into files.

What cannot be used is reported on stderr with its file, line and reason while the rest goes on; the exit code is then
3. Arguments that cannot be used end the command with exit code 2 before anything is written. The last line on stderr
is JSON: what was read, written and left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.option_sets import with_sets
from streams.terminal.options import Cluster, Jobs, Protocols, ReadingOptions, Rules, examples

if TYPE_CHECKING:
    from twin.events import Prediction
    from twin.study.score import LogError, Score

app = typer.Typer()

SCORE = "score.json"


@app.command(epilog=examples("dosetwin replay counts.csv --model docetaxel_ozawa2007 --out out --score"))
@with_sets
def replay(
    files: Annotated[list[Path], typer.Argument(help="NDJSON events or NM-TRAN style CSV", show_default=False)],
    out: Annotated[Path, typer.Option(help="folder for the results; those of an earlier replay are replaced")],
    model: Annotated[
        str | None,
        typer.Option(
            help="id or path, for every patient, or rival ones to be averaged, A,B,C; without it the enrolments decide"
        ),
    ] = None,
    *,
    read_by: ReadingOptions,
    rules: Rules = None,
    protocols: Protocols = None,
    particles: Annotated[
        int, typer.Option(min=50, max=1_000_000, envvar="DOSETWIN_PARTICLES", help="size of each twin's cloud")
    ] = 1000,
    jobs: Jobs = None,
    cluster: Cluster = None,
    score: Annotated[
        bool, typer.Option("--score", help="compare predictions with what came, also in score.json")
    ] = False,
) -> None:
    """Replay recorded patients: estimates, alerts, one-step-ahead predictions and posteriors, with no server at all."""
    import json

    from streams.batch.arguments import LeftOut, cases_in, ended_plainly, protocols_of, reading, usable_arguments
    from streams.batch.process_pool import prepare, worker_processes
    from streams.batch.replay import read_predictions
    from streams.batch.replay import replay as replay_cases
    from streams.terminal.progress import progress
    from twin.alerts.rules import thresholds_of
    from twin.alerts.thresholds import DEFAULT

    left_out = LeftOut()
    with usable_arguments():
        how = reading(model, files, read_by, out, averages=True)
        thresholds = DEFAULT if rules is None else thresholds_of(rules.read_text(encoding="utf-8"), str(rules))
        allowed = protocols_of(protocols)
        cases = cases_in(files, how, left_out)
        processes = worker_processes(jobs, len(cases))
        prepare({m for case in cases for m in (case.rivals.models if case.rivals else [case.model])}, processes)
    with ended_plainly(cluster):
        with progress("replay", "patients", len(cases)) as done:
            totals = replay_cases(cases, out, particles, processes, left_out, done, thresholds, allowed)
        for note in totals.notes:
            typer.echo(f"note: {note}", err=True)
        if score:
            _write_score(read_predictions(out), out / SCORE)
    summary = {
        "patients": len(cases),
        "twins": totals.twins,
        "events": sum(len(case.recorded) for case in cases),
        "outputs": dict(sorted(totals.outputs.items())),
        "left_out": len(left_out),
        "out": str(out),
    }
    typer.echo(json.dumps(summary), err=True)
    raise typer.Exit(left_out.exit_code)


# --- the score -------------------------------------------------------------------------------------------------------


def _write_score(predictions: Iterable[Prediction], path: Path) -> None:
    """Score the predictions into ``path`` as JSON, and onto stdout as text."""
    import json
    from dataclasses import asdict

    from twin.study.score import score

    found = score(predictions)
    path.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")
    for one in found:
        typer.echo(score_text(one))


def score_text(score: Score) -> str:
    """The score of one output as a small table."""
    lines = [
        f"{score.output}: {score.n} values of {score.patients} patients, each from the second on",
        f"  {'absolute log error':28} {'median':>7} {'mean':>7}",
        _row("the twin, one step ahead", score.twin),
        _row("the population", score.population),
        _row("the last value", score.last_value),
    ]
    if score.coverage is not None:
        lines.append(f"  inside the twin's 90 % interval: {100 * score.coverage:.1f} %")
    if score.without_logarithm:
        lines.append(f"  without a log error, since something is 0: {score.without_logarithm}")
    return "\n".join(lines)


def _row(name: str, error: LogError | None) -> str:
    return f"  {name:28} {'-':>7} {'-':>7}" if error is None else f"  {name:28} {error.median:7.3f} {error.mean:7.3f}"
