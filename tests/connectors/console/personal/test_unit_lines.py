"""Lines by which a page converts: the same as the twin's own conversion, and none where there is none."""

from __future__ import annotations

import pytest

from connectors.console.patient.individual import Analyte
from connectors.console.personal.unit_lines import lines_of
from streams.commands.live.console import library_notes
from twin.units import convert


def test_a_line_gives_what_the_conversion_gives_for_everything_that_library_models_measure() -> None:
    measured = tuple({one for notes in library_notes().values() for one in notes.analytes})
    lines = lines_of(measured)
    masses = {(one.name, one.unit): one.molar_mass for one in measured}
    assert {"neutrophils", "methotrexate_plasma", "creatinine", "temperature"} <= set(lines)
    for name, by_unit in lines.items():
        for unit, found in by_unit.items():
            for code, (slope, offset) in found.to.items():
                for value in (0.0, 0.037, 41.5):
                    wanted = convert(value, unit, code, masses.get((name, unit)))
                    assert value * slope + offset == pytest.approx(wanted, rel=1e-10, abs=1e-10), (name, code)


@pytest.mark.parametrize(
    ("analyte", "code", "value", "shown"),
    [
        (Analyte("neutrophils", "10*9/L"), "/uL", 0.5, 500.0),
        (Analyte("creatinine", "umol/L", 113.12), "mg/dL", 88.4, 1.0),
        (Analyte("methotrexate_plasma", "mg/L", 454.44), "umol/L", 4.5444, 10.0),
        (Analyte("temperature", "Cel"), "[degF]", 38.0, 100.4),
    ],
)
def test_a_ward_reads_what_it_is_used_to(analyte: Analyte, code: str, value: float, shown: float) -> None:
    slope, offset = lines_of([analyte])[analyte.name][analyte.unit].to[code]
    assert value * slope + offset == pytest.approx(shown, rel=1e-3)


def test_what_has_no_molar_mass_stays_a_mass_and_what_is_no_quantity_of_these_stays_out() -> None:
    lines = lines_of([Analyte("VEGF_plasma", "pg/mL"), Analyte("tumour_size", "mm")])
    assert "umol/L" not in lines["VEGF_plasma"]["pg/mL"].to
    assert "tumour_size" not in lines
