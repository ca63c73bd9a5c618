from __future__ import annotations

from dataclasses import replace

import pytest

from tests.twin.alerts.rules.views import states, told
from twin.alerts.rules.data.suspect import RULE, SETTINGS, mistaken
from twin.alerts.snapshot import Snapshot, ValueView
from twin.clock import HOUR_MS

FAR = SETTINGS.number("far")
LEVEL = ValueView("docetaxel_plasma", 1.1, "mg/L", 0.2, 0.6, 1.0, 1.7)


def measured(hour: int, *views: ValueView) -> Snapshot:
    return Snapshot("P-1", hour * HOUR_MS, 500.0, hour * HOUR_MS, values=views)


def test_a_value_a_thousand_times_too_high_says_so_and_the_next_that_fits_clears() -> None:
    wrong = replace(LEVEL, value=1100.0, score=6.0)
    assert states([measured(0, LEVEL), measured(1, wrong), measured(2), measured(3, LEVEL)]) == [
        (RULE, "start"),
        (RULE, "end"),
    ]
    (alert,) = told([measured(1, wrong)])
    assert alert.text == (
        "docetaxel_plasma: 1100 mg/L would fit if it is in a unit a thousand times as large, or as small; 1 (0.6 to "
        "1.7) was expected."
    )


def test_a_value_that_fits_or_that_no_mistake_explains_is_no_alert() -> None:
    assert states([measured(0, LEVEL), measured(1, replace(LEVEL, value=10.0, score=2.9))]) == []
    assert states([measured(0, replace(LEVEL, value=4.0, score=5.0))]) == []


@pytest.mark.parametrize(
    ("value", "says"),
    [(0.011, "two places"), (10.0, "one place"), (26.0, "a day stands for"), (60.0, "an hour stands for a minute")],
)
def test_each_ratio_is_named(value: float, says: str) -> None:
    narrow = replace(LEVEL, value=value, score=-7.0, q05=0.95, q95=1.15)
    assert says in str(mistaken(narrow, FAR))


def test_a_ratio_of_one_analyte_is_no_explanation_of_another() -> None:
    view = ValueView("methotrexate_plasma", 2.2, "umol/L", 4.0, 0.9, 1.0, 1.1)
    assert "methotrexate" in str(mistaken(view, FAR))
    assert mistaken(replace(view, output="docetaxel_plasma"), FAR) is None
