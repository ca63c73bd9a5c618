"""Effects of patients: how they lie in their prior, beside one another and beside covariates, and who weighs most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from connectors.reports.fitted.panel import Panel
from connectors.reports.fitted.scales import Axis
from twin.arrays import Floats
from twin.figure.axes import labelled
from twin.population.diagnostics.diagnosed import Diagnosed
from twin.population.diagnostics.effects import Covariate, difference, trend
from twin.population.theta import effect_names
from twin.population.values import Level

SIZE = (260, 200)

TOLD = 10
"""Patients of most influence that are named."""

MOST_PAIRS = 28
"""Pairs of effects that are drawn, those that correlate most."""


@dataclass(frozen=True)
class Related:
    """Two things of patients: their correlation, where both are numbers, and the p that they have nothing to do with
    each other."""

    one: str
    other: str
    correlation: float | None
    p: float


def measured_patients(d: Diagnosed) -> NDArray[np.bool_]:
    """(N,) who has any value: the others stand at 0."""
    return np.asarray(np.diff(d.cohort.first) > 0)


def histograms(d: Diagnosed) -> list[Markup]:
    """Of every effect, with the density that the population gives it."""
    who = measured_patients(d)
    return [
        _histogram(d.here.eta[who, k], float(np.sqrt(d.population.alone[k, k])), name)
        for k, name in enumerate(d.cohort.kernel.model.eta_names)
    ] + _of_occasions(d)


def _of_occasions(d: Diagnosed) -> list[Markup]:
    """Of what the data have met of each occasion, and of each step of a drift."""
    subjects, found = d.cohort.subjects, []
    of_levels: tuple[tuple[Level, str, list[int]], ...] = (
        ("iov", "occasion", [len(subject.occasions) for subject in subjects]),
        ("drift", "step of the drift", [len(subject.steps) for subject in subjects]),
    )
    for level, word, often in of_levels:
        parts, sd = d.cohort.parts[level], np.sqrt(np.diag(d.population.covariance(level)))
        for k, name in enumerate(effect_names(d.cohort.kernel.model, level)):
            met = [d.here.eta[i, part.start + k] for i, count in enumerate(often) for part in parts[:count]]
            found.append(_histogram(np.array(met), float(sd[k]), f"{name}, by {word}"))
    return found


def _histogram(eta: Floats, sd: float, name: str) -> Markup:
    reach = max(3.0 * sd, float(np.abs(eta).max(initial=0.0)) * 1.05)
    edges = np.linspace(-reach, reach, int(np.clip(np.sqrt(len(eta)) * 2, 8, 30)) + 1)
    heights = np.histogram(eta, edges)[0] / max(1, len(eta)) / (edges[1] - edges[0])
    at = np.linspace(-reach, reach, 121)
    prior = np.exp(-0.5 * (at / sd) ** 2) / (sd * np.sqrt(2.0 * np.pi))
    up = Axis(0.0, 1.22 * float(max(heights.max(), prior.max())), "density")
    shrunk = f"shrinkage {100 * (1 - np.std(eta, ddof=1) / sd):.0f} %" if len(eta) > 1 else ""
    says = f"{len(eta)} effects on {name} with their prior of SD {sd:.3g}; {shrunk}"
    panel = Panel(Axis(-reach, reach, f"effect on {name}"), up, f"Effect on {name}", says, *SIZE)
    return panel.bars(edges, heights).line(at, prior, "ink").note(shrunk).figure()


def pairs(d: Diagnosed) -> tuple[list[Markup], list[Related]]:
    """Every effect beside every other."""
    names, eta = d.cohort.kernel.model.eta_names, d.here.eta[measured_patients(d)]
    related = [
        (Related(names[j], names[i], (t := trend(eta[:, j], eta[:, i])).correlation, t.p), j, i)
        for i in range(len(names))
        for j in range(i)
    ]
    shown = sorted(related, key=lambda one: -abs(np.nan_to_num(one[0].correlation or 0.0)))[:MOST_PAIRS]
    panels = [_scatter(eta[:, j], eta[:, i], f"effect on {names[j]}", f"effect on {names[i]}") for _, j, i in shown]
    return panels, [one for one, _, _ in related]


def beside_covariates(d: Diagnosed) -> tuple[list[Markup], list[Related], list[str]]:
    """Every effect beside every covariate that differs between patients; and names of those that do not."""
    who = measured_patients(d)
    panels, related, constant = [], [], []
    for covariate in d.covariates:
        values = covariate.values[who]
        if np.ptp(values) == 0.0:
            constant.append(covariate.name)
            continue
        for k, name in enumerate(d.cohort.kernel.model.eta_names):
            eta = d.here.eta[who, k]
            if covariate.levels:
                groups = [eta[values == level] for _, level in covariate.levels]
                related.append(Related(name, covariate.name, None, difference(groups)))
                panels.append(_boxes(groups, covariate, name))
            else:
                found = trend(values, eta)
                related.append(Related(name, covariate.name, found.correlation, found.p))
                panels.append(_scatter(values, eta, labelled(covariate.name, covariate.unit), f"effect on {name}"))
    return panels, related, constant


def _scatter(x: Floats, y: Floats, across: str, up: str) -> Markup:
    found = trend(x, y)
    says = f"{up} against {across} of {len(x)} patients, correlation {found.correlation:.2f}"
    panel = Panel(Axis.over(x, across), Axis.over(y, up), f"{up} by {across}", says, *SIZE)
    ends = np.array([np.min(x), np.max(x)])
    panel.level(0.0).points(x, y).line(ends, found.intercept + found.slope * ends, "second")
    return panel.note(f"r = {found.correlation:.2f}" if np.isfinite(found.correlation) else "").figure()


def _boxes(groups: Sequence[Floats], covariate: Covariate, name: str) -> Markup:
    every = np.concatenate(groups)
    across = Axis(-0.6, len(groups) - 0.4, covariate.name)
    says = f"effect on {name} of {len(every)} patients in {len(groups)} groups by {covariate.name}"
    panel = Panel(across, Axis.over(every, f"effect on {name}"), f"effect on {name} by {covariate.name}", says, *SIZE)
    panel.level(0.0)
    for k, group in enumerate(groups):
        panel.box(float(k), group)
    return panel.figure([f"{level} ({len(g)})" for (level, _), g in zip(covariate.levels, groups, strict=True)])


def contributions(d: Diagnosed) -> list[Markup]:
    """What each patient adds to the objective, and how far the estimates would move without it."""
    count = np.arange(1, len(d.cohort) + 1, dtype=np.float64)
    found = []
    columns = [("contribution to the objective", d.here.ofv)]
    if d.influence is not None:
        columns.append(("Cook's distance", d.influence.distance))
    for name, values in columns:
        order = np.sort(values)[::-1]
        panel = Panel(
            Axis.over(count, "patients, largest first"), Axis.over(order, name), name, f"{name} of patients", *SIZE
        )
        found.append(panel.points(count, order).figure())
    return found


def weightiest(d: Diagnosed) -> list[tuple[str, float, float, str]]:
    """Patients of most influence: id, contribution, distance, and the number that moves most, with by how much."""
    if d.influence is None:
        return []
    found = []
    for i in np.argsort(-d.influence.distance, kind="stable")[:TOLD].tolist():
        k = int(np.abs(d.influence.shift[i]).argmax())
        moved = f"{d.cohort.theta.names[k]} by {d.influence.shift[i, k]:+.2f} SE"
        found.append((d.cohort.subjects[i].id, float(d.here.ofv[i]), float(d.influence.distance[i]), moved))
    return found
