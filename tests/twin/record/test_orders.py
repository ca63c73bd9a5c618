"""Plans and device bindings as they stood at any time."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from tests.twin.bedside import bind, ms, plan, quantity, sample, start, stop, vital
from tests.twin.timeline.records import history_of
from twin.events import InputEvent
from twin.record.history import History
from twin.record.orders import Orders, PlanStep


def orders(*events: InputEvent) -> tuple[Orders, History]:
    history = history_of(events)
    return Orders(history), history


def planned(found: Orders, hours: float, drug: str = "toxin") -> list[tuple[float, float, float]]:
    """(begin, end, mg) of the plan as it stood, in hours."""
    steps: Iterable[PlanStep] = found.plan(ms(hours)).get(drug, ())
    return [((s.start_ms - ms(0)) / 3.6e6, (s.end_ms - ms(0)) / 3.6e6, s.amount) for s in steps]


def test_a_plan_holds_from_when_it_was_made() -> None:
    found, _ = orders(plan(1, (5, 240.0, 6.0), (29, 60.0, None)))
    assert planned(found, 0.9) == []
    assert planned(found, 1) == planned(found, 99) == [(5, 11, 240.0), (29, 29, 60.0)]
    assert found.plan(ms(0)) == {}


def test_a_newer_plan_replaces_what_an_older_one_says_from_its_own_time_on() -> None:
    found, _ = orders(plan(0, (1, 10.0, None), (24, 10.0, None), (48, 10.0, None)), plan(12, (36, 7.0, None)))
    assert planned(found, 11) == [(1, 1, 10.0), (24, 24, 10.0), (48, 48, 10.0)]
    assert planned(found, 12) == [(1, 1, 10.0), (36, 36, 7.0)]


def test_plans_of_two_drugs_stand_beside_each_other() -> None:
    found, _ = orders(plan(0, (1, 10.0, None)), plan(2, (3, 8.0, None), drug="helper"))
    assert planned(found, 5) == [(1, 1, 10.0)]
    assert planned(found, 5, "helper") == [(3, 3, 8.0)]


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["toxin", "helper"]), st.integers(0, 3)), max_size=7))
def test_plans_that_are_added_to_those_known_are_as_if_all_were_read_anew(told: list[tuple[int, str, int]]) -> None:
    history = History()
    known = Orders(history)
    for number, (hour, drug, corrects) in enumerate(told):
        order = plan(hour, (hour + 1, 10.0 + number, None), (9, 5.0, 1.0), drug=drug, event_id=f"plan {number}")
        if number and corrects == 0:
            order = order.model_copy(update={"replaces": f"plan {number - 1}", "status": "corrected"})
        history.insert(order)
        known = Orders(history, known)
    afresh = Orders(history)
    assert [known.plan(ms(hour)) for hour in range(-1, 6)] == [afresh.plan(ms(hour)) for hour in range(-1, 6)]


def test_a_plan_that_is_added_leaves_those_before_it_as_they_are() -> None:
    history = history_of([plan(0, (1, 10.0, None)), plan(2, (3, 8.0, None))])
    known = Orders(history)
    history.insert(plan(4, (5, 6.0, None)))
    assert Orders(history, known).plan(ms(2)) is known.plan(ms(2))


def test_two_plans_of_one_moment_are_one_change() -> None:
    found, _ = orders(plan(0, (1, 10.0, None)), plan(0, (3, 8.0, None), drug="helper", event_id="z"))
    assert planned(found, 0) == [(1, 1, 10.0)]
    assert planned(found, 0, "helper") == [(3, 3, 8.0)]


def test_the_newest_word_about_a_drug_is_that_of_any_pump() -> None:
    found, history = orders(
        start(1), sample(2), sample(3), stop(6), start(4, device="pump-2"), sample(5, drug="helper")
    )
    assert [found.last_report(history, ms(h), "toxin") for h in (0.5, 1, 2.5, 3.5, 5, 9)] == [
        None, ms(1), ms(2), ms(3), ms(4), ms(6),
    ]  # fmt: skip
    assert found.last_report(history, ms(9), "helper") == ms(5)


def test_a_device_is_seen_when_it_was_bound_or_last_spoke() -> None:
    found, history = orders(bind(1, "watch-1", 0.5), vital(3), vital(9), bind(20, "watch-1", None, associated=False))
    assert found.devices(history.contact, ms(0.5)) == ()
    (bound,) = found.devices(history.contact, ms(2))
    assert (bound.device_id, bound.last_seen_ms, bound.expected_every_ms, bound.associated) == (
        "watch-1", ms(1), 1_800_000, True,
    )  # fmt: skip
    (spoke,) = found.devices(history.contact, ms(8))
    assert spoke.last_seen_ms == ms(3)
    (released,) = found.devices(history.contact, ms(21))
    assert (released.associated, released.expected_every_ms) == (False, None)
    assert released.last_seen_ms == ms(20)


def test_a_plan_says_by_which_route() -> None:
    found, _ = orders(plan(0, (1, 10.0, None)), plan(2, (3, 8.0, None), route="oral"))
    assert [(step.amount, step.route) for step in found.plan(ms(5))["toxin"]] == [(10.0, "iv"), (8.0, "oral")]


def test_a_corrected_plan_is_the_plan() -> None:
    wrong = plan(0, (1, 1000.0, None), event_id="wrong")
    right = plan(0, (1, 100.0, None), event_id="right", status="corrected", replaces="wrong")
    assert planned(orders(wrong, right)[0], 5) == [(1, 1, 100.0)]


def test_an_interval_is_read_in_hours() -> None:
    (device,) = orders(bind(0, every=None, expected_every=quantity(0.25, "h")))[0].devices({}, ms(1))
    assert device.expected_every_ms == 900_000


def test_a_clock_is_off_from_the_word_that_says_so_until_one_by_a_right_clock() -> None:
    off = {"clock_behind": quantity(900.0, "s")}
    told = [start(1, 40.0), start(2, 50.0, **off), stop(3, **off), start(5, 40.0)]
    for events in (told, told[::-1]):
        found, _ = orders(*events)
        assert [found.clocks(ms(hour)) for hour in (1, 2, 4)] == [(), *[(("pump-1", 900.0, ms(2)),)] * 2]
        assert found.clocks(ms(5)) == (("pump-1", 0.0, ms(5)),)
    assert orders(start(1, 40.0))[0].clocks(ms(9)) == ()
