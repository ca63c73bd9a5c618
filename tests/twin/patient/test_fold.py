"""A fold goes on to the newest event, again from where something changed, and its alerts follow what it supports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.alerts.finding import Finding
from twin.alerts.ledger import AlertLedger
from twin.alerts.lifecycle import AlertBook, advance
from twin.alerts.settings import RuleSettings
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS
from twin.events import Alert, AlertAction, InputEvent, LabResult, Quantity, Subject, from_millis
from twin.patient.accounts.component import Component
from twin.patient.advising.desk import Desk
from twin.patient.fold import Advising, Fold, Step, earliest
from twin.record.history import History
from twin.record.orders import Orders
from twin.steps import finished
from twin.timeline.timeline import Timeline

ABOUT = Subject("output", "total")
DESK = Desk(None, "P-1", "toy", "hash", ())
SETTINGS = {"high": RuleSettings(raise_above=5.0, clear_below=4.0, severity="low", latching=True)}


@dataclass(frozen=True)
class Total:
    """Where the toy fold stands: a running total, and its alerts."""

    millis: int
    book: AlertBook
    total: float


class Totals:
    """A toy that is folded: amounts in any order, their running total judged at each."""

    def __init__(self) -> None:
        self.amounts: dict[int, float] = {}
        self.points: list[Total] = []
        self.steps: list[int] = []
        self.history = History()
        self.orders = Orders(self.history)
        self.timelines: tuple[Timeline | None, ...] = ()

    def components(self, millis: int) -> Sequence[Component]:  # noqa: ARG002
        return ()

    @property
    def newest(self) -> int | None:
        return max(self.amounts, default=None)

    def due(self) -> int | None:
        after = self.points[-1].millis if self.points else -1
        return min((hour for hour in self.amounts if hour > after), default=None)

    def settles(self, event: InputEvent) -> bool:
        return event.kind == "pump_delivery"

    def set_back(self, since: int) -> None:
        self.points = [point for point in self.points if point.millis < since]

    def step(self, due: int, *, ahead: bool | None = None, advising: Advising | None = None) -> Step:  # noqa: ARG002
        self.steps.append(due)
        before = self.points[-1] if self.points else Total(-1, AlertBook(), 0.0)
        total = before.total + self.amounts[due]
        snapshot = Snapshot("P-1", due, 100.0, None)
        book, moved = advance(before.book, [Finding("high", ABOUT, total, "low", "")], snapshot, SETTINGS, "hash")
        self.points.append(Total(due, book, total))
        return Step((), moved, snapshot)


def inserted(fold: Fold, totals: Totals, amounts: dict[int, float]) -> list[Alert]:
    """The alerts that follow these amounts, wherever in time they belong."""
    totals.amounts |= amounts
    published = finished(fold.run(min(amounts)))
    assert all(isinstance(one, Alert) for one in published)
    return [one for one in published if isinstance(one, Alert)]


def started(ledger: AlertLedger | None = None) -> tuple[Fold, Totals]:
    totals = Totals()
    return Fold(totals, "P-1", "toy", "hash", DESK, ledger), totals


def test_a_fold_steps_to_everything_due_and_no_further() -> None:
    fold, totals = started()
    totals.amounts = {HOUR_MS: 1.0, 3 * HOUR_MS: 1.0}
    assert finished(fold.run(None)) == ()
    assert totals.steps == [HOUR_MS, 3 * HOUR_MS]
    assert finished(fold.run(None)) == ()
    assert totals.steps == [HOUR_MS, 3 * HOUR_MS], "nothing is due any more"


def test_a_fold_without_any_event_does_nothing() -> None:
    fold, totals = started()
    assert finished(fold.run(None)) == ()
    assert finished(fold.run(0)) == ()
    assert totals.points == []


def test_a_late_amount_is_folded_in_from_its_own_time_on() -> None:
    fold, totals = started()
    inserted(fold, totals, {1: 1.0, 2: 1.0, 4: 1.0})
    totals.steps.clear()
    inserted(fold, totals, {3: 1.0})
    assert totals.steps == [3, 4]
    assert totals.points[-1].total == 4.0


def test_an_alert_is_raised_once_and_withdrawn_when_its_reason_goes() -> None:
    fold, totals = started()
    (raised,) = inserted(fold, totals, {1: 1.0, 2: 6.0, 3: 0.0})
    assert (raised.phase, raised.revision, raised.patient_id, raised.model) == ("start", 0, "P-1", "toy")
    assert inserted(fold, totals, {4: 0.0}) == []
    (withdrawn,) = inserted(fold, totals, {2: 1.0})
    assert (withdrawn.state, withdrawn.revision, withdrawn.alert_id) == ("withdrawn", 1, raised.alert_id)
    assert fold.ledger.live == ()


def test_an_alert_that_came_and_went_is_withdrawn_too_when_the_record_begins_after_it() -> None:
    fold, totals = started()
    raised, cleared = inserted(fold, totals, {1: 6.0, 2: -6.0, 9: 1.0})
    del totals.amounts[1], totals.amounts[2]
    (withdrawn,) = finished(fold.run(1))
    assert isinstance(withdrawn, Alert)
    assert (raised.phase, cleared.phase, withdrawn.phase) == ("start", "end", "withdrawn")
    assert withdrawn.alert_id == raised.alert_id


def test_a_fold_taken_up_again_repeats_no_alert() -> None:
    fold, totals = started()
    inserted(fold, totals, {1: 6.0})
    again = Fold(totals, "P-1", "toy", "hash", DESK, fold.ledger)
    assert inserted(again, totals, {2: 0.0}) == []
    assert again.ledger.live == fold.ledger.live


@given(st.permutations(list(range(8))), st.lists(st.sampled_from([-3.0, 1.0, 3.0]), min_size=8, max_size=8))
def test_any_order_of_arrival_ends_in_the_same_points_and_live_alerts(order: list[int], amounts: list[float]) -> None:
    at_once, ordered = started()
    inserted(at_once, ordered, dict(enumerate(amounts)))
    one_by_one, shuffled = started()
    for hour in order:
        inserted(one_by_one, shuffled, {hour: amounts[hour]})
    assert shuffled.points == ordered.points
    live = [{(entry.fold_id, entry.digest) for entry in fold.ledger.live} for fold in (at_once, one_by_one)]
    assert live[0] == live[1]


def acknowledged(millis: int, seen: int, name: str = "seen") -> AlertAction:
    return AlertAction(
        event_id=f"{name}-{millis}",
        patient_id="P-1",
        time=from_millis(millis),
        source="ward",
        action="acknowledge",
        alert_id="of a mail",
        rule="high",
        subject=ABOUT,
        seen=from_millis(seen),
        by=name,
    )


@given(
    st.permutations(list(range(12))),
    st.lists(st.sampled_from([-6.0, -3.0, 3.0, 6.0]), min_size=8, max_size=8),
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3)), min_size=4, max_size=4),
)
def test_any_order_of_arrival_of_actions_too_ends_in_the_same_live_alerts(
    order: list[int], amounts: list[float], seen: list[tuple[int, int]]
) -> None:
    actions = [acknowledged(millis, max(0, millis - ago), f"p{i}") for i, (millis, ago) in enumerate(seen)]

    def arrive(fold: Fold, totals: Totals, numbers: list[int]) -> None:
        for number in numbers:
            if number >= len(amounts):
                totals.history.insert(actions[number - len(amounts)])
                finished(fold.run(None))
            else:
                inserted(fold, totals, {number: amounts[number]})

    lives = []
    for numbers in (list(range(12)), order):
        fold, totals = started()
        arrive(fold, totals, numbers)
        lives.append({(entry.fold_id, entry.state, entry.digest) for entry in fold.ledger.live})
        assert totals.steps == sorted(totals.steps) or numbers is order, "no action lets it fold again"
    assert lives[0] == lives[1]


def told(fold: Fold, totals: Totals, *actions: AlertAction) -> list[Alert]:
    for action in actions:
        assert totals.history.insert(action).outcome == "new"
    return [one for one in finished(fold.run(None)) if isinstance(one, Alert)]


def test_an_action_that_is_taken_back_leaves_the_alert_as_if_it_had_never_been() -> None:
    fold, totals = started()
    inserted(fold, totals, {1: 6.0, 2: 0.0})
    (seen,) = told(fold, totals, acknowledged(2, 2))
    assert (seen.state, seen.handled and seen.handled.event_id) == ("acknowledged", "seen-2")
    (again,) = told(fold, totals, AlertAction.taking_back(seen, "nurse-9", seen.time, "ward", "another patient's"))
    assert (again.state, again.handled, again.revision) == ("active", None, seen.revision + 1)


def test_an_alert_that_was_over_by_a_mistake_is_latched_again() -> None:
    fold, totals = started()
    inserted(fold, totals, {1: 6.0, 2: -6.0, 3: 0.0})
    (over,) = told(fold, totals, acknowledged(3, 3))
    assert over.state == "resolved"
    (again,) = told(fold, totals, AlertAction.taking_back(over, "nurse-9", over.time, "ward", "another patient's"))
    assert (again.alert_id, again.state, again.handled) == (over.alert_id, "latched", None)


@given(st.permutations(list(range(6))))
def test_any_order_of_arrival_of_what_is_taken_back_ends_in_the_same_live_alerts(order: list[int]) -> None:
    done = [acknowledged(millis, 2, name) for millis, name in ((3, "one"), (4, "two"), (5, "three"))]
    gone = [one.model_copy(update={"event_id": f"no {one.event_id}", "status": "retracted", "replaces": one.event_id})
            for one in (done[0], done[2])]  # fmt: skip
    comment = acknowledged(6, 2).model_copy(update={"action": "comment", "reason": "count drawn"})
    said, lives = [*done, *gone, comment], []
    for numbers in (range(6), order):
        fold, totals = started()
        inserted(fold, totals, {1: 6.0, 2: 0.0, 9: 0.0})
        for number in numbers:
            told(fold, totals, said[number])
        lives.append({(entry.fold_id, entry.state, entry.digest) for entry in fold.ledger.live})
    assert lives[0] == lives[1]


def test_a_withdrawal_says_which_event_removed_the_reason() -> None:
    fold, totals = started()
    inserted(fold, totals, {1: 1.0, 2: 6.0, 3: 0.0})
    late = acknowledged(2, 2).model_copy(update={"kind": "lab_result"})
    level = LabResult(
        event_id="count-2",
        patient_id="P-1",
        time=from_millis(2),
        source="lab",
        analyte="neutrophils",
        value=Quantity(value=1.0, unit="10*9/L"),
    )
    because = fold.because([late, level])
    totals.amounts[2] = 1.0
    (withdrawn,) = finished(fold.run(2, because=because))
    assert isinstance(withdrawn, Alert)
    assert withdrawn.text == (
        "Withdrawn: lab_result 'count-2' of 1970-01-01T00:00:00.002000+00:00, which came late, removed the reason."
    )
    assert withdrawn.evidence is not None
    assert [one.event_id for one in withdrawn.evidence.decided_by] == ["count-2"]


def test_an_action_on_no_alert_is_refused_with_the_reason() -> None:
    fold, totals = started()
    early = acknowledged(1, 1, "early")
    totals.history.insert(early)
    finished(fold.run(None))
    assert "no alert of high about total stood at" in fold.unmet([early])[0].detail
    _, alert = inserted(fold, totals, {1: 6.0, 2: 0.0})
    assert (alert.phase, alert.state) == ("acknowledged", "acknowledged"), "kept, and counted once it is known"
    assert fold.unmet([early]) == []
    inserted(fold, totals, {3: -6.0})
    late = acknowledged(9, 9).model_copy(update={"alert_id": alert.alert_id})
    totals.history.insert(late)
    finished(fold.run(None))
    assert "that alert is resolved since 1970" in fold.unmet([late])[0].detail
    assert fold.unmet([late.model_copy(update={"status": "retracted", "replaces": "x"})]) == []


@pytest.mark.parametrize(("times", "first"), [([], None), ([None], None), ([3, None, 2], 2)])
def test_the_earliest_of_some_times(times: list[int | None], first: int | None) -> None:
    assert earliest(times) == first


def test_alerts_can_follow_without_a_step() -> None:
    """Rules that judge a point anew change what it holds of alerts, and nothing else."""
    fold, totals = started()
    inserted(fold, totals, {1: 6.0})
    (condition,) = totals.points[-1].book.conditions
    assert condition.alert is not None
    reworded = msgspec.structs.replace(condition.alert, text="in other words")
    book = AlertBook((msgspec.structs.replace(condition, alert=reworded),))
    totals.points[-1] = replace(totals.points[-1], book=book)
    (updated,) = fold.alerts([reworded], 0, 1)
    assert (updated.phase, updated.revision, updated.text) == ("update", 1, "in other words")
