"""The area under the curve, against what can be counted."""

from __future__ import annotations

import numpy as np
import pytest

from twin.trial.doses.roc import auc, discrimination
from twin.trial.reliability import Stated


def stated(*pairs: tuple[float, bool]) -> list[Stated]:
    return [Stated("a line", f"P-{k}", p, came) for k, (p, came) in enumerate(pairs)]


def test_the_area_is_the_share_of_pairs_in_which_who_will_has_the_higher_probability() -> None:
    rng = np.random.default_rng(1)
    came, not_came = rng.integers(5, size=30) / 4.0, rng.integers(5, size=40) / 4.0
    pairs = (came[:, None] > not_came).mean() + 0.5 * (came[:, None] == not_came).mean()
    assert auc(came, not_came) == pytest.approx(pairs)
    assert auc(not_came, came) == pytest.approx(1.0 - pairs)


def test_its_interval_holds_it_and_events_are_counted() -> None:
    found = discrimination("a line", stated((0.9, True), (0.2, True), (0.3, False), (0.1, False), (0.1, False)))
    assert (found.patients, found.events) == (5, 2)
    assert found.auc.value == pytest.approx(5 / 6)
    assert found.auc.low <= found.auc.value <= found.auc.high


@pytest.mark.parametrize("came", [True, False])
def test_of_events_in_all_or_none_there_is_no_area(came: bool) -> None:
    found = discrimination("a line", stated((0.9, came), (0.2, came)))
    assert np.isnan(found.auc.value)
