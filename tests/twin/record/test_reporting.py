"""What was reported last, how late, and what was decided in between."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

from tests.twin.bedside import at, count, dose, ms, plan, quantity, start, stop
from tests.twin.timeline.records import history_of
from twin.clock import HOUR_MS
from twin.events import InputEvent, Measurement
from twin.record.history import History
from twin.record.orders import Orders
from twin.record.reporting import Reports


def reports(*events: InputEvent) -> Reports:
    return Orders(history_of(events)).reports


def late(drawn: float, delay: float, **changes: object) -> Measurement:
    return count(drawn, 1.0).model_copy(update={"reported": at(drawn) + timedelta(hours=delay), **changes})


def test_of_each_analyte_the_one_that_was_reported_last_counts() -> None:
    found = reports(late(0, 30), late(12, 1), count(20, 2.0))
    assert [[one.drawn for one in found.newest(ms(hour))] for hour in (0, 13, 29, 30)] == [
        [], [ms(12)], [ms(20)], [ms(0)],
    ]  # fmt: skip


def test_without_a_time_of_report_and_with_one_before_the_drawing_it_came_at_once() -> None:
    for one in (count(0, 1.0), late(0, -3)):
        (report,) = reports(one).newest(ms(1))
        assert (report.reported, report.delay) == (ms(0), 0)


def test_what_is_unsure_of_the_drawing_is_no_delay() -> None:
    (report,) = reports(late(0, 20, draw_time_sd=quantity(7.0, "h"))).newest(ms(99))
    assert report.delay == 6 * HOUR_MS


def test_doses_plans_and_new_rates_between_drawing_and_report_are_decisions() -> None:
    found = reports(late(5, 20), dose(5), dose(8), plan(9, (30, 10.0, None)), start(10, 5.0), dose(25))
    (report,) = found.newest(ms(25))
    assert [(one.millis, one.what) for one in found.decided(report)] == [
        (ms(8), "given"), (ms(9), "planned"), (ms(10), "given"),
    ]  # fmt: skip


def test_a_pump_that_goes_on_as_before_is_no_decision() -> None:
    words = start(-20, 5.0), stop(6), start(6.5, 5.0), start(7, 5.0)
    assert [one.millis for one in _decided(*words)] == []
    assert [one.millis for one in _decided(*words, start(8, 4.0))] == [ms(8)]
    assert [one.millis for one in _decided(*words[:2], start(9, 5.0))] == [ms(9)]


def test_what_is_taken_back_was_not_decided_and_no_order_of_arrival_matters() -> None:
    given = dose(8)
    gone = given.model_copy(update={"event_id": "gone", "status": "retracted", "replaces": given.event_id})
    events = [late(5, 20), given, gone, dose(9)]
    for order in permutations(events):
        history = History()
        for event in order:
            history.insert(event)
        found = Orders(history).reports
        (report,) = found.newest(ms(99))
        assert [one.millis for one in found.decided(report)] == [ms(9)]


def _decided(*words: InputEvent) -> tuple:  # type: ignore[type-arg]
    found = reports(late(5, 20), *words)
    (report,) = found.newest(ms(99))
    return found.decided(report)
