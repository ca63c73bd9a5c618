"""The page of a fit, of what `fit.json` says and what the data say of it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from connectors.reports.fitted import effects
from connectors.reports.fitted.estimates import asked_for, estimates_of, heat_map, strong_pairs
from connectors.reports.fitted.goodness import goodness, opens_on_logarithms
from connectors.reports.fitted.individuals import sheets
from connectors.reports.fitted.predictive import check_panels
from connectors.reports.fitted.search_panels import trace_panels
from connectors.reports.pages import page
from twin.observation.kinds import kind_of
from twin.population.diagnostics.diagnosed import Diagnosed
from twin.population.diagnostics.predictive import SETS
from twin.population.diagnostics.vpc import LEAST_IN_BIN, MOST_BINS

WORDS = {"focei": "FOCE-I", "foce": "FOCE", "laplace": "Laplace’s method"}


def fit_page(found: Mapping[str, Any], d: Diagnosed, tables: Mapping[str, str]) -> str:
    """The page.

    Args:
        found: content of ``fit.json``.
        tables: `connectors.reports.fitted.tables.tables` of the same, which the page holds within it.
    """
    etas, etas_related = effects.pairs(d)
    covariates, related, constant = effects.beside_covariates(d)
    return page(
        "fit.html",
        model=d.cohort.kernel.model,
        found=found,
        d=d,
        estimates=estimates_of(found),
        asked_for=[
            {"bootstrap": "bootstrap", "profile": "profile", "sir": "resampling"}[key] for key, _ in asked_for(found)
        ],
        strong=strong_pairs(found),
        heat_map=heat_map(found),
        traces=trace_panels(found),
        outputs=[_output(d, number) for number in np.unique(d.measured.output).tolist()],
        histograms=effects.histograms(d),
        etas=etas,
        etas_related=etas_related,
        covariates=covariates,
        related_rows=related,
        constant=constant,
        contributions=effects.contributions(d),
        weightiest=effects.weightiest(d),
        modes=WORDS[d.method],
        sets=min(SETS, d.replicates),
        most_bins=MOST_BINS,
        least_in_bin=LEAST_IN_BIN,
        table={name: _within(name, text) for name, text in tables.items()},
    )


def _output(d: Diagnosed, number: int) -> dict[str, Any]:
    spec = d.cohort.kernel.model.outputs[number]
    of, kind = d.measured.output == number, kind_of(spec)
    shown, drawn, having = sheets(d, number)
    checks = [(check, check_panels(d.cohort.kernel.model, check)) for check in d.checks if check.output == number]
    return {
        "spec": spec,
        "values": int(of.sum()),
        "limited": int((d.measured.side[of] != 0).sum()),
        "goodness": goodness(d, number),
        "log_first": opens_on_logarithms(d, number),
        "sheets": shown,
        "drawn": drawn,
        "having": having,
        "checks": checks,
        "missing": _missing(d, number, discrete=kind.discrete, awaited=kind.awaited),
    }


def _missing(d: Diagnosed, number: int, *, discrete: bool, awaited: bool) -> list[str]:
    """Diagnostics that there are none of for an output, and why."""
    spec, of, said = d.cohort.kernel.model.outputs[number], d.measured.output == number, []
    if awaited:
        said.append(
            "It is awaited: what is measured is when it happens, so there are no residuals, no NPDE, and no predictive"
            " check, since when it is looked for depends on whether it has happened."
        )
    elif discrete:
        said.append(
            "Its values are whole numbers with probabilities: there are no CWRES. NPDE take a random place among equals"
            " and are not decorrelated within a patient, so that their tests call a right model wrong too often."
        )
        if not np.isfinite(d.residuals.iwres[of]).any():
            said.append("A category has no standard deviation: there are no IWRES.")
    if (d.measured.side[of] != 0).any():
        said.append(
            "Values known only by a limit have no CWRES and no IWRES. Their NPDE are those of simulated values beyond"
            " the limit; in checks of percentiles they and simulated ones there are the lowest or highest of their bin."
        )
    if spec.error.df is not None or spec.error.outliers is not None:
        said.append("Its error has heavy tails: CWRES and IWRES are in units of its scale, and are not normal.")
    return said


def _within(name: str, text: str) -> Markup:
    """A link that holds a table."""
    data = base64.b64encode(text.encode()).decode()
    return Markup('<a download="{}.csv" href="data:text/csv;base64,{}">{}.csv</a>').format(name, data, name)
