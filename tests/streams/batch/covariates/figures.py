"""How true the intervals of a full random effects model are: ``python -m tests.streams.batch.covariates.figures [N]``.

Of N simulated data sets of 80 patients, in which weight does something to clearance and volume and creatinine clearance
only goes along with weight: how often the 95 % intervals hold what is true, how far off the estimates are on average,
in their standard errors, and how large those are beside the spread of the estimates.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from streams.batch.arguments import LeftOut
from streams.batch.covariates.asked import asked
from streams.batch.covariates.full import effects_of, fitted, full_of
from streams.terminal.options import ReadingOptions
from tests.streams.batch.covariates.simulated import CORRELATION, MODEL, SD, levels

TRUE = {("CL", "WT"): 0.3, ("V", "WT"): 0.2}

COVARIATES = ("WT", "CRCL")


def one(folder: Path, seed: int) -> dict[str, tuple[float, float, float]]:
    """Of each coefficient, by one SD of its covariate: estimate, standard error, truth."""
    (folder / "model.toml").write_text(MODEL)
    (folder / "levels.csv").write_text(levels(80, seed, TRUE))
    files, model = [folder / "levels.csv"], str(folder / "model.toml")
    of = asked(files, model, ReadingOptions(), folder / "out", None, "frem", "", "", LeftOut())
    full = full_of(of, (), COVARIATES)
    effects = effects_of(fitted(of, full, "focei", lambda *_: None, folder / f"{seed}.json"), full)
    found = {}
    for name, given, truth in (("beside", COVARIATES, 0.0), ("alone", ("CRCL",), CORRELATION)):
        values, errors = effects.given(given)
        assert errors is not None
        for i, parameter in enumerate(effects.parameters):
            known = truth * TRUE[parameter, "WT"]
            found[f"{parameter} CRCL {name}"] = values[i, -1] * SD["CRCL"], errors[i, -1] * SD["CRCL"], known
    values, errors = effects.given(("WT",))
    assert errors is not None
    for i, parameter in enumerate(effects.parameters):
        found[f"{parameter} WT alone"] = values[i, 0] * SD["WT"], errors[i, 0] * SD["WT"], TRUE[parameter, "WT"]
    return found


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as where:
        every = [one(Path(where), seed) for seed in range(1, count + 1)]
    for name in every[0]:
        estimate, error, truth = np.array([each[name] for each in every]).T
        inside = np.abs(estimate - truth) < 1.96 * error
        off = (estimate - truth) / error
        print(
            f"{name:16} truth {truth[0]:.2f}, mean {estimate.mean():.3f}, covered {inside.mean():.0%},"
            f" off {off.mean():+.2f} SE, SE over spread {error.mean() / estimate.std(ddof=1):.2f}"
        )
