"""What a dose record gives, and which ones are refused."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from connectors.feeds.nmtran.doses import Dose, dose_of
from connectors.feeds.nmtran.lines.records import BadRecord, DataRecord
from tests.twin import toys
from twin.model.spec import Model
from twin.modelfile.reader import parse_model

MODEL = parse_model(toys.ABSORPTION, "toy_absorption.toml")
ITEMS = ("AMT", "RATE", "DUR", "ADDL", "II", "SS", "CMT")


def spreading() -> Model:
    return toys.made(
        {"k": "0.1 1/h 0.04", "D1": "2 h 0.04", "V": "10 L"},
        {"A": "mg: input(toxin, duration=D1) - k*A", "B": "mg: k*A - k*B"},
        {"plasma": "mg/L: A/V"},
    )


def dose(
    model: Model = MODEL, *, hours: float = 0.0, clock: bool = False, unit_hours: float = 1.0, **cells: object
) -> Dose:
    return dose_of(record(hours, **cells), model, unit_hours, clock, Counter())


def record(hours: float = 0.0, **cells: object) -> DataRecord:
    found = DataRecord(2, [str(cells.get(item, ".")) for item in ITEMS], {item: i for i, item in enumerate(ITEMS)})
    found.hours = hours
    return found


def test_an_amount_alone_is_a_dose_at_once() -> None:
    assert dose(AMT=10, hours=5.0) == Dose("toxin", "iv", 10.0, None, (5.0,), None)


def test_an_infusion_has_a_rate_or_a_duration_or_both_that_agree() -> None:
    assert dose(AMT=10, RATE=5).duration == dose(AMT=10, DUR=2).duration == dose(AMT=10, RATE=5, DUR=2).duration == 2.0
    assert dose(AMT=10, RATE=0, DUR=0).duration is None
    assert [dose(AMT=10, **{item: 2}).keeps for item in ("RATE", "DUR", "CMT")] == ["rate", None, None]


def test_further_doses_are_written_out_in_hours() -> None:
    assert dose(AMT=1, ADDL=2, II=1, hours=3.0, unit_hours=24.0).times == (3.0, 27.0, 51.0)
    assert dose(AMT=1, ADDL=1, II=12, hours=3.0, unit_hours=24.0, clock=True).times == (3.0, 15.0)
    assert dose(AMT=1, ADDL=1, II="0:30").times == (0.0, 0.5)


def test_an_infusion_that_lasts_as_long_as_is_available_of_it_is_noted() -> None:
    parted = toys.made(
        {"k": "0.1 1/h", "F": "0.5 1", "V": "10 L"}, {"A": "mg: F*input(toxin) - k*A"}, {"p": "mg/L: A/V"}
    )
    notes: Counter[str] = Counter()
    for rate in (5, 0):
        dose_of(record(AMT=10, RATE=rate), parted, 1.0, False, notes)
        dose_of(record(AMT=10, RATE=rate), MODEL, 1.0, False, notes)
    assert notes == {"infusions by RATE keep it, and last as long as is available of them, as in NONMEM": 1}


def test_lengths_are_in_hours_beside_clock_times_and_else_in_the_models_unit() -> None:
    for cells in ({"AMT": 100, "RATE": 50}, {"AMT": 100, "DUR": 2}):
        assert dose(unit_hours=24.0, clock=True, **cells).duration == 2.0
        assert dose(unit_hours=24.0, **cells).duration == 48.0
    with pytest.raises(BadRecord, match="SS 1: an infusion over 48 h lasts longer than II"):
        dose(AMT=100, DUR=2, SS=1, II=1, unit_hours=24.0)


def test_a_steady_state_dose_says_its_interval() -> None:
    found = dose(AMT=10, SS=1, II=24, ADDL=1)
    assert (found.steady_every, found.times) == (24.0, (0.0, 24.0))
    assert dose(AMT=10, SS=0, II=24).steady_every is None


def test_the_state_says_drug_and_route() -> None:
    names = [state.name for state in MODEL.states]
    depot, central, pool = (names.index(name) + 1 for name in ("Depot", "A", "Pool"))
    assert (dose(AMT=1, CMT=depot).drug, dose(AMT=1, CMT=depot).route) == ("toxin", "oral")
    assert dose(AMT=1, RATE=1, CMT=depot).route == "oral"
    assert dose(AMT=1, CMT=central).route == "iv"
    assert dose(AMT=1, CMT=pool).drug == "helper"
    assert [dose(AMT=1, CMT=cmt).state for cmt in (depot, central, pool, 0)] == ["Depot", "A", None, None]
    assert dose(AMT=1, CMT="Depot").route == dose(AMT=1, CMT="DEPOT").route == "oral"


@pytest.mark.parametrize("rate", [-1, -2])
def test_a_modelled_rate_or_duration_is_a_dose_that_the_model_spreads(rate: int) -> None:
    for cells in ({"CMT": 1}, {}):
        found = dose(spreading(), AMT=10, RATE=rate, **cells)
        assert (found.amount, found.duration) == (10.0, None)


def test_a_dose_at_once_that_the_model_spreads_is_noted() -> None:
    notes: Counter[str] = Counter()
    assert dose_of(record(AMT=10, RATE=0), spreading(), 1.0, False, notes).duration is None
    assert list(notes) == ["doses with RATE 0 were spread over the duration that the model gives them"]
    assert dose(spreading(), AMT=10, RATE=5).duration == 2.0


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({}, "AMT of a dose is missing"),
        (
            {"AMT": 0, "RATE": 5, "SS": 1},
            "it must be above 0 mg; an endless infusion to steady state",
        ),
        ({"AMT": 10, "RATE": -2}, "RATE -2 (modelled duration) needs a model whose input there has duration="),
        ({"AMT": 10, "RATE": -3}, "RATE -3 is none of -2, -1, 0 and above"),
        ({"AMT": 10, "DUR": -1}, "DUR -1 is negative"),
        ({"AMT": 10, "RATE": 5, "DUR": 3}, "RATE 5 makes 2 of AMT 10, but DUR is 3; keep one"),
        ({"AMT": 10, "SS": 1}, "SS 1 needs II"),
        ({"AMT": 10, "SS": 2, "II": 24}, "SS 2 (a steady state on top of what is there) is not supported"),
        ({"AMT": 10, "SS": 3, "II": 24}, "SS 3 (a steady state iterated from what is there) is not supported"),
        ({"AMT": 10, "SS": 1, "II": 1, "RATE": 5}, "SS 1: an infusion over 2 h lasts longer than II"),
        ({"AMT": 10, "ADDL": 1}, "ADDL 1 needs II"),
        ({"AMT": 10, "ADDL": 0.5, "II": 1}, "ADDL 0.5 is not a whole number"),
        ({"AMT": 10, "ADDL": 1, "II": "1:75"}, "II '1:75' is no clock time"),
        ({"AMT": 10, "CMT": -2}, "CMT -2: compartments cannot be switched off"),
        ({"AMT": 10, "CMT": "Gut"}, "CMT 'Gut' is no state of toy_absorption; it has Depot, "),
        ({"AMT": 10, "CMT": 3}, "CMT 3 (AUC) takes no dose in toy_absorption"),
        ({"AMT": 10, "CMT": 7}, "CMT 7: toy_absorption has states 1 to 6"),
    ],
)
def test_a_dose_that_cannot_be_given_is_refused_with_the_reason(cells: dict[str, object], says: str) -> None:
    with pytest.raises(BadRecord, match=re.escape(says)):
        dose(**cells)  # type: ignore[arg-type]
