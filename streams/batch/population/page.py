"""The page of a fit and its tables, written into the folder of the fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connectors.reports.fitted.page import fit_page
from connectors.reports.fitted.tables import tables
from streams.batch.cases import CaseError
from twin.arrays import Floats
from twin.model.spec import Model
from twin.modelfile.library import load_model
from twin.population.cohort import Cohort
from twin.population.diagnostics.diagnosed import REPLICATES, diagnosed
from twin.population.prior import READ, Prior
from twin.population.theta import Theta

PAGE, TABLES = "fit.html", "tables"


def write_page(
    out: Path,
    cohort: Cohort,
    vector: Floats,
    *,
    stratify: str | None = None,
    seed: int = 1,
    replicates: int = REPLICATES,
) -> Path:
    """Write ``fit.html`` and the folder ``tables`` beside the ``fit.json`` of a fit; returns the page.

    Args:
        vector: (K,) what was found of the cohort's numbers.

    Raises:
        FitError: ``stratify`` is no covariate of the model.
    """
    found = said_in(out)
    d = diagnosed(
        cohort,
        vector,
        found["method"],
        seed=seed,
        replicates=replicates,
        stratify=stratify,
    )
    made = tables(found, d)
    (out / TABLES).mkdir(exist_ok=True)
    for name, text in made.items():
        (out / TABLES / f"{name}.csv").write_text(text)
    page = out / PAGE
    page.write_text(fit_page(found, d, made))
    return page


def said_in(folder: Path) -> dict[str, Any]:
    """What the ``fit.json`` of a folder says.

    Raises:
        CaseError: it is not the folder of a fit.
    """
    try:
        found: dict[str, Any] = json.loads((folder / "fit.json").read_text())
    except (OSError, ValueError) as error:
        raise CaseError(f"{folder} holds no fit.json that can be read ({error}); name what --out was") from None
    return found


def fitted_in(folder: Path) -> tuple[Model, Theta]:
    """The fitted model of a folder, and what was free in it, with what was known before.

    Raises:
        CaseError: it is not the folder of a fit, or its model is not that of its ``fit.json``.
        ModelError: the model cannot be read.
    """
    found = said_in(folder)
    path = folder / f"{found.get('fitted', '')}.toml"
    if not path.is_file():
        raise CaseError(f"{folder} does not hold the fitted model ({path.name}); fit again")
    model = load_model(str(path), mixtures=True)
    theta = Theta.of(model, found["fixed"])
    estimated = [one["name"] for one in found["estimates"]]
    if list(theta.names) != estimated:
        raise CaseError(f"{path} is not the model that {folder / 'fit.json'} speaks of; fit again")
    known = found.get("prior")
    return model, theta if known is None else theta.with_prior(Prior.read({key: known[key] for key in READ}))


def require_same(found: dict[str, Any], data: str, files: Sequence[Path]) -> None:
    """Refuse other data than those of the fit.

    Raises:
        CaseError: ``data``, the hash of ``files``, is another.
    """
    if data != found["data"]["hash"]:
        names = ", ".join(str(file) for file in files)
        chosen = "".join(f" --where {one}" for one in found["data"]["where"])
        raise CaseError(f"{names}: not the data of the fit ({', '.join(found['data']['files'])}{chosen}); name those")
