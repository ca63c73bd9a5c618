"""What lies far from the rest of a record is held, unless enough bear it out."""

from __future__ import annotations

from twin.clock import DAY_MS
from twin.record.held.far import AHEAD_MS, BEFORE_MS, Stretch, held_stretches

NOW = 20_000 * DAY_MS
HOME = Stretch(NOW, NOW + 30 * DAY_MS)
OLD = Stretch(NOW - 9_000 * DAY_MS, NOW - 8_999 * DAY_MS)
LATER = Stretch(HOME.last + AHEAD_MS + 1, HOME.last + AHEAD_MS + DAY_MS)


def held(
    *told: Stretch,
    enrolled: int | None = NOW,
    followed: int | None = None,
    plans: tuple[tuple[int, tuple[int, ...]], ...] = (),
    released: tuple[tuple[int, int], ...] = (),
    witnesses: dict[Stretch, int] | None = None,
) -> tuple[Stretch, ...]:
    return held_stretches(told, enrolled, followed, plans, released, lambda stretch: (witnesses or {}).get(stretch, 1))


def test_a_record_without_long_silences_is_believed_whatever_its_length() -> None:
    assert held(HOME) == held(OLD, enrolled=None) == ()


def test_a_single_word_years_before_or_ahead_is_held() -> None:
    assert held(OLD, HOME, LATER) == (OLD, LATER)


def test_the_bounds_are_half_a_year_before_the_enrolment_and_two_years_after_it() -> None:
    near = Stretch(NOW - BEFORE_MS - 1 - DAY_MS, NOW - BEFORE_MS)
    assert held(near, HOME) == ()
    assert held(Stretch(near.first, near.last - 1), HOME) != ()
    year = Stretch(HOME.last + 365 * DAY_MS, HOME.last + 365 * DAY_MS)
    assert held(HOME, year) == held(HOME, Stretch(LATER.first - 1, LATER.last)) == ()
    assert held(Stretch(near.first, near.last - 1), HOME, enrolled=None) == ()


def test_three_that_bear_one_another_out_are_a_history() -> None:
    assert held(OLD, HOME, witnesses={OLD: 2}) == (OLD,)
    assert held(OLD, HOME, witnesses={OLD: 3}) == ()


def test_what_was_released_is_part_of_the_record_and_so_is_what_lies_near_it() -> None:
    assert held(OLD, HOME, LATER, released=((OLD.last, OLD.last),)) == (LATER,)
    after = Stretch(LATER.last + 200 * DAY_MS, LATER.last + 200 * DAY_MS)
    assert held(HOME, LATER, after) == (LATER, after)
    assert held(HOME, LATER, after, released=((LATER.first, LATER.first),)) == ()


def test_a_plan_explains_what_is_given_by_it() -> None:
    assert held(OLD, HOME, plans=((NOW, (OLD.last, NOW)),)) == ()
    assert held(OLD, HOME, plans=((OLD.first, (NOW,)),)) == ()
    assert held(OLD, HOME, plans=((NOW, (NOW, LATER.first)),)) == (OLD,)


def test_without_an_enrolment_the_stretch_that_most_bear_out_is_the_record() -> None:
    assert held(OLD, HOME, enrolled=None, witnesses={OLD: 2}) == (HOME,)
    assert held(OLD, HOME, enrolled=None) == (OLD,)
    assert held(OLD, HOME, LATER, enrolled=None, witnesses={HOME: 2}) == (OLD, LATER)


def test_of_a_patient_who_is_followed_silence_says_that_nothing_happened() -> None:
    assert (
        held(HOME, LATER, followed=HOME.first) == held(OLD, HOME, LATER, enrolled=OLD.first, followed=OLD.first) == ()
    )
    assert held(OLD, HOME, LATER, followed=HOME.first) == (OLD,)
    assert held(HOME, LATER, followed=LATER.first) == (LATER,)


def test_a_follow_up_that_begins_years_before_the_enrolment_is_held_itself() -> None:
    assert held(OLD, HOME, followed=OLD.first) == (OLD,)
