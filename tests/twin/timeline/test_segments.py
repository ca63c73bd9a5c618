"""Segments of a record: when an occasion begins, when a drift steps, and that both are named by their ms for good."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.twin import toys
from tests.twin.bedside import covariate, dose, ms, start, stop
from tests.twin.timeline.records import history_of
from twin.clock import HOUR_MS
from twin.events import InputEvent
from twin.kernel.kernel import compile_model
from twin.modelfile.reader import parse_model
from twin.timeline.segments import EVER, Segment, Segments
from twin.timeline.timeline import build

VARYING = toys.BOLUS.replace("iiv = 0.16\n", "iiv = 0.16\niov = 0.04\n")
WALKING = (
    toys.BOLUS.replace("iiv = 0.16\n", "iiv = 0.16\ndrift = 0.001\n").replace(
        "iiv = 0.09\n", "iiv = 0.09\ndrift = 0.001\n"
    )
    + "\n[drift]\ngrid = 5\nlag = 20\nassumed = 'a test'\n"
)


def segments(text: str, events: list[InputEvent]) -> Segments:
    timeline = build(history_of(events), compile_model(parse_model(text, "mine.toml")))
    assert timeline is not None
    return timeline.segments


def told(way: str, more: str = "") -> str:
    return f"{VARYING}\n{more}[occasions]\n{way}\nassumed = 'a test'\n"


def test_a_delivery_after_a_gap_begins_an_occasion_but_the_first() -> None:
    courses = [start(0, 10.0), stop(6), dose(20), start(29.9, 10.0), stop(30), start(40, 10.0), stop(41), dose(70)]
    found = segments(told('drug = "toxin"\ngap = 10'), courses)
    assert found.occasions == (ms(20), ms(40), ms(70))
    assert found.at(ms(-5)) == found.at(ms(0)) == Segment(EVER, EVER)
    assert found.at(ms(20) - 1).occasion == EVER
    assert found.at(ms(20)).occasion == ms(20)
    assert found.next_after(ms(20)) == ms(40)
    assert found.next_after(ms(70)) is None
    assert found.occasions_before(ms(40)) == (EVER, ms(20))


def test_occasions_may_follow_one_another_at_intervals_from_the_first_dose() -> None:
    found = segments(told('drug = "toxin"\nevery = 24'), [dose(3), dose(30), dose(100)])
    assert [found.at(ms(h)).occasion for h in (0, 3, 26.9)] == [EVER] * 3
    assert [found.at(ms(h)).occasion for h in (27, 50.9, 51, 123)] == [ms(27), ms(27), ms(51), ms(123)]
    assert found.next_after(ms(-10)) == ms(27)
    assert found.next_after(ms(27)) == ms(51)
    assert found.occasions_before(ms(52)) == (EVER, ms(27), ms(51))
    assert segments(told('drug = "toxin"\nevery = 24'), [start(0, 0.0), dose(3, event_id="x")]).every == 24 * HOUR_MS


def test_each_change_of_a_covariate_may_begin_an_occasion() -> None:
    declared = '[covariates.OCC]\nunit = "1"\nreference = 1\nassumed = "a test"\n\n'
    values = [(0.0, 1.0), (10.0, 1.0), (20.0, 2.0), (30.0, 2.0), (40.0, 1.0)]
    changes = [covariate(hours, "OCC", value, "1") for hours, value in values]
    assert segments(told('covariate = "OCC"', declared), [dose(0), *changes]).occasions == (ms(20), ms(40))


def test_a_drift_steps_on_a_grid_of_its_own_after_the_record_has_begun() -> None:
    found = segments(WALKING, [dose(0), dose(100)])
    grid = 5 * HOUR_MS
    assert found.grid == grid
    first = found.next_after(found.start)
    assert first is not None
    assert first % grid == 0
    assert found.start < first <= found.start + grid
    assert found.at(first - 1).step == EVER
    assert found.at(first + grid - 1).step == first
    assert found.steps_before(first + 1) == (first,)
    assert found.steps_before(first + 2 * grid, first + grid) == (first + grid,)


def test_a_record_without_occasions_and_drift_is_one_segment() -> None:
    found = segments(toys.BOLUS, [dose(0), dose(100)])
    assert (found.next_after(ms(0)), found.at(ms(0)), found.at(ms(500))) == (None, (EVER, EVER), (EVER, EVER))


times = st.integers(-50, 50)


@given(st.lists(times, unique=True).map(sorted), st.none() | st.integers(1, 20), st.none() | st.integers(1, 20), times)
def test_a_segment_lasts_until_the_next_one_begins(
    occasions: list[int], every: int | None, grid: int | None, millis: int
) -> None:
    segments = Segments(-60, tuple(occasions) if every is None else (), 3, every, grid)
    following = segments.next_after(millis)
    inside = range(millis, millis + 100 if following is None else following)
    assert {segments.at(each) for each in inside} == {segments.at(millis)}
    if following is not None:
        assert segments.at(following) != segments.at(millis)
        assert following in segments.at(following)
    begun = {segments.at(each).occasion for each in range(-61, millis)} | {EVER}
    assert set(segments.occasions_before(millis)) == begun
    assert set(segments.steps_before(millis)) == {segments.at(each).step for each in range(-60, millis)} - {EVER}
