"""Which characteristics predictions show at once, and where observations of a record that changes one are placed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from connectors.feeds.nmtran.patients.characteristics import shown_at_once
from connectors.feeds.nmtran.reader import read_nmtran
from connectors.feeds.nmtran.times import ORIGIN
from tests.twin import toys
from twin.events import Covariate, LabResult
from twin.model.spec import Model
from twin.modelfile.reader import parse_model

WT = f'[covariates.WT]\nunit = "kg"\nreference = 70\n{toys.SOURCE}\n'

OCC = f'[covariates.OCC]\nunit = "1"\nreference = 1\n{toys.SOURCE}\n[occasions]\ncovariate = "OCC"\n{toys.SOURCE}\n'


def model(volume: str, extra: str = WT, clearance: str = "CL") -> Model:
    """One compartment whose level is A over a volume."""
    return toys.made(
        {"CL": f"5 L/h 0.09 | {clearance}", "V": "50 L 0.04", "WN": "70 kg"},
        {"A": "mg: input(toxin) - CL/V*A"},
        {"plasma": f"mg/L: A/({volume})"},
        extra=extra,
    )


AT_ONCE = model("V*(WT/WN)")

WITHIN = model("V", clearance="CL*(WT/WN)")


def placed(of: Model, rows: Sequence[str], header: str = "ID,TIME,AMT,DV,WT") -> list[tuple[str, float]]:
    """Kind and place, in ms after the hours that the file says, of what is told after the first record."""
    reading = read_nmtran([header, *rows], of)
    assert not reading.bad_lines
    hour = timedelta(hours=1)
    told = [event for event in reading.events if isinstance(event, Covariate | LabResult) and event.time > ORIGIN]
    return [(event.kind, (event.time - ORIGIN) % hour / timedelta(milliseconds=1)) for event in told]


def test_what_a_prediction_shows_only_by_what_the_body_holds_is_not_shown_at_once() -> None:
    assert shown_at_once(AT_ONCE) == {"WT"}
    assert shown_at_once(WITHIN) == frozenset()


def test_what_is_carried_backward_needs_no_place_of_its_own() -> None:
    backward = WT.replace('unit = "kg"', 'unit = "kg"\ncarry = "backward"')
    assert shown_at_once(model("V*(WT/WN)", backward)) == frozenset()


@pytest.mark.parametrize(("varies", "shown"), [("V", {"OCC"}), ("CL", set())])
def test_an_occasion_is_shown_at_once_where_what_is_shown_varies_with_it(varies: str, shown: set[str]) -> None:
    text = model("V", WT).text.replace(f"[parameters.{varies}]\n", f"[parameters.{varies}]\niov = 0.04\n")
    assert shown_at_once(parse_model(text + OCC, "made.toml")) == shown


def test_a_value_stands_behind_the_report_of_its_own_record() -> None:
    rows = ["1,0,100,.,60", "1,2,.,3,60", "1,4,.,2,80", "1,6,.,1,80"]
    assert placed(AT_ONCE, rows) == [("lab_result", 0), ("covariate", 0), ("lab_result", 1), ("lab_result", 0)]
    assert placed(WITHIN, rows) == [("lab_result", 0), ("covariate", 0), ("lab_result", 0), ("lab_result", 0)]


def test_of_one_time_a_value_above_the_report_stands_before_it_and_one_below_behind_it() -> None:
    rows = ["1,0,100,.,60", "1,4,.,3,60", "1,4,100,.,80", "1,4,.,5,80", "1,4,.,5,90"]
    assert placed(AT_ONCE, rows) == [
        ("lab_result", 0),
        ("covariate", 1),
        ("lab_result", 2),
        ("covariate", 3),
        ("lab_result", 4),
    ]
