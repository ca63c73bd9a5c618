"""Individual estimates of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.feeds.nmtran.several_files import same_ids
from dosetwin.frames import Frame, frame_of
from dosetwin.models import ModelLike, the_model
from dosetwin.records import Records, processes, read_records
from streams.batch.estimate import IndividualEstimate, estimate_table, value_table
from streams.batch.estimate import estimate as estimate_cases
from streams.batch.estimated import remarks as estimate_remarks
from streams.batch.estimated import shrinkage
from streams.batch.process_pool import prepare
from twin.model.spec import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class Estimates:
    """What `estimate` found.

    Attributes:
        individuals: a row a patient: ``ETA_...`` and ``SE_...`` of each random effect, ``KAPPA_..._n`` of each
            occasion (which one, says ``OCCASION_n``), every individual parameter, ``OFV``, ``converged``,
            ``modes_found``, the covariates ``at_reference``, and what was ``left_out`` of the patient's record.
        values: a row a measured value: ``ID TIME DV PRED IPRED IWRES NPDE OUTPUT``; TIME in the model's unit.
        left_out: rows, events and patients that could not be used: ``place``, ``reason``.
        notes: what was decided where the data left something open, and whom the search for a mode did not settle in.
        shrinkage: of each random effect over the patients, 1 - SD(eta)/omega; of fewer than two patients nothing.
    """

    model: Model
    individuals: Frame
    values: Frame
    left_out: Frame
    notes: tuple[str, ...]
    shrinkage: dict[str, float]
    found: tuple[IndividualEstimate, ...]

    def __repr__(self) -> str:
        values = sum(len(one.values) for one in self.found)
        return f"<Estimates of {len(self.found)} patients, {values} values, by {self.model.id}>"

    def plot(self, output: str | None = None) -> Figure:
        """Goodness of fit of one output: measured against predicted, IWRES and NPDE.

        Args:
            output: its name; by default the first that was measured.

        Raises:
            ValueError: nothing of that name was measured.
        """
        import numpy as np

        from connectors.reports.fits import goodness_figure

        outputs = {output.name: output.unit for output in self.model.outputs}
        measured = [name for name in outputs if any(v.output == name for one in self.found for v in one.values)]
        name = output or next(iter(measured), "")
        if name not in measured:
            raise ValueError(f"output: {name!r} was not measured; there is {', '.join(measured) or 'nothing'}")
        rows = [value for one in self.found for value in one.values if value.output == name]
        columns = np.array([(v.value, v.population, v.individual, v.iwres, v.npde, v.time) for v in rows]).T
        of_value = dict(zip(("dv", "pred", "ipred", "iwres", "npde", "time"), columns, strict=True))
        return goodness_figure(outputs[name], self.model.time_unit, of_value)


def estimate(
    records: Records,
    model: ModelLike,
    *,
    columns: Mapping[str, str] | None = None,
    output: str | None = None,
    join: bool = False,
    prefix_ids: bool = False,
    jobs: int | None = None,
) -> Estimates:
    """Estimate every patient of a data set, as a NONMEM post hoc step does (``dosetwin estimate`` on a command line).

    Args:
        records: a data frame in the style of NM-TRAN (ID TIME AMT DV EVID ...; a TIME of dates is understood), a path
            of NM-TRAN CSV or NDJSON events or several, or events (`dosetwin.events`).
        model: a model, or its id or path.
        columns: the data set's names for data items and covariates, where they differ: ``{"TIME": "TIME_DAYS"}``.
        output: what DV is, where there is no DVID.
        join: one id in several files is one patient; without it, that is refused.
        prefix_ids: every patient's id begins with the name of its file, so that one id in two files is two patients.
        jobs: worker processes, by default one a core; 0 works in this process. The results are the same.

    Returns:
        Data frames of the kind that came in, of pandas where none did.

    Raises:
        ValueError: nothing in the data can be used, or an argument does not fit it; names column, value and mend.
        ModelError: no such model.

    >>> import pandas as pd
    >>> records = pd.DataFrame({"ID": 1, "TIME": [0.0, 3.0], "AMT": [96.0, None], "RATE": [96.0, None],
    ...                      "DV": [None, 0.15], "DVID": [None, "docetaxel_plasma"]})
    >>> found = estimate(records, "docetaxel_ozawa2007", jobs=0)
    >>> found
    <Estimates of 1 patients, 1 values, by docetaxel_ozawa2007>
    >>> found.values[["ID", "TIME", "DV", "OUTPUT"]]
       ID  TIME    DV            OUTPUT
    0   1   3.0  0.15  docetaxel_plasma
    """
    known = the_model(model, mixtures=True)
    cases, remarks = read_records(records, known, columns, output, same=same_ids(join=join, prefix_ids=prefix_ids))
    workers = processes(jobs, len(cases))
    prepare([known], workers)
    found = estimate_cases(cases, known, workers, remarks.problems.append, lambda _: None)
    remarks.warn()
    return Estimates(
        known,
        frame_of(estimate_table(known, found), remarks.kind),
        frame_of(value_table(found), remarks.kind),
        remarks.left_out(),
        (*remarks.notes, *estimate_remarks(found)),
        shrinkage(known, found),
        found,
    )
