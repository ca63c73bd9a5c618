"""What a counter finds missing or too much lies early, evenly or late: each way as much is delivered."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.bedside import ms, sample, start, stop, totals
from tests.twin.timeline.records import given_of
from twin.clock import HOUR_MS
from twin.timeline.pumps.mismatch import REMEMBERED_MS, Mismatch, newest, reconciled
from twin.timeline.pumps.silence import RUNNING, spread
from twin.timeline.pumps.steps import amount_of

DOUBT = Mismatch("pump-1", "toxin", ms(0), ms(8), 320.0, 160.0)
EARLY, LATE = spread(DOUBT)


def told(amount: float) -> tuple[object, ...]:
    return start(0), totals(0, 0), totals(8, amount), stop(10)


@pytest.mark.parametrize("amount", [160.0, 480.0])
def test_missing_and_extra_mass_lies_early_or_late_as_a_hypothesis_has_it(amount: float) -> None:
    halves = {}
    for hypothesis in (EARLY, RUNNING, LATE):
        found = given_of(*told(amount), assumed=hypothesis)  # type: ignore[arg-type]
        assert found.amount(ms(0), ms(8)) == pytest.approx(amount)
        assert found.amount(ms(8), ms(10)) == pytest.approx(80.0)
        halves[hypothesis.where] = found.amount(ms(0), ms(4))
    assert halves["even"] == pytest.approx(amount / 2)
    # Of 320 mg that the rates tell half is missing, or half is too much.
    expected = (0.0, 160.0) if amount == 160.0 else (320.0, 160.0)
    assert (halves["early"], halves["late"]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("counted", "doubted"),
    [(320.0, False), (310.0, False), (280.0, True), (360.0, True), (0.0, False)],
    ids=["agrees", "within a pump's error", "too little", "too much", "nothing went in"],
)
def test_only_a_difference_that_matters_is_in_doubt(counted: float, doubted: bool) -> None:
    expected = (DOUBT._replace(counted=counted),) if doubted else ()
    assert given_of(*told(counted)).doubts == expected  # type: ignore[arg-type]


def test_a_short_stretch_and_a_pump_without_telemetry_leave_no_doubt() -> None:
    assert given_of(start(0), totals(0, 0), totals(0.5, 5), stop(1)).doubts == ()
    assert given_of(totals(0, 0), totals(46, 90)).doubts == ()


def test_the_newest_doubt_of_all_pumps_counts_until_it_no_longer_matters() -> None:
    later = Mismatch("pump-2", "toxin", ms(1), ms(9), 320.0, 160.0)
    assert newest([later, DOUBT]) == later
    assert newest([]) is None
    assert not DOUBT.in_doubt(ms(0))
    assert DOUBT.in_doubt(ms(1))
    assert DOUBT.in_doubt(ms(8) + REMEMBERED_MS)
    assert not DOUBT.in_doubt(ms(8) + REMEMBERED_MS + 1)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 99), st.sampled_from([0.0, 5.0, 40.0])), max_size=6, unique_by=lambda s: s[0]),
    st.floats(0.001, 900.0),
    st.sampled_from(["even", "early", "late"]),
)
def test_every_way_delivers_what_was_counted_and_nothing_negative(
    line: list[tuple[int, float]], found: float, where: str
) -> None:
    steps = sorted((tenth * HOUR_MS // 10, rate) for tenth, rate in line)
    within = reconciled(steps, HOUR_MS, 9 * HOUR_MS, found, where)  # type: ignore[arg-type]
    times = [millis for millis, _ in within]
    assert times[0] == HOUR_MS
    assert times == sorted(set(times))
    assert times[-1] < 9 * HOUR_MS
    assert all(rate >= 0 for _, rate in within)
    assert amount_of(within, HOUR_MS, 9 * HOUR_MS) == pytest.approx(found)


def test_samples_between_the_readings_change_nothing() -> None:
    plain = given_of(*told(160.0), assumed=EARLY)  # type: ignore[arg-type]
    with_samples = given_of(*told(160.0), sample(3), sample(5), assumed=EARLY)  # type: ignore[arg-type]
    assert with_samples.rate == plain.rate
