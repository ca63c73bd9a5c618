"""Patients whose covariates do what is known: a bolus, one compartment, five levels, for tests of searches.

    ln CL = ln 5 + by["CL", WT] zw + by["CL", CRCL] zc + eta,    ln V = ln 40 + ... + eta

with zw and zc the standardised weight (mean 70 kg, SD 12) and creatinine clearance (90 mL/min, SD 20), of correlation
0.6, and SEX, a coin that does nothing unless it is told to. In `IN_SITES` patients are of sites, which differ in
clearance (SD 0.5), and half of weight is the site's.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

MODEL = """
id = "simulated"
drug = "drug"
title = "One compartment"
time_unit = "h"

[[sources]]
citation = "made up for tests"

[covariates.WT]
unit = "kg"
reference = 70
source = "made up for tests"

[covariates.CRCL]
unit = "mL/min"
reference = 90
source = "made up for tests"

[covariates.SEX]
unit = "1"
reference = 0
source = "made up for tests"

[parameters.CL]
value = 5.0
unit = "L/h"
iiv = 0.09
source = "made up for tests"

[parameters.V]
value = 40.0
unit = "L"
iiv = 0.04
source = "made up for tests"

[states.A]
unit = "mg"
derivative = "input(drug) - CL/V*A"

[outputs.plasma]
unit = "mg/L"
expression = "A/V"
error = { proportional = 0.1, source = "made up for tests" }

[cadence]
estimate = 4
forecast = 12
horizon = 72

[numerics]
"""

IN_SITES = MODEL.replace("iiv = 0.09\n", "iiv = 0.09\nisv = 0.25\n").replace(
    "[parameters.CL]",
    """[covariates.SITE]
unit = "1"
reference = 0
source = "made up for tests"

[sites]
covariate = "SITE"
source = "made up for tests"

[parameters.CL]""",
)

Effects = Mapping[tuple[str, str], float]
"""Of parameter and covariate: what one standard deviation does along eta."""

HOURS = (0.5, 2.0, 5.0, 10.0, 18.0)

CORRELATION = 0.6

SD = {"WT": 12.0, "CRCL": 20.0, "SEX": 0.5}


def levels(patients: int, seed: int, by: Effects, noise: int = 0, each: int = 0) -> str:
    """A table of so many patients as `dosetwin` reads it; with columns N1, N2 ... that say nothing, and SITE where
    ``each`` site has so many patients."""
    rng = np.random.default_rng(seed)
    columns = ["ID,TIME,EVID,AMT,DV,WT,CRCL,SEX", *(f"N{k + 1}" for k in range(noise)), *(["SITE"] if each else [])]
    lines, apart, heavy = [",".join(columns)], 0.0, 0.0
    for patient in range(1, patients + 1):
        if each and patient % each == 1:
            apart, heavy = rng.normal(0.0, 0.5), rng.normal()
        weight = np.sqrt(0.5) * (heavy + rng.normal()) if each else rng.normal()
        z = {
            "WT": weight,
            "CRCL": CORRELATION * weight + np.sqrt(1.0 - CORRELATION**2) * rng.normal(),
            "SEX": float(rng.integers(2)) * 2.0 - 1.0,
        }
        sd = {"CL": 0.3, "V": 0.2}
        eta = {name: rng.normal(0.0, sd[name]) + sum(by.get((name, c), 0.0) * z[c] for c in z) for name in sd}
        clearance, volume = 5.0 * np.exp(eta["CL"] + apart), 40.0 * np.exp(eta["V"])
        told = [70.0 + 12.0 * z["WT"], 90.0 + 20.0 * z["CRCL"], (z["SEX"] + 1.0) / 2.0, *rng.normal(size=noise)]
        told += [1 + (patient - 1) // each] if each else []
        said = ",".join(f"{value:.6g}" for value in told)
        lines.append(f"{patient},0,1,500,.,{said}")
        for hours in HOURS:
            level = 500.0 / volume * np.exp(-clearance / volume * hours) * (1.0 + 0.1 * rng.normal())
            lines.append(f"{patient},{hours},0,.,{level:.5f},{said}")
    return "\n".join(lines) + "\n"
