"""``dosetwin compare``: several fits of the same data, ranked, and tested where a test is valid.

Reads the ``fit.json`` of each folder that `dosetwin fit` wrote. The table goes to stdout; the exit code is 2 where fits
cannot be compared.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.terminal.options import examples

if TYPE_CHECKING:
    from twin.population.results.comparison import FitFound

app = typer.Typer()


@app.command(epilog=examples("dosetwin compare base weight weight_and_age"))
def compare(
    fits: Annotated[list[Path], typer.Argument(help="folders that 'dosetwin fit' wrote", show_default=False)],
) -> None:
    """Rank fits of the same data by the likelihood itself, and test those of which one is a part of another."""
    from streams.batch.arguments import usable_arguments
    from streams.batch.cases import CaseError
    from twin.population.results.comparison import CompareError, ranked, ratio_tests

    with usable_arguments():
        try:
            found = ranked([_read(folder) for folder in fits])
        except CompareError as error:
            raise CaseError(str(error)) from None
    best = found[0]
    typer.echo(f"{'fit':24} {'method':8} {'numbers':>7} {'-2 log L':>12} {'+-':>6} {'AIC':>10} {'dAIC':>8} {'BIC':>10}")
    for one in found:
        note = "" if one.converged else "  did not converge"
        typer.echo(
            f"{one.name:24} {one.method:8} {len(one.free):7} {one.minus_2_log:12.2f} {one.error:6.2f} {one.aic:10.2f}"
            f" {one.aic - best.aic:8.2f} {one.bic:10.2f}{note}"
        )
    for test in ratio_tests(found):
        typer.echo(
            f"{test.smaller} within {test.larger}: {test.ratio:.2f} +- {test.error:.2f} by {test.freedom}, "
            f"p {test.p:.3g}: {test.said}"
        )


def _read(folder: Path) -> FitFound:
    """The fit of a folder.

    Raises:
        CaseError: there is none that can be read.
    """
    from streams.batch.cases import CaseError
    from twin.population.results.classified import alike
    from twin.population.results.comparison import FitFound

    path = folder / "fit.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        likelihood = content["likelihood"]
        return FitFound(
            name=str(folder),
            data=content["data"]["hash"],
            model=content["model"]["hash"],
            method=content["method"],
            free=frozenset(one["name"] for one in content["estimates"]),
            fixed=tuple(content["fixed"].items()),
            minus_2_log=float(likelihood["minus_2_log"]),
            error=float(likelihood["standard_error"]),
            aic=float(likelihood["aic"]),
            bic=float(likelihood["bic"]),
            converged=bool(content["converged"]),
            alike=content.get("classes") is not None and alike(content["classes"]),
        )
    except OSError as error:
        raise CaseError(f"{path}: {error.strerror}; name a folder that 'dosetwin fit' wrote") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CaseError(f"{path}: is no fit that can be read ({error}); write it anew with 'dosetwin fit'") from None
