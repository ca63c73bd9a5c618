"""Why an alert stands, by what was published before and after the datum that decided it."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.console.board import Board
from connectors.console.inbox.explanation import Explanation, UnknownAlert, explanation
from tests import factories as make
from twin.events import Alert, AlertEvidence, Deciding, Nadir

COUNT = Deciding("lab_result", "neutrophils", make.at(10), "count 1")
ORDER = Deciding("regimen_planned", "docetaxel", make.at(12), "plan 1")


def resting_on(*decided: Deciding, **changes: Any) -> Alert:
    return make.alert("P-1", make.at(10), evidence=AlertEvidence(make.at(10), decided_by=decided), **changes)


def nadir(p: float) -> Nadir:
    low, day = make.band("neutrophils", "10*9/L", 0.6), make.band("nadir_day", "d", 8.0)
    return Nadir(seen_from=make.START, output="neutrophils", value=low, day=day, p_grade4=p)


def found(*events: Any, alert: Alert) -> Explanation:
    board = Board()
    for event in (*events, alert):
        board.fold(event)
    return explanation(board, alert.alert_id)


def test_what_was_believed_before_and_after_the_datum_is_told_with_what_had_been_expected_of_it() -> None:
    estimates = [
        make.estimate("P-1", make.at(hour), outputs=(make.band("neutrophils", "10*9/L", level),))
        for hour, level in ((8, 4.0), (9, 3.5), (10, 2.0), (11, 1.8))
    ]
    forecasts = [make.forecast("P-1", make.at(hour), nadir=nadir(p)) for hour, p in ((9, 0.2), (10, 0.62))]
    measured = make.prediction("P-1", make.at(10), observed=1.4)
    why = found(*estimates, *forecasts, measured, alert=resting_on(COUNT))
    (datum,) = why.data
    assert (datum.deciding, datum.measured and datum.measured.observed) == (True, 1.4)
    count = why.beliefs[0]
    assert (count.name, count.about, count.at_end) == ("neutrophils", True, False)
    assert count.then.before is not None
    assert count.then.after is not None
    assert (count.then.before.band[2], count.then.after.band[2]) == (3.5, 2.0)
    assert why.nadir.before is not None
    assert why.nadir.after is not None
    assert (why.nadir.before.p_grade4, why.nadir.after.p_grade4) == (0.2, 0.62)
    assert (why.step.before, why.step.after and why.step.after.phase) == (None, "start")
    exposure = why.beliefs[1]
    assert (exposure.name, exposure.at_end, exposure.about) == ("docetaxel_auc", True, False)


def test_an_order_did_not_decide_where_something_was_held_against_it() -> None:
    why = found(alert=resting_on(ORDER, COUNT))
    assert [(datum.kind, datum.deciding) for datum in why.data] == [("regimen_planned", False), ("lab_result", True)]
    assert [datum.deciding for datum in found(alert=resting_on(ORDER)).data] == [True]


def test_an_alert_that_names_no_datum_is_told_with_its_history_alone() -> None:
    for alert in (resting_on(), make.alert("P-1", make.at(10))):
        why = found(make.estimate("P-1", make.at(9)), alert=alert)
        assert (why.data, why.beliefs, why.step.after) == ((), (), why.card.steps[0])


def test_what_is_not_known_before_or_after_is_none() -> None:
    why = found(make.estimate("P-1", make.at(12)), alert=resting_on(COUNT))
    assert why.beliefs[0].then.before is None
    assert why.nadir.before is why.nadir.after is None
    assert why.data[0].measured is None


def test_an_alert_that_is_not_shown_is_unknown() -> None:
    with pytest.raises(UnknownAlert):
        explanation(Board(), "nobody's")
