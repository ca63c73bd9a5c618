"""What an observation record says: a value, a limit, or nothing that can be used."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord, NmtranError
from connectors.feeds.nmtran.observations import Observed, Observer
from tests.twin import toys
from twin.modelfile.reader import parse_model

MODEL = parse_model(toys.ABSORPTION, "toy_absorption.toml")
LEVEL, CELLS = MODEL.outputs
ITEMS = ("DV", "LNDV", "DVID", "CMT", "AMT", "CENS", "BLQ", "LIMIT", "LLOQ")


def observed(asked: str | None = "toxin", *, measured: bool = False, **cells: object) -> Observed | None:
    return Observer(MODEL, asked, Counter()).observed(record_of(**cells), measured)


def record_of(**cells: object) -> DataRecord:
    return DataRecord(2, [str(cells.get(item, ".")) for item in ITEMS], {item: i for i, item in enumerate(ITEMS)})


def test_a_value_is_of_the_output_that_the_record_names() -> None:
    assert observed(DV=3) == Observed(LEVEL, 3.0)
    assert observed(DV=3, DVID=2) == observed(DV=3, DVID="cells") == observed(DV=3, DVID="ANC") == Observed(CELLS, 3.0)
    names = [state.name for state in MODEL.states]
    assert observed(None, DV=3, CMT=names.index("Cells") + 1) == Observed(CELLS, 3.0)
    assert observed(None, DV=3) == Observed(LEVEL, 3.0)


def test_a_logarithm_stands_for_its_exponential_where_there_is_no_value() -> None:
    logged = observed(LNDV=-0.5)
    assert logged is not None
    assert logged.value == pytest.approx(0.60653066)
    assert observed(DV=3, LNDV=1) == Observed(LEVEL, 3.0)
    limit = observed(LNDV=-2, CENS=1)
    assert limit is not None
    assert (round(limit.value, 6), limit.below) == (0.135335, True)
    with pytest.raises(BadRecord, match="LNDV 4000 is no natural logarithm of a value"):
        observed(LNDV=4000)


def test_cens_is_a_limit_on_the_side_of_its_sign() -> None:
    assert observed(DV=0.1, CENS=1) == Observed(LEVEL, 0.1, below=True)
    assert observed(DV=50, CENS=-1) == Observed(LEVEL, 50.0, above=True)
    assert observed(DV=0.1, CENS=0) == Observed(LEVEL, 0.1)
    assert observed(DV=0.1, CENS=1, LIMIT=0) == Observed(LEVEL, 0.1, below=True)


def test_blq_takes_its_limit_from_where_it_is_given() -> None:
    assert observed(DV=0, BLQ=1, LLOQ=0.2) == Observed(LEVEL, 0.2, below=True)
    assert observed(BLQ=1, LIMIT=0.3) == Observed(LEVEL, 0.3, below=True)
    assert observed(DV=0.1, BLQ=1) == Observed(LEVEL, 0.1, below=True)
    assert observed(DV=0.1, BLQ=0, LLOQ=0.05) == Observed(LEVEL, 0.1)


def test_a_value_may_be_negative_where_the_error_does_not_vanish() -> None:
    assert LEVEL.error.additive > 0
    for value in (0.0, -0.02):
        assert observed(DV=value) == Observed(LEVEL, value)


def proportional(unit: str) -> Observer:
    """An observer of counts whose error is in proportion to what is predicted."""
    cells = replace(CELLS, unit=unit, error=replace(CELLS.error, kind="proportional", additive=0.0, proportional=0.2))
    return Observer(replace(MODEL, outputs=(LEVEL, cells)), "cells", Counter())


@pytest.mark.parametrize("unit", ["10*9/L", "10*3/uL"])
def test_a_count_of_0_is_taken_as_too_few_to_count_and_told_with_the_limit(unit: str) -> None:
    observer = proportional(unit)
    found = observer.observed(record_of(DV=0), False)
    assert found is not None
    assert (found.value, found.below) == (0.0, False)
    assert list(observer.notes) == [f"cells of 0: too few to count, known only to be below 0.1 {unit}"]


@pytest.mark.parametrize("unit", ["mg/L", "/uL", "mm", "{copies}/mL"])
def test_a_0_of_what_is_no_count_of_blood_cells_is_refused_with_both_mends(unit: str) -> None:
    with pytest.raises(BadRecord, match=r"DV 0 cannot be cells: the model's error vanishes.*CENS 1.*LLOQ.*MDV 1"):
        proportional(unit).observed(record_of(DV=0), False)


def test_nothing_measured_is_nothing() -> None:
    assert observed() is None


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"DV": 3, "CENS": 2}, "CENS 2 is none of 0 (measured), 1 (below DV) and -1 (above DV)"),
        ({"DV": 3, "BLQ": 2}, "BLQ 2 is neither 0 nor 1"),
        ({"DV": 3, "BLQ": 1, "CENS": 1}, "CENS 1 and BLQ 1 both say that the value is a limit"),
        ({"BLQ": 1}, "BLQ 1 without a limit of quantification; give it as LLOQ, LIMIT or DV"),
        ({"DV": 0, "CENS": 1}, "CENS with the limit 0: a limit of toxin_plasma must be above 0"),
        ({"DV": 0, "BLQ": 1}, "BLQ with the limit 0"),
        ({"DV": 2, "CENS": 1, "LIMIT": 1}, "an interval from 1 to 2 (LIMIT) is not supported"),
        ({"DV": 2, "CENS": -1, "LIMIT": 5}, "an interval from 2 to 5 (LIMIT) is not supported"),
        ({"DV": -2, "DVID": 2}, "DV -2 cannot be cells: it is negative; if DV holds logarithms, call it LNDV"),
        ({"DV": 2, "DVID": 3}, "DVID 3: outputs 1 to 2 are toxin_plasma, cells"),
        ({"DV": "BLQ"}, "DV 'BLQ' is not a finite number"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(cells: dict[str, object], says: str) -> None:
    with pytest.raises(BadRecord, match=re.escape(says)):
        observed(**cells)  # type: ignore[arg-type]


def test_what_must_be_there_and_is_not_is_refused() -> None:
    with pytest.raises(BadRecord, match="MDV 0 says that it was measured"):
        observed(measured=True)


def test_an_output_that_is_not_there_is_refused() -> None:
    with pytest.raises(NmtranError, match="output 'hair' is not in toy_absorption; it has toxin_plasma, cells"):
        observed("hair")
