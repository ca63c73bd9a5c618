"""One infusion told by the pump and charted as given is one; two are two where the pump tells two."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.bedside import dose, ms, sample, start, stop, totals
from tests.twin.timeline.records import history_of
from twin.clock import HOUR_MS
from twin.events import InputEvent
from twin.record.charted import ChartedDose, Infusion, told_twice
from twin.timeline.delivery import Delivered, delivered

DAY = 24.0


def given_of(*events: InputEvent) -> Delivered:
    history = history_of(events)
    return delivered("toxin", list(history.effective()), history.samples)


def total(*events: InputEvent) -> float:
    """All mg delivered within ten days."""
    return round(given_of(*events).amount(ms(-DAY), ms(10 * DAY)), 6)


PUMPED = start(1, 100.0), stop(2)


def test_an_infusion_told_by_pump_and_chart_is_one_and_runs_as_the_pump_says() -> None:
    found = given_of(*PUMPED, dose(1, 100.0, 1.0))
    assert found.rate == given_of(*PUMPED).rate
    assert found.impulses == []
    assert found.pulses == [ms(1)]
    (one,) = found.told_twice
    assert (one.event_id, one.charted, one.device, one.start, one.pumped) == ("dose 1", 100.0, "pump-1", ms(1), 100.0)
    assert total(*PUMPED, dose(1.9, 95.0)) == 100.0


def test_beyond_the_bounds_of_time_amount_and_route_they_are_two() -> None:
    assert total(*PUMPED, dose(2.1, 100.0, 1.0)) == 200.0
    assert total(*PUMPED, dose(1, 80.0, 0.5)) == 180.0
    assert total(*PUMPED, dose(1, 125.0)) == 225.0
    assert total(*PUMPED, dose(1, 100.0, 1.0, route="sc")) == 200.0
    assert total(*PUMPED, dose(1, 100.0, 1.0, steady_every={"value": 24.0, "unit": "h"})) == 200.0


def test_a_bolus_beside_an_infusion_is_a_dose_of_its_own() -> None:
    assert total(start(1, 90.0), stop(47), dose(1, 700.0)) == 46 * 90 + 700


def test_two_infusions_that_the_pump_tells_remain_two_however_many_are_charted() -> None:
    pumped = [start(1, 200.0), stop(1.5), start(1.75, 200.0), stop(2.25)]
    for charted in ([], [dose(1, 100.0)], [dose(1.1, 100.0), dose(1.7, 100.0)], [dose(1, 200.0)]):
        assert total(*pumped, *charted) == 200.0
    assert total(*pumped, dose(1.1, 100.0), dose(1.7, 100.0), dose(1.2, 100.0)) == 300.0
    assert total(*PUMPED, dose(0.6, 100.0), dose(1.3, 100.0)) == 200.0


def test_as_many_are_paired_as_can_be() -> None:
    pumped = [start(1.5, 100.0), stop(2.5), start(2.6, 100.0, "pump-2"), stop(3.6, "pump-2")]
    assert total(*pumped, dose(1.4, 100.0), dose(1.6, 100.0)) == 200.0


def test_an_infusion_with_a_pause_in_it_is_one() -> None:
    paused = start(1, 100.0), stop(1.5), start(1.7, 100.0), stop(2.2)
    assert total(*paused, dose(1, 100.0, 1.0)) == 100.0


def test_an_infusion_that_runs_or_was_cut_short_is_known_by_its_rate() -> None:
    running = start(1, 100.0), sample(1.1, 100.0)
    assert given_of(*running, dose(1, 100.0, 1.0)).rate == given_of(*running).rate
    assert total(start(1, 100.0), stop(1.6), dose(1, 100.0, 1.0)) == 60.0
    assert given_of(*running, dose(1, 100.0)).impulses != []
    assert given_of(*running, dose(1, 300.0, 1.0)).told_twice == ()


def test_a_counter_says_how_much_the_pump_delivered() -> None:
    counted = start(1, 80.0), totals(1, 0.0), totals(2, 100.0), stop(2)
    assert total(*counted, dose(1, 100.0)) == 100.0


def test_a_dose_that_names_its_pump_is_what_that_pump_delivered_whatever_it_says() -> None:
    assert total(*PUMPED, dose(4, 60.0, device_id="pump-1")) == 100.0
    assert total(*PUMPED, dose(1, 100.0, 1.0, device_id="pump-2")) == 200.0
    assert total(*PUMPED, dose(20, 100.0, 1.0, device_id="pump-1")) == 200.0
    both = dose(1, 100.0, device_id="pump-1"), dose(1.1, 100.0)
    assert total(*PUMPED, *both) == 200.0


hours = st.integers(0, 16).map(lambda quarter: quarter * HOUR_MS // 4)
amounts = st.sampled_from([100.0, 104.0, 200.0])
pumps = st.sampled_from(["a", "b"])
doses = st.lists(
    st.builds(
        lambda start, amount, span, device: (start, amount, span, device),
        hours, amounts, st.sampled_from([0, HOUR_MS]), st.one_of(st.none(), pumps),
    ),
    max_size=5,
)  # fmt: skip
infusions = st.lists(
    st.builds(
        lambda device, start, amount, open: Infusion(device, start, start + HOUR_MS // 5, amount, open),
        pumps, hours, amounts, st.booleans(),
    ),
    max_size=5, unique_by=lambda one: (one.device, one.start),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(doses, infusions, st.randoms(use_true_random=False))
def test_who_is_paired_does_not_depend_on_the_order_of_telling(
    told: list[tuple[int, float, int, str | None]], pumped: list[Infusion], random: Random
) -> None:
    charted = [ChartedDose(f"d{n}", *one) for n, one in enumerate(told)]
    found = told_twice(charted, pumped)
    assert len({one.event_id for one in found}) == len(found) == len({(one.device, one.start) for one in found})
    random.shuffle(charted)
    random.shuffle(pumped)
    assert told_twice(charted, pumped) == found
