"""Support points of recorded patients, as files: where they lie, what each weighs, and what they say of everybody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from streams.batch.population.patients import Data
from streams.batch.tables import Table, write_table
from streams.terminal.version import version
from twin.population.cohort import Cohort
from twin.population.nonparametric.moments import of_patients, spread_of, values_at
from twin.population.nonparametric.support import GAIN, Support

POINTS, PATIENTS, FOUND = "points.csv", "patients.csv", "points.json"


def write_points(out: Path, cohort: Cohort, found: Support, data: Data) -> None:
    """Write ``points.csv``, ``patients.csv`` and ``points.json`` into a folder."""
    write_table(out / POINTS, points_table(cohort, found))
    write_table(out / PATIENTS, patients_table(cohort, found))
    (out / FOUND).write_text(as_json(cohort, found, data))


def points_table(cohort: Cohort, found: Support) -> Table:
    """A row a point, the heaviest first: its weight, values of the parameters, and effects."""
    names, values = cohort.kernel.model.eta_names, values_at(cohort, found.eta)
    table: dict[str, Sequence[float]] = {"weight": found.weight.tolist()}
    table |= {name: values[:, k].tolist() for k, name in enumerate(names)}
    return table | {f"ETA_{name}": found.eta[:, k].tolist() for k, name in enumerate(names)}


def patients_table(cohort: Cohort, found: Support) -> Table:
    """A row a patient: mean and standard deviation of each parameter over the points, and the likeliest point."""
    names, each = cohort.kernel.model.eta_names, of_patients(found, values_at(cohort, found.eta))
    table: dict[str, Sequence[str | float | int]] = {"patient": [subject.id for subject in cohort.subjects]}
    for k, name in enumerate(names):
        table |= {name: each.mean[:, k].tolist(), f"SD_{name}": each.sd[:, k].tolist()}
    return table | {
        "point": (found.posterior.argmax(axis=1) + 1).tolist(),
        "probability": found.posterior.max(axis=1).tolist(),
    }


def as_json(cohort: Cohort, found: Support, data: Data) -> str:
    """Everything that was found, with names."""
    model = cohort.kernel.model
    spread, correlation = spread_of(values_at(cohort, found.eta), found.weight), None
    if len(found.weight) > 1 and len(model.eta_names) > 1 and spread.sd.min() > 0.0:
        z = (values_at(cohort, found.eta) - spread.mean) / spread.sd
        correlation = ((found.weight[:, None] * z).T @ z).tolist()
    content = {
        "program": f"dosetwin {version()}",
        "method": "nonparametric maximum likelihood",
        "model": {"id": model.id, "hash": model.hash},
        "data": data.named(),
        "patients": len(cohort.subjects),
        "values": cohort.values,
        "points": len(found.weight),
        "minus_2_log_likelihood": found.minus_2_log,
        "objective": -2.0 * found.log,
        "may_fall_by": 2.0 * max(found.gain, 0.0),
        "may_fall_by_is": "the most that -2 log likelihood could still fall by any other distribution within the box,"
        f" by the points that were looked at; the search ends below {2.0 * GAIN:g}",
        "by_other_draws": found.by_other_draws,
        "converged": found.why == "converged",
        "ended": found.why,
        "rounds": found.rounds,
        "parameters": [
            {"name": name, "unit": next(p.unit for p in model.parameters if p.name == name), "mean": mean, "sd": sd}
            for name, mean, sd in zip(model.eta_names, spread.mean.tolist(), spread.sd.tolist(), strict=True)
        ],
        "correlation": correlation,
        "kept": "residual errors, typical values without iiv, effects of covariates and what occasions differ by are"
        " those of the model file",
    }
    return json.dumps(content, indent=1) + "\n"
