"""What the rules of outputs that rise share."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.twin.alerts.rules.tox import test_hypertension, test_qtc, test_rising
from tests.twin.alerts.rules.views import states, toxic
from twin.alerts.rules.tox import hypertension, qtc, rising
from twin.alerts.snapshot import ToxicityView

RISING = [(hypertension.RULE, test_hypertension.VIEW), (qtc.RULE, test_qtc.VIEW), (rising.RULE, test_rising.VIEW)]


@pytest.mark.parametrize(("rule", "view"), RISING)
def test_more_likely_than_not_is_raised_and_a_low_probability_clears(rule: str, view: ToxicityView) -> None:
    steps = [toxic(0, view), toxic(1, replace(view, probability=0.6)), toxic(2, replace(view, probability=0.6))]
    assert states(steps) == [(rule, "start")]
    assert states([*steps, toxic(5, replace(view, probability=0.25))])[-1] == (rule, "end")


@pytest.mark.parametrize(("_", "view"), RISING)
def test_at_or_under_the_threshold_nothing_is_raised(_: str, view: ToxicityView) -> None:
    assert states([toxic(hour, replace(view, probability=0.5, p_now=0.5)) for hour in range(4)]) == []
