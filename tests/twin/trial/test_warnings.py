"""What a warning was worth: events found, leads, claims right and wrong."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.twin.trial.test_course import course
from twin.clock import DAY_MS
from twin.trial.warnings import Standing, Watch, judge

WATCHED = Watch("P", 0, 15 * DAY_MS, course((5, 7), (11, 12)), 0.5, 4 * DAY_MS)


def standing(raised: float, ended: float | None, probability: float | None = None) -> Standing:
    return Standing(round(raised * DAY_MS), None if ended is None else round(ended * DAY_MS), probability)


def test_an_event_is_found_by_an_alert_that_stands_as_it_begins_and_its_lead_ends_at_the_event_before() -> None:
    found = judge(WATCHED, (standing(2, None),))
    assert found.leads == (3.0, 4.0)


def test_an_alert_that_came_with_or_after_the_event_or_was_over_before_it_found_nothing() -> None:
    assert judge(WATCHED, (standing(5, 9),)).leads == (None, None)
    assert judge(WATCHED, (standing(1, 4.9), standing(5.5, 10.9))).leads == (None, None)


def test_an_alert_claims_when_it_is_raised_and_anew_after_each_horizon_for_which_it_stood() -> None:
    found = judge(WATCHED, (standing(2, 11, 0.6),))
    assert [(claim.millis / DAY_MS, claim.probability, claim.right) for claim in found.claims] == [
        (2.0, 0.6, True),
        (6.0, None, True),
        (10.0, None, True),
    ]


def test_a_claim_is_false_when_nothing_happens_within_its_horizon_even_if_it_does_later() -> None:
    assert [claim.right for claim in judge(WATCHED, (standing(0.5, 1),)).claims] == [False]
    assert [claim.right for claim in judge(WATCHED, (standing(1, 2),)).claims] == [True]


def test_a_claim_made_late_in_the_watch_is_judged_by_what_is_true_after_it() -> None:
    late = Watch("P", 0, 9 * DAY_MS, course((5, 7), (11, 12)), 0.5, 4 * DAY_MS)
    found = judge(late, (standing(8.5, None),))
    assert (found.leads, [claim.right for claim in found.claims]) == ((None,), [True])


@given(st.lists(st.tuples(st.floats(0, 15), st.floats(0.01, 8)), max_size=4))
def test_no_lead_is_negative_and_nothing_is_counted_twice(spans: list[tuple[float, float]]) -> None:
    alerts = tuple(standing(start, start + length) for start, length in spans)
    found = judge(WATCHED, alerts)
    assert len(found.leads) == 2
    assert all(lead is None or lead > 0 for lead in found.leads)
    assert all(claim.millis <= WATCHED.end for claim in found.claims)
