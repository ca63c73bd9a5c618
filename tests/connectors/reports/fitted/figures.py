"""What the page of a fit takes: ``python -m tests.connectors.reports.fitted.figures FOLDER METHOD SET ...``.

Of each published set, fitted by a method, the processor seconds of its diagnostics (with everything compiled) and of
its page, how many residuals and prediction errors vary as they should, and the size of the page, which goes into the
folder as ``SET.html``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from connectors.reports.fitted.page import fit_page
from connectors.reports.fitted.tables import tables
from streams.batch.population.fit import as_json, fit
from streams.batch.population.patients import Data
from tests.twin.population.published.sets import SETS
from twin.population.diagnostics.diagnosed import diagnosed
from twin.population.diagnostics.normality import normality


def figures(name: str, method: Any, folder: Path) -> str:
    """A line of the table."""
    cohort = SETS[name].cohort()
    found = fit(cohort, method, lambda *_: None)
    said = json.loads(as_json(found, Data((Path(f"{name}.csv"),), (), "0" * 32), name))
    begun = time.process_time()
    seen = diagnosed(cohort, found.evaluation.vector, method)
    between = time.process_time()
    page = fit_page(said, seen, tables(said, seen))
    took = time.process_time() - between
    (folder / f"{name}.html").write_text(page)
    variances = [normality(values).variance for values in (seen.residuals.cwres, seen.residuals.iwres, seen.npde)]
    return (
        f"{name:24} {len(cohort):4} patients {int(cohort.first[-1]):5} values  diagnostics {between - begun:5.2f} s"
        f"  page {took:5.2f} s  {len(page) / 1e6:.2f} MB  variance of CWRES {variances[0]:.2f} IWRES {variances[1]:.2f}"
        f" NPDE {variances[2]:.2f}  {found.state.why}"
    )


if __name__ == "__main__":
    for one in sys.argv[3:]:
        print(figures(one, sys.argv[2], Path(sys.argv[1])), flush=True)
