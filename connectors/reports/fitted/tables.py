"""What the page of a fit draws, as tables: CSV files beside it, and within it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from connectors.reports.fitted.estimates import asked_for, estimates_of
from twin.population.diagnostics.diagnosed import Diagnosed
from twin.population.diagnostics.vpc import PERCENTILES

Cell = str | int | float | None

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""

SIDES = {-1: "below", 0: "", 1: "above"}


def tables(found: Mapping[str, Any], d: Diagnosed) -> dict[str, str]:
    """Every table by its name, as CSV; what is no number is empty."""
    return {
        "estimates": _csv(*_estimates(found)),
        "correlation": _csv(*_correlation(found)),
        "trace": _csv(*_trace(found)),
        "values": _csv(*_values(d)),
        "courses": _csv(*_courses(d)),
        "checks": _csv(*_checks(d)),
        "patients": _csv(*_patients(d)),
    }


Table = tuple[Sequence[str], Iterable[Sequence[Cell]]]


def _estimates(found: Mapping[str, Any]) -> Table:
    further = [f"{key}_{end}_95" for key, _ in asked_for(found) for end in ("low", "high")]
    rows = [
        (e.name, e.value, e.error, e.rse, e.low, e.high, *(end for ends in e.others for end in ends))
        for e in estimates_of(found)
    ]
    return ("name", "value", "se", "rse_percent", "low_95", "high_95", *further), rows


def _correlation(found: Mapping[str, Any]) -> Table:
    names = [one["name"] for one in found["estimates"]]
    return ("name", *names), [(name, *row) for name, row in zip(names, found["correlation"] or [], strict=False)]


def _trace(found: Mapping[str, Any]) -> Table:
    heads = ("step", "objective", "steepest_slope", *(one["name"] for one in found["estimates"]))
    return heads, [(p["step"], p["objective"], p["slope"], *p["values"]) for p in found["trace"]]


def _values(d: Diagnosed) -> Table:
    m, r, outputs = d.measured, d.residuals, d.cohort.kernel.model.outputs
    heads = ("patient", "output", "time", "value", "limit", "pred", "ipred", "iwres", "cwres", "npde")
    columns = (m.patient, m.output, m.time, m.value, m.side, r.pred, r.ipred, r.iwres, r.cwres, d.npde)
    rows = [
        (d.cohort.subjects[i].id, outputs[o].name, time, value, SIDES[side], *more)
        for i, o, time, value, side, *more in zip(*(c.tolist() for c in columns), strict=True)
    ]
    return heads, rows


def _courses(d: Diagnosed) -> Table:
    rows: list[Sequence[Cell]] = []
    for subject, course in zip(d.cohort.subjects, d.courses, strict=True):
        for number, output in enumerate(d.cohort.kernel.model.outputs):
            each = zip(
                course.times.tolist(), course.typical[:, number].tolist(), course.own[:, number].tolist(), strict=True
            )
            rows += [(subject.id, output.name, *row) for row in each]
    return ("patient", "output", "time", "pred", "ipred"), rows


def _checks(d: Diagnosed) -> Table:
    heads = ("output", "group", "check", "of", "start", "end", "values", "observed", "expected", "low_90", "high_90")
    rows: list[Sequence[Cell]] = []
    for check in d.checks:
        own = (d.cohort.kernel.model.outputs[check.output].name, check.group)
        for one, words in ((check.plain, "as measured"), (check.corrected, "prediction-corrected")):
            for b in one.bins if one is not None else ():
                for k, level in enumerate(PERCENTILES):
                    of = (float(b.observed[k]), float(b.expected[k]), *b.interval[k].tolist())
                    rows.append((*own, words, f"percentile {level:g}", b.start, b.end, b.values, *of))
        for name, bins in check.shares:
            rows += [
                (*own, "share", name, s.start, s.end, s.values, s.observed, s.expected, *s.interval.tolist())
                for s in bins
            ]
    return heads, rows


def _patients(d: Diagnosed) -> Table:
    names, mixture = d.cohort.kernel.model.eta_names, d.cohort.kernel.model.mixture
    classes = () if mixture is None else mixture.classes
    probability = np.empty((len(d.cohort), 0)) if d.here.posterior is None else d.here.posterior
    heads = (
        "patient",
        *(f"eta.{name}" for name in names),
        *(c.name for c in d.covariates),
        *(f"probability.{name}" for name in classes),
        "objective",
        "cook_distance",
    )
    distance = np.full(len(d.cohort), np.nan) if d.influence is None else d.influence.distance
    rows = [
        (
            subject.id,
            *d.here.eta[i, : len(names)].tolist(),
            *(float(c.values[i]) for c in d.covariates),
            *probability[i].tolist(),
            float(d.here.ofv[i]),
            float(distance[i]),
        )
        for i, subject in enumerate(d.cohort.subjects)
    ]
    return heads, rows


def _csv(heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def _cell(cell: Cell) -> str | int:
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return ""
    if isinstance(cell, float):
        return f"{cell:.7g}"
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULAS) else cell
