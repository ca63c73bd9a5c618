"""``dosetwin nca``: noncompartmental analysis of a data set, as a table.

A row a dose that values follow (or with ``--long`` a row a parameter, as CDISC's domain PP has them); with ``--sparse``
one row for all patients together, with ``--urine`` a row a patient's collections. What cannot be used is reported on
stderr with its line and reason while the rest goes on; the exit code is then 3. Arguments that cannot be used end the
command with exit code 2 before anything is written. The last line on stderr is JSON: what was read, analysed and left
out.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.terminal.options import Columns, Where, examples

if TYPE_CHECKING:
    from streams.batch.nca.rows import Subject
    from streams.batch.nca.tables import Analysed, HowAnalysed

app = typer.Typer()


class RouteOption(StrEnum):
    """How doses were given that do not last."""

    EXTRAVASCULAR = "extravascular"
    BOLUS = "bolus"


class RuleOption(StrEnum):
    """What lies between two values."""

    LINEAR = "linear"
    UP_DOWN = "linear_up_log_down"
    AFTER_PEAK = "linear_log"


@app.command(
    epilog=examples(
        "dosetwin nca theophylline.csv --dose 320 --route extravascular --rule linear --out nca.csv",
        "dosetwin nca levels.csv --route bolus --concentration-unit ng/mL --interval 0:24 --long --out pp.csv",
        "dosetwin nca urine.csv --urine --volume-unit mL --route extravascular --out excretion.csv",
    )
)
def nca(
    file: Annotated[Path, typer.Argument(help="NM-TRAN style CSV", show_default=False)],
    out: Annotated[Path, typer.Option(help="CSV of the results")],
    route: Annotated[RouteOption | None, typer.Option(help="of doses without RATE or DUR, which are infusions")] = None,
    dose: Annotated[
        float | None, typer.Option(help="of each patient at TIME 0, where no row tells any", show_default=False)
    ] = None,
    duration: Annotated[float, typer.Option(min=0.0, help="of that dose, an infusion")] = 0.0,
    tau: Annotated[float | None, typer.Option(help="doses are at steady state, so far apart")] = None,
    rule: Annotated[RuleOption, typer.Option(help="what lies between two values")] = RuleOption.UP_DOWN,
    terminal: Annotated[
        str | None, typer.Option(help="stretch of the terminal line, as 9:24; sought by adjusted R squared without")
    ] = None,
    interval: Annotated[list[str] | None, typer.Option(help="an area of its own, as 0:24; may be repeated")] = None,
    lower_limit: Annotated[float | None, typer.Option(help="of quantification; a column LLOQ says it too")] = None,
    dose_unit: Annotated[str, typer.Option(help="UCUM, also mg/kg or mg/m2")] = "mg",
    concentration_unit: Annotated[str, typer.Option(help="UCUM")] = "mg/L",
    time_unit: Annotated[str, typer.Option(help="min, h or d")] = "h",
    volume_unit: Annotated[str, typer.Option(help="with --urine: of VOLUME, UCUM")] = "mL",
    molar_mass: Annotated[
        float | None, typer.Option(help="g/mol, where dose and concentration are a mass and a substance")
    ] = None,
    columns: Columns = "",
    where: Where = None,
    sparse: Annotated[
        bool, typer.Option("--sparse", help="one area under the means of all patients, by linear trapezoids")
    ] = False,
    urine: Annotated[
        bool, typer.Option("--urine", help="DV is of urine collected from TIME to END, of a VOLUME")
    ] = False,
    long: Annotated[bool, typer.Option("--long", help="a row a parameter, with its CDISC code and unit")] = False,
) -> None:
    """Analyse every patient without a model: areas, terminal slope, clearance, volumes, residence times."""
    import json
    from collections import Counter

    from connectors.feeds.bad_lines import BadLine
    from connectors.feeds.nmtran.lines.records import read_records
    from connectors.feeds.nmtran.lines.text import lines_of
    from connectors.feeds.nmtran.reader import parse_columns
    from streams.batch.arguments import LEFT_OUT, conditions_of, usable_arguments
    from streams.batch.cases import CaseError, require_files
    from streams.batch.nca.rows import COLLECTIONS, HowGiven, rows_of
    from streams.batch.nca.tables import HowAnalysed, long_table, wide_table
    from streams.batch.tables import write_table
    from twin.nca.profile import NcaError
    from twin.nca.units import Units

    bad: list[BadLine] = []
    notes: Counter[str] = Counter()
    with usable_arguments():
        require_files([file])
        if sparse and urine:
            raise CaseError("--sparse and --urine are two analyses: choose one")
        for option, said in (("--interval", interval), ("--terminal", terminal)):
            if said and (sparse or urine):
                which = "--sparse" if sparse else "--urine"
                raise CaseError(f"{option} is of each patient's course: leave it out, or {which}")
        if not out.parent.is_dir():
            raise CaseError(f"--out {out}: no such folder as {out.parent}; make it first")
        chosen = conditions_of(where)
        given = HowGiven(None if route is None else route.value, dose, duration, tau, lower_limit)
        try:
            units = Units(dose_unit, concentration_unit, time_unit, molar_mass)
            how = HowAnalysed(
                units,
                rule.value,
                None if terminal is None else _stretch("--terminal", terminal),
                tuple(_stretch("--interval", text) for text in interval or ()),
            )
            extra = COLLECTIONS if urine else ()
            records = read_records(lines_of(file), extra, parse_columns(columns), bad, notes, chosen)
            subjects = rows_of(records, given, bad, notes, hours=time_unit == "h", urine=urine)
            results = _results(subjects, how, volume_unit, sparse=sparse, urine=urine)
        except NcaError as error:
            raise CaseError(str(error)) from None
        write_table(out, (long_table if long else wide_table)(results, units))
    for text in notes:
        typer.echo(f"note: {text}", err=True)
    for line in sorted(bad, key=lambda line: line.line):
        typer.echo(f"{file}:{line.line}: {line.reason}", err=True)
    nothing = [one for one in results if not one.found]
    for one in results:
        for remark in one.remarks:
            typer.echo(f"patient {one.patient}, dose {one.number}: {remark}", err=True)
    summary = {"patients": len(subjects), "analysed": len(results) - len(nothing), "left_out": len(bad) + len(nothing)}
    typer.echo(json.dumps(summary | {"out": str(out)}), err=True)
    raise typer.Exit(LEFT_OUT if bad or nothing else 0)


def _results(
    subjects: dict[str, Subject], how: HowAnalysed, volume: str, *, sparse: bool, urine: bool
) -> list[Analysed]:
    from streams.batch.nca.tables import Analysed, analysed, excreted, together

    if urine:
        return excreted(subjects, how, volume)
    if sparse:
        area = together(subjects)
        return [Analysed("all", 1, 0.0, area.found, area.remarks)]
    return analysed(subjects, how)


def _stretch(option: str, text: str) -> tuple[float, float]:
    from streams.batch.cases import CaseError

    begin, colon, end = text.partition(":")
    try:
        found = float(begin), float(end)
    except ValueError:
        found = (0.0, 0.0)
    if not colon or not 0.0 <= found[0] < found[1] < float("inf"):
        raise CaseError(f"{option} {text!r}: give two times, the earlier first, as 0:24")
    return found
