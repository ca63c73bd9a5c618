"""A dose that nobody saw taken was taken or not, as the data say; told that it was, nothing is in doubt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.twin import toys
from tests.twin.bedside import PATIENT, clock, dose, level, ms, start
from tests.twin.patient.accounts.test_standing import MODEL, PARTICLES, last, said, told
from tests.twin.timeline.records import given_of
from twin.events import DoseGiven, InputEvent
from twin.modelfile.reader import parse_model
from twin.patient.accounts.standing import log_total, shares
from twin.patient.averaged import AveragedTwin
from twin.patient.rivals import rivals
from twin.patient.twin import PatientTwin
from twin.timeline.pumps.silence import RUNNING, log_prior_of_rest
from twin.timeline.pumps.taking import Uncertain, continued, newest, was_taken, ways


def cap(hours: float, taken: float | None, amount: float = 200.0, **changes: object) -> DoseGiven:
    """A dose of which it is known with a probability that it was taken."""
    return DoseGiven(**dose(hours, amount).model_dump() | {"taken": taken} | changes)


def believed(*events: InputEvent) -> float:
    """The probability that the newest dose was taken, as the last estimate has it."""
    found = last(told(events)[1]).taken
    assert found is not None
    return found["toxin"]


@pytest.mark.parametrize("taken", [0.9, 0.5, 0.2])
def test_without_data_it_is_what_its_source_says(taken: float) -> None:
    assert believed(cap(0, taken), clock(5)) == pytest.approx(taken)
    estimate = last(told((cap(0, taken), clock(5)))[1])
    assert estimate.delivered["toxin"].value == pytest.approx(200.0 * taken)


BEFORE = cap(-10, None, 50.0)
"""A dose that was seen, so that a level is foreseen either way."""


def test_a_level_says_whether_it_was_taken() -> None:
    high, low = (last(told((BEFORE, *doses, clock(4)))[1]).outputs[0].median for doses in ((cap(0, None),), ()))
    assert believed(BEFORE, cap(0, 0.8), level(4, high)) > 0.97
    assert believed(BEFORE, cap(0, 0.8), level(4, low)) < 0.03


def test_accounts_weigh_what_twins_do_that_are_told_so() -> None:
    """p(missed | y) / p(taken | y) = prior odds * p(y | missed) / p(y | taken)."""
    value = level(1, 1.0)
    took, missed = (told((*doses, value))[0] for doses in ((BEFORE, cap(0, None)), (BEFORE,)))
    weight = [math.log(p) + twin.belief.log_evidence for p, twin in ((0.8, took), (0.2, missed))]
    assert believed(BEFORE, cap(0, 0.8), value) == pytest.approx(shares(weight)[0])
    assert last(told((BEFORE, cap(0, 0.8), value))[1]).log_evidence == pytest.approx(log_total(weight))


def test_each_of_the_newest_two_is_in_doubt_and_an_older_one_is_what_is_more_likely() -> None:
    doses = [cap(0, 0.9), cap(24, 0.4), cap(48, 0.9), clock(53)]
    twin, updates = told(doses)
    assert [one.millis for one in twin.points[-1].doses] == [ms(24), ms(48)]
    assert len(twin.points[-1].positions) == 4
    assert last(updates).delivered["toxin"].value == pytest.approx(200.0 * (1 + 0.4 + 0.9))
    unlikely, _ = told([cap(0, 0.2), *doses[1:]])
    assert last([unlikely.observe([clock(57)])]).delivered["toxin"].value == pytest.approx(200.0 * (0.4 + 0.9))


def test_what_was_learned_of_one_is_kept_when_the_next_comes() -> None:
    first = (BEFORE, cap(0, 0.8), level(4, 0.2))
    twin, updates = told((*first, cap(12, 0.8), clock(14)))
    weights = [one.log_weight for one in twin._folded.standings()]
    missed = sum(
        part for part, one in zip(shares(weights), twin._folded.standings(), strict=True)
        if not was_taken(twin.points[-1].doses[0], one.hypothesis)
    )  # fmt: skip
    assert missed > 0.97
    assert last(updates).taken == {"toxin": pytest.approx(0.8)}


def test_told_that_it_was_taken_it_is_a_dose_like_any_other() -> None:
    others = (level(1, 3.0), cap(12, None), clock(20))
    seen, plain = (told((cap(0, taken), *others)) for taken in (1.0, None))
    assert said(seen[1]) == said(plain[1])
    assert last(seen[1]).taken is None
    assert all(point.doses == () and point.rest == () for point in seen[0].points)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_order_of_arrival_ends_in_the_same_mixture(data: st.DataObject) -> None:
    mended = cap(12, 1.0, event_id="seen", status="corrected", replaces=cap(12, 0.7).event_id)
    other = data.draw(st.sampled_from([(), (mended,), (cap(30, 0.3),), (start(13, 5.0),)]))
    events: list[InputEvent] = [
        cap(0, 0.9),
        cap(12, 0.7),
        level(13, 1.0),
        cap(24, 0.6),
        level(26, 2.0),
        clock(34),
        *other,
    ]
    shuffled = data.draw(st.permutations(events))
    cut = data.draw(st.integers(0, len(events)))
    one, first = told(sorted(events, key=lambda event: event.time))
    two, second = told(shuffled[:cut], *([event] for event in shuffled[cut:]))
    assert said(first) == said(second)
    assert np.array_equal(one.posterior().params, two.posterior().params)
    assert np.array_equal(one.posterior().log_weight, two.posterior().log_weight)


def test_a_row_goes_on_to_the_same_bytes() -> None:
    twin, _ = told((cap(0, 0.9), level(1, 1.0), cap(12, 0.7), clock(14)))
    other = PatientTwin.from_row(twin.row(), MODEL)
    assert other.row() == twin.row()
    more: Sequence[InputEvent]
    for more in ([level(15, 1.0)], [cap(24, 0.8)], [level(25, 1.5)]):
        assert said([twin.observe(more)]).items() <= said([other.observe(more)]).items()
        assert np.array_equal(twin.posterior().log_weight, other.posterior().log_weight)


def test_a_dose_in_steady_state_was_taken() -> None:
    with pytest.raises(ValidationError, match="steady_every"):
        cap(0, 0.5, steady_every={"value": 12.0, "unit": "h"})
    for taken in (0.0, 1.1):
        with pytest.raises(ValidationError):
            cap(0, taken)


def test_rival_models_average_the_same_doubt() -> None:
    text = toys.LEVELS.replace('"toy_levels"', '"toy_other"').replace("value = 6\n", "value = 5\n")
    twin = AveragedTwin(PATIENT, rivals([MODEL, parse_model(text, "toy_other.toml")]), PARTICLES)
    assert last([twin.observe((cap(0, 0.8), clock(5)))]).taken == {"toxin": pytest.approx(0.8)}


def test_ways_are_all_that_may_have_been_and_go_on_from_what_was_before() -> None:
    doses = newest([Uncertain(3, "a", "z", 0.3), Uncertain(2, "a", "y", 0.9), Uncertain(1, "a", "x", 0.9)])
    assert [one.dose for one in doses] == ["y", "z"]
    found = ways(doses)
    assert [one.otherwise for one in found] == [("y",), ("z",), ("y", "z")]
    assert math.exp(log_prior_of_rest(found)) == pytest.approx(0.9 * 0.7)
    assert [continued(one, doses[:1]) for one in found] == [1, 0, 1]
    assert [continued(one, doses) for one in found] == [1, 2, 3]
    assert [was_taken(one, RUNNING) for one in doses] == [True, False]
    assert [was_taken(one, found[2]) for one in doses] == [False, True]


def test_a_dose_that_was_missed_is_no_dose() -> None:
    (way,) = ways([Uncertain(ms(0), "toxin", cap(0, 0.9).event_id, 0.9)])
    found = given_of(cap(0, 0.9), assumed=way)
    assert (found.impulses, found.pulses) == ([], [])
    assert given_of(cap(0, 0.9)).amount(ms(0), ms(1)) == 200.0
