"""``dosetwin validate``: is the twin of a model calibrated, and how does the model describe a set of patients?

Without a file, patients are simulated from each model and followed (`twin.calibration`): a JSON and a page a model, and
an index. With ``--data`` the patients of a file are followed by the twin of one model (`twin.examination`). The exit
code is 1 when a model is not calibrated, 2 when the arguments cannot be used, 3 when something was left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from twin.calibration import Calibration
    from twin.models import Model

NOT_CALIBRATED = 1


def validate(
    models: Annotated[
        list[str] | None, typer.Argument(help="ids or files of models; all of the library without", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for the results; those of an earlier run are replaced")] = Path(
        "validation"
    ),
    patients: Annotated[int, typer.Option(min=20, max=100_000, help="simulated patients of each model")] = 100,
    particles: Annotated[
        int, typer.Option(min=50, max=1_000_000, envvar="DOSETWIN_PARTICLES", help="size of each twin's cloud")
    ] = 1000,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="processes; by default one a core (the results are the same)")
    ] = None,
) -> None:
    """Simulate patients from each model, follow them with its twin, and say whether it learns what it should."""
    from connectors.reports.calibration import index_page
    from streams.pool import cores
    from streams.progress import progress
    from streams.recorded import LEFT_OUT, ended_plainly, usable_arguments
    from streams.validation import calibrate, publish
    from twin.models import library_ids

    with usable_arguments():
        chosen = _chosen(models or library_ids(), out)
    with ended_plainly():
        out.mkdir(parents=True, exist_ok=True)
        with progress("validate", "patients", len(chosen) * patients) as done:
            found: list[Calibration] = []
            failed: list[tuple[str, str]] = []
            for model, result in calibrate(chosen, patients, particles, jobs or cores(), done):
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


def _chosen(names: list[str] | tuple[str, ...], out: Path) -> list[Model]:
    from streams.cases import CaseError
    from streams.recorded import prepare
    from twin.models import load_model

    if out.exists() and not out.is_dir():
        raise CaseError(f"--out {out} is a file; name a folder")
    models = [load_model(name) for name in names]
    twice = {model.id for model in models if sum(model.id == other.id for other in models) > 1}
    if twice:
        raise CaseError(f"{', '.join(sorted(twice))} is named more than once; results go by the id of a model")
    prepare(models, 1)
    return models
