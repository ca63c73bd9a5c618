"""What those who dose know of warfarin: an earlier trial in other patients, and the model that was fitted to it.

    python -m tests.twin.dosing.warfarin.earlier_trial DIR
    dosetwin fit DIR/earlier.csv --model tests/twin/dosing/warfarin/warfarin_inr.toml \\
        --fix GAMMA,K22,K33,KAGE,EAA --out DIR/fitted

writes the trial and fits it. 100 patients are drawn like those of the benchmark and are none of them; each begins with
2.5, 5, 7.5 or 10 mg a day by chance, and from the third day on the dose goes by the INR. INR is measured on thirteen
days of eight weeks, the concentration on six of two in most (errors of 10 %).
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from tests.twin.dosing.warfarin.cohort import Trial, others

PATIENTS, SEED, DAYS = 100, 2766, 56
INR_DAYS = (0, 1, 2, 3, 5, 7, 13, 20, 27, 34, 41, 48, 55)
LEVEL_DAYS, WITH_LEVELS = (1, 2, 3, 5, 7, 13), 80
COLUMNS = ("ID", "TIME", "EVID", "AMT", "DV", "DVID", "S22", "S33", "AGE", "VKORC1")


def rows(trial: Trial, seed: int = SEED) -> list[tuple[object, ...]]:
    """Records of the trial: `COLUMNS`, time in h."""
    n = len(trial.age)
    rng = np.random.default_rng([seed, 1])
    dose = rng.choice([2.5, 5.0, 7.5, 10.0], n)
    people = list(zip(trial.s22, trial.s33, np.round(trial.age, 2), trial.vkorc1, strict=True))
    found: list[tuple[object, ...]] = []
    for day in range(DAYS):
        hour = 24 * day
        if day in INR_DAYS:
            values = np.round(trial.measured(), 4)
            found += [(i + 1, hour, 0, 0, values[i], 1, *people[i]) for i in range(n)]
            if day >= 3:
                factor = np.where((values < 2.0) | (values > 3.0), np.clip(2.45 / values, 0.5, 1.7), 1.0)
                dose = np.clip(np.round(2.0 * dose * factor) / 2.0, 0.5, 30.0)
        if day in LEVEL_DAYS:
            levels = np.round(trial.concentration() * rng.lognormal(-0.005, 0.1, n), 4)
            found += [(i + 1, hour, 0, 0, levels[i], 2, *people[i]) for i in range(min(WITH_LEVELS, n))]
        found += [(i + 1, hour, 1, dose[i], ".", 1, *people[i]) for i in range(n)]
        trial.dose(dose)
    return sorted(found, key=lambda row: (row[0], row[1], row[2]))  # type: ignore[arg-type]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "earlier.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows(others(PATIENTS, SEED, DAYS))])
