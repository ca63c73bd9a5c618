"""A patient who is followed is at risk, and grows ill or old, from the begin of follow-up on, dose or none."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.bedside import PATIENT, at, dose, finding, follow_up, ms
from tests.twin.timeline.records import TOY, timeline
from twin import PatientTwin
from twin.clock import HOUR_MS
from twin.events import Forecast, InputEvent, Prediction, to_millis
from twin.modelfile.reader import parse_model
from twin.record.history import History
from twin.timeline.timeline import build

RATE, SHAPE = 0.03, 1.5
AWAITED = parse_model(
    toys.WEIBULL.replace("SHAPE", str(SHAPE)).replace("value = 0.03", "value = 0.03\niiv = 0.04"), "awaited.toml"
)


def told(*batches: list[InputEvent], particles: int = 64) -> PatientTwin:
    twin = PatientTwin(PATIENT, AWAITED, particles)
    for batch in batches:
        assert not twin.observe(batch).rejected
    return twin


def happened(since: float, until: float) -> float:
    """Probability that it happens between two hours of the typical patient's follow-up, if not before."""
    return float(-np.expm1((RATE * since) ** SHAPE - (RATE * until) ** SHAPE))


def test_the_record_begins_with_the_earliest_of_follow_up_dose_and_value() -> None:
    assert timeline(follow_up(2), dose(5)).start == ms(2)
    assert timeline(follow_up(2), follow_up(1, event_id="screened"), dose(5)).start == ms(1)
    assert timeline(dose(1), follow_up(2)).start == ms(1)
    assert timeline(follow_up(2)).start == ms(2)


def test_a_follow_up_that_was_retracted_or_corrected_begins_nothing() -> None:
    wrong = follow_up(2, event_id="wrong")
    right = follow_up(4, event_id="right", status="corrected", replaces="wrong")
    gone = follow_up(2, event_id="gone", status="retracted", replaces="wrong")
    assert timeline(wrong, right, dose(5)).start == ms(4)
    assert timeline(wrong, gone, dose(5)).start == ms(5)
    history = History()
    for event in (wrong, gone):
        history.insert(event)
    assert build(history, TOY) is None


def test_the_chance_of_an_event_is_that_of_its_law_since_the_follow_up_began() -> None:
    twin = told([follow_up(0)])
    said = twin.observe([finding(20, "relapse", 0), finding(31, "relapse", 0)]).outputs
    seen = [o.population_median for o in said if isinstance(o, Prediction)]
    assert seen == pytest.approx([happened(0, 20), happened(20, 31)], rel=2e-3)
    (ahead,) = (o for o in said if isinstance(o, Forecast) and o.time == at(31))
    hours = [(to_millis(time) - ms(0)) / HOUR_MS for time in ahead.times]
    (band,) = (band for band in ahead.outputs if band.name == "relapse")
    # At 31 h itself the look has yet to end what was gathered before it.
    assert band.median[1:] == pytest.approx([happened(31, hour) for hour in hours[1:]], rel=0.1)


def test_told_late_it_moves_the_clock_of_all_that_was_folded() -> None:
    course: list[InputEvent] = [dose(10), finding(20, "relapse", 0), finding(31, "relapse", 1)]
    before, after = told(course), told(course, [follow_up(0)])
    known = told([follow_up(0), *course])
    assert after.belief.eta.tobytes() == known.belief.eta.tobytes()
    assert after.belief.log_weight.tobytes() == known.belief.log_weight.tobytes()
    assert after.belief.log_evidence == known.belief.log_evidence != before.belief.log_evidence
    back = told(
        course, [follow_up(0)], [follow_up(0, event_id="no", status="retracted", replaces=follow_up(0).event_id)]
    )
    assert back.belief.log_evidence == before.belief.log_evidence


def test_its_place_among_the_arrivals_changes_no_byte() -> None:
    events: list[InputEvent] = [follow_up(0), dose(10), finding(20, "relapse", 0)]
    found = {
        (twin.belief.eta.tobytes(), twin.belief.log_weight.tobytes(), twin.belief.log_evidence)
        for twin in (told(*([event] for event in order)) for order in permutations(events))
    }
    assert len(found) == 1
