"""Patients given one dose, whose levels scatter by a law with numbers beside its sizes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import special, stats

from tests.twin import toys
from tests.twin.population.diagnostics.cohorts import cohort_of
from twin.arrays import Floats
from twin.model.spec import Model
from twin.model.typical import individual_value
from twin.modelfile.reader import parse_model
from twin.observation.residual import at_levels
from twin.population.cohort import Cohort
from twin.population.theta import Theta

TIMES = (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)

DOSE = 100.0

LAWS: Mapping[str, str] = {
    "power": "power = { coefficient = 0.2, exponent = 0.6 }",
    "student": "log_additive = 0.15, df = 4",
    "outliers": "log_additive = 0.15, outliers = { share = 0.1, widening = 6 }",
    "replicates": "proportional = 0.15, replicate_correlation = 0.5",
    "transformed": "additive = 0.3, box_cox = 0.4",
    "skewed": "proportional = 0.1",
}
"""The truth; of ``skewed`` volumes have Box-Cox effects of shape `SHAPE`."""

SHAPE = -0.8

BEGUN: Mapping[str, Mapping[str, float]] = {
    "power": {"error.plasma.exponent": 1.0},
    "student": {"error.plasma.df": 10.0},
    "outliers": {"error.plasma.outlier_share": 0.05, "error.plasma.outlier_widening": 3.0},
    "replicates": {"error.plasma.replicate_correlation": 0.2},
    "transformed": {"error.plasma.box_cox": 1.0},
    "skewed": {"shape.V": 0.3},
}
"""Where fits begin."""


def model(law: str, *, rates: bool = True) -> Model:
    """A bolus, patients differing in volume and, if ``rates``, in the rate constant."""
    parameters = {"k": "0.2 1/h" + " 0.06" * rates, "V": "10 L 0.09"}
    made = toys.made(parameters, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg/L: A/V"})
    text = made.text.replace("proportional = 0.2", LAWS[law])
    if law == "skewed":
        text = text.replace("iiv = 0.09", f'iiv = 0.09\ndistribution = "box-cox"\nshape = {SHAPE}')
    return parse_model(text, "made.toml")


def drawn(of: Model, seed: int, patients: int = 40) -> tuple[Cohort, list[Floats]]:
    """Patients of a model, everything free, and the values (8,) of each; of replicates each is there twice."""
    rng, error = np.random.default_rng(seed), of.outputs[0].error
    times = np.array(TIMES if error.replicate_correlation is None else [t for t in TIMES for _ in range(2)])
    spread = {p.name: np.sqrt(p.iiv or 0.0) for p in of.parameters}
    lines, values = ["ID,TIME,EVID,AMT,DV"], []
    for patient in range(1, patients + 1):
        k, v = (individual_value(one, spread[one.name] * rng.standard_normal()) for one in of.parameters)
        f = DOSE / v * np.exp(-k * times)
        levels = rng.random(len(f))
        if error.box_cox is not None:
            z = stats.norm.ppf(levels)
            y = special.inv_boxcox(special.boxcox(f, error.box_cox) + error.additive * z, error.box_cox)
        elif error.replicate_correlation is not None:
            shared = np.repeat(rng.standard_normal(len(TIMES)), 2)
            r, own = error.replicate_correlation, rng.standard_normal(len(f))
            y = f * (1.0 + error.proportional * (np.sqrt(r) * shared + np.sqrt(1.0 - r) * own))
        else:
            y = at_levels(error, f, levels[:, None])[:, 0]
        assert (y > 0.0).all(), "levels that are not above 0 say nothing of such an error; draw by another seed"
        values.append(y)
        lines.append(f"{patient},0,1,{DOSE},.")
        lines += [f"{patient},{t},0,.,{one!r}" for t, one in zip(times.tolist(), y.tolist(), strict=True)]
    return cohort_of(of, lines), values


def begun(cohort: Cohort, law: str) -> Floats:
    """The vector (K,) that a fit begins with: the truth, but for numbers of the law."""
    theta: Theta = cohort.theta
    return theta.pack(theta.population(BEGUN[law]))
