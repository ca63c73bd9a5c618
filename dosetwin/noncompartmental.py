"""Noncompartmental analysis of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.feeds.bad_lines import BadLine
from connectors.feeds.nmtran.lines.records import DataRecord, read_records, table_records
from connectors.feeds.nmtran.lines.text import lines_of
from dosetwin.frames import PANDAS, Frame, cells_of, frame_library, frame_of, is_frame, rows_table
from streams.batch.nca.rows import HowGiven, rows_of
from streams.batch.nca.tables import HowAnalysed, analysed, names_of, parameter_table
from twin.nca.profile import Route
from twin.nca.trapezoids import Rule
from twin.nca.units import Units


@dataclass(frozen=True, repr=False)
class Noncompartmental:
    """What `nca` found.

    Attributes:
        parameters: a row a dose that values follow: ``ID``, ``dose_number``, ``dose_time``, every parameter, and
            ``remarks``.
        units: of each parameter, UCUM.
        left_out: rows that could not be used: ``place``, ``reason``.
        notes: what was decided where the data left something open.
    """

    parameters: Frame
    units: dict[str, str]
    left_out: Frame
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Noncompartmental analysis of {len(self.parameters)} doses>"


def nca(
    records: Frame | str | Path,
    *,
    route: Route | None = None,
    dose: float | None = None,
    duration: float = 0.0,
    tau: float | None = None,
    rule: Rule = "linear_up_log_down",
    intervals: Iterable[tuple[float, float]] = (),
    lower_limit: float | None = None,
    dose_unit: str = "mg",
    concentration_unit: str = "mg/L",
    time_unit: str = "h",
    molar_mass: float | None = None,
    columns: Mapping[str, str] | None = None,
) -> Noncompartmental:
    """Analyse every patient without a model, as Phoenix WinNonlin does (``dosetwin nca`` on a command line).

    Args:
        records: a data frame in the style of NM-TRAN (ID TIME AMT DV EVID ...), or the path of such a CSV.
        route: of doses without RATE or DUR, which are infusions: ``extravascular`` or ``bolus``.
        dose: of each patient at TIME 0, where no row tells any; ``duration`` of it, if it was an infusion.
        tau: doses are at steady state, so far apart.
        rule: what lies between two values: ``linear``, ``linear_up_log_down`` or ``linear_log``.
        intervals: begin and end of areas of their own.
        lower_limit: of quantification; a column LLOQ says it too.
        dose_unit, concentration_unit: UCUM; volumes come in litres, for each kg or m2 where the dose does.
        time_unit: ``min``, ``h`` or ``d``.
        molar_mass: g/mol, where dose and concentration are a mass and a substance.
        columns: the data set's names for data items, where they differ.

    Raises:
        ValueError: an argument does not fit, or the data set cannot be read; names what and the mend.

    >>> import pandas as pd
    >>> levels = pd.DataFrame({"ID": 1, "TIME": [1.0, 2.0, 4.0, 8.0], "DV": [8.0, 4.0, 1.0, 0.0625]})
    >>> found = nca(levels, route="bolus", dose=320.0)
    >>> round(float(found.parameters["vss_obs"][0]), 6), found.units["vss_obs"]
    (20.0, 'L')
    """
    units = Units(dose_unit, concentration_unit, time_unit, molar_mass)
    bad: list[BadLine] = []
    notes: Counter[str] = Counter()
    found: Iterable[DataRecord]
    if is_frame(records):
        kind, where = frame_library(records), "row"
        found = table_records(*cells_of(records, columns or {}), (), columns or {}, notes)
    else:
        kind, where = PANDAS, f"{records}: line"
        found = read_records(lines_of(Path(records)), (), columns or {}, bad, notes)
    given = HowGiven(route, dose, duration, tau, lower_limit)
    subjects = rows_of(found, given, bad, notes, hours=time_unit == "h")
    results = analysed(subjects, HowAnalysed(units, rule, None, tuple(intervals)))
    left_out = rows_table(("place", "reason"), [(f"{where} {line.line}", line.reason) for line in bad])
    return Noncompartmental(
        frame_of(parameter_table(results), kind),
        {name: units.of(name) for name in names_of(results)},
        frame_of(left_out, kind),
        tuple(notes),
    )
