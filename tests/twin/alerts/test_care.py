"""What people do about alerts: seen, shelved for a time; escalated when nobody does anything, latched until seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from twin.alerts.care import attended, meant
from twin.alerts.finding import Finding
from twin.alerts.ledger import AlertLedger, Revision, reconcile
from twin.alerts.lifecycle import AlertBook, Transition, advance
from twin.alerts.settings import RuleSettings, Severity
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS
from twin.events import AlertAction, Subject, from_millis

ABOUT = Subject("output", "neutrophils")


def acted(
    what: Any, hour: float, *, seen: float | None = None, until: float | None = None, by: str = "a"
) -> AlertAction:
    return AlertAction(
        event_id=f"{what}-{hour}-{by}",
        patient_id="P-1",
        time=from_millis(int(hour * HOUR_MS)),
        source="ward",
        action=what,
        alert_id="as it was called",
        rule="rule",
        subject=ABOUT,
        seen=from_millis(int((hour if seen is None else seen) * HOUR_MS)),
        by=by,
        reason="because",
        until=None if until is None else from_millis(int(until * HOUR_MS)),
    )


def rule(**changes: Any) -> dict[str, RuleSettings]:
    told: dict[str, Any] = {"raise_above": 0.5, "clear_below": 0.3, "severity": "medium", "bands": (0.7, 0.9)}
    return {"rule": RuleSettings(**(told | changes))}


def folded(
    levels: Sequence[tuple[int, float]],
    settings: dict[str, RuleSettings],
    severity: Severity = "medium",
) -> tuple[AlertBook, list[Transition]]:
    """What the fold says of levels by the hour."""
    book, told = AlertBook(), list[Transition]()
    for hour, level in levels:
        found = [Finding("rule", ABOUT, level, severity, f"level {level}")]
        book, moved = advance(book, found, Snapshot("P-1", hour * HOUR_MS, 1e4, None), settings, "hash")
        told += moved
    return book, told


def told(
    levels: Sequence[tuple[int, float]], actions: Sequence[AlertAction], until: float, **changes: Any
) -> list[tuple[float, str, str, str]]:
    """Hour, phase, state and severity of all that there is to tell."""
    settings = rule(**changes)
    book, moved = folded(levels, settings)
    found = attended(AlertBook(), book, moved, actions, settings, -1, int(until * HOUR_MS))
    return [(one.time_ms / HOUR_MS, one.phase, one.state, one.severity) for one in found.transitions]


def test_an_alert_is_acknowledged_until_it_ends() -> None:
    assert told([(0, 0.6), (5, 0.2)], [acted("acknowledge", 1), acted("acknowledge", 2, by="b")], 6) == [
        (0, "start", "active", "medium"),
        (1, "acknowledged", "acknowledged", "medium"),
        (5, "end", "resolved", "medium"),
    ]


def test_what_is_gone_and_nobody_has_seen_is_latched_until_somebody_has() -> None:
    levels = [(0, 0.6), (2, 0.2)]
    assert told(levels, [], 9, latching=True)[1:] == [(2, "end", "latched", "medium")]
    seen = told(levels, [acted("acknowledge", 4, seen=1)], 9, latching=True)
    assert seen[1:] == [(2, "end", "latched", "medium"), (4, "acknowledged", "resolved", "medium")]
    before = told(levels, [acted("acknowledge", 1)], 9, latching=True)
    assert before[-1] == (2, "end", "resolved", "medium")


def test_a_latched_alert_ends_when_its_condition_holds_again() -> None:
    said = told([(0, 0.6), (2, 0.2), (4, 0.8)], [], 5, latching=True)
    assert [one[:3] for one in said[1:]] == [(2, "end", "latched"), (4, "end", "resolved"), (4, "start", "active")]


def test_an_acknowledgement_holds_only_for_a_time_while_the_condition_grows_worse() -> None:
    settings = {"ack_timeout_ms": 4 * HOUR_MS}
    seen = [acted("acknowledge", 1)]
    assert [one[:3] for one in told([(0, 0.6), (2, 0.8)], seen, 9, **settings)][-2:] == [
        (2, "escalate", "acknowledged"),
        (5, "escalate", "active"),
    ]
    assert told([(0, 0.6), (2, 0.61)], seen, 99, **settings)[-1][2] == "acknowledged"
    assert told([(0, 0.6), (8, 0.8)], seen, 99, **settings)[-1][:3] == (8, "escalate", "active")
    again = told([(0, 0.6), (2, 0.8)], [*seen, acted("acknowledge", 6)], 99, **settings)
    assert again[-1][:3] == (6, "acknowledged", "acknowledged")


def test_what_nobody_acknowledges_escalates_once_and_is_more_severe() -> None:
    settings = {"escalate_after_ms": 2 * HOUR_MS}
    assert told([(0, 0.6)], [], 99, **settings)[1:] == [(2, "escalate", "active", "high")]
    assert told([(0, 0.6)], [acted("acknowledge", 1)], 99, **settings)[-1] == (
        1,
        "acknowledged",
        "acknowledged",
        "medium",
    )
    assert [one[1] for one in told([(0, 0.6), (1, 0.1)], [], 99, **settings)] == ["start", "end"]


def test_shelving_ends_by_itself_and_no_later_than_the_rule_says() -> None:
    shelved = [acted("shelve", 1, until=50)]
    settings = {"shelve_max_ms": 6 * HOUR_MS, "escalate_after_ms": 2 * HOUR_MS}
    assert [one[:2] for one in told([(0, 0.6)], shelved, 99, **settings)[1:]] == [
        (1, "shelved"),
        (7, "unshelved"),
        (7, "escalate"),
    ]
    sooner = told([(0, 0.6)], [*shelved, acted("unshelve", 1.5)], 99, **settings)
    assert [one[:2] for one in sooner[1:]] == [(1, "shelved"), (1.5, "unshelved"), (2, "escalate")]
    book, moved = folded([(0, 0.6)], rule(**settings))
    found = attended(AlertBook(), book, moved, shelved, rule(**settings), -1, 2 * HOUR_MS)
    assert found.transitions[-1].shelved_until_ms == found.deadline == 7 * HOUR_MS
    assert found.transitions[-1].handled is not None
    assert found.transitions[-1].handled.reason == "because"


def test_a_comment_changes_nothing_else() -> None:
    assert told([(0, 0.6)], [acted("comment", 1)], 2)[1:] == [(1, "commented", "active", "medium")]


def test_an_action_is_about_the_alert_that_stood_when_the_person_looked() -> None:
    book, _ = folded([(0, 0.6), (1, 0.1), (4, 0.6)], rule())
    (now,) = book.live
    assert meant(now, acted("acknowledge", 5))
    assert not meant(now, acted("acknowledge", 5, seen=0.5)), "of a mail that told of the one before"
    assert not meant(now, acted("acknowledge", 5).model_copy(update={"subject": Subject("output", "platelets")}))
    found = attended(book, book, (), [acted("acknowledge", 5, seen=0.5)], rule(), 0, 6 * HOUR_MS)
    assert found.met == frozenset()


@pytest.mark.parametrize("cut", range(8))
def test_what_is_published_is_the_same_wherever_the_fold_rests(cut: int) -> None:
    """Published as events come one by one, or all at once after ``cut`` hours."""
    settings = rule(escalate_after_ms=HOUR_MS * 2, ack_timeout_ms=HOUR_MS * 2, latching=True)
    levels = [(0, 0.6), (2, 0.8), (4, 0.95), (6, 0.2)]
    actions = [acted("comment", 1), acted("acknowledge", 3), acted("shelve", 5, until=7), acted("acknowledge", 7)]

    def published(hours: Sequence[int]) -> list[Revision]:
        ledger, topic, before, begun = AlertLedger(), list[Revision](), -1, AlertBook()
        for hour in hours:
            known = [level for level in levels if level[0] <= hour]
            book, moved = folded(known, settings)
            moved = [one for one in moved if one.time_ms > before]
            done = [action for action in actions if action.time <= from_millis(hour * HOUR_MS)]
            found = attended(begun, book, moved, done, settings, before, hour * HOUR_MS)
            ledger, revisions = reconcile(ledger, found.book, found.transitions, before, hour * HOUR_MS, settings)
            topic += revisions
            before, begun = known[-1][0] * HOUR_MS, book
        return topic

    one_by_one = published(range(9))
    assert published([cut, 8]) == one_by_one
    assert [(one.transition.time_ms // HOUR_MS, one.transition.phase) for one in one_by_one] == [
        (0, "start"),
        (1, "commented"),
        (2, "escalate"),
        (2, "escalate"),
        (3, "acknowledged"),
        (4, "escalate"),
        (5, "escalate"),
        (5, "shelved"),
        (6, "end"),
        (7, "acknowledged"),
    ]
