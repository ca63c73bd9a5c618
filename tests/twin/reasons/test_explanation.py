"""An alert explained: the record without its datum and with it, and what would let the alert not stand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.twin.bedside import at, count, dose, level, plan, sample, start, vital
from twin import PatientTwin, load_model
from twin.events import (
    Alert,
    AlertEvidence,
    AlertThreshold,
    Deciding,
    InputEvent,
    LabResult,
    PumpDelivery,
    Subject,
    Watched,
)
from twin.reasons.explanation import Explanation, Judged, deciding_datum, explain, is_datum
from twin.reasons.telling import explanation_lines, explanation_values

ABOUT = Subject("output", "neutrophils")
THRESHOLD = AlertThreshold(0.5, 0.3, margin=0.1, assumed="a test")
LAST = Deciding("lab_result", "ANC", at(5), "count 5")


class ToyTwin:
    """A probability of 0.9 less a tenth of the last count; of a pump its rate."""

    def __init__(self, row: bytes = b"") -> None:
        self.counts = [(each[0], each[1]) for each in json.loads(row or b"[]")]
        self.rate: float | None = None

    def observe(self, events: Sequence[InputEvent]) -> None:
        for event in events:
            if isinstance(event, LabResult):
                self.counts.append((event.time.timestamp(), event.value.value))
            if isinstance(event, PumpDelivery):
                self.rate = event.rate.value

    def judged(self, _: int) -> Judged:
        if self.rate is not None:
            watched = Watched("toxin, rate", "mg/h", "above", 44.0, self.rate)
            evidence = AlertEvidence(at(5), self.rate / 40.0 - 1.0, None, THRESHOLD, watched)
            return {("delivery.rule", ABOUT): evidence}
        if not self.counts:
            raise ValueError("nothing that a belief could rest on")
        p = min(max(0.9 - max(self.counts)[1] / 10.0, 0.0), 1.0)
        return {("rule", ABOUT): AlertEvidence(at(5), p, 0.01, THRESHOLD)}

    def row(self) -> bytes:
        return json.dumps(self.counts).encode()


class ToyTwins:
    """Where they come from."""

    def begin(self) -> ToyTwin:
        return ToyTwin()

    def resume(self, row: bytes) -> ToyTwin:
        return ToyTwin(row)


def told(evidence: AlertEvidence | None, **changes: object) -> Alert:
    fields = {"patient_id": "P-1", "rule": "rule", "subject": ABOUT, "evidence": evidence}
    return Alert.example().model_copy(update=fields | changes)


def of(decided_by: Sequence[Deciding], probability: float | None = 0.8) -> AlertEvidence:
    return AlertEvidence(at(5), probability, 0.01, THRESHOLD, None, tuple(decided_by))


def level_of(evidence: AlertEvidence | None) -> float:
    assert evidence is not None
    assert evidence.level is not None
    return evidence.level


def standing(twin: PatientTwin, events: Sequence[InputEvent]) -> Alert:
    """The one alert that stands after these events, as it was told last."""
    told = [one for event in events for one in twin.observe([event]).outputs if isinstance(one, Alert)]
    (alert,) = {
        one.alert_id: one for one in told if one.alert_id in {each.alert_id for each in twin.ledger.live}
    }.values()
    return alert


def explained(alert: Alert, *events: InputEvent) -> Explanation:
    return explain(alert, events, ToyTwins())


def test_it_says_what_was_believed_without_the_datum_and_with_it_and_how_large_that_would_have_had_to_be() -> None:
    found = explained(told(of([LAST])), count(1, 7.0), count(5, 1.0), count(9, 8.0))
    assert found.datum == LAST
    assert [event.event_id for event in found.events] == ["count 5"]
    assert level_of(found.before) == pytest.approx(0.2)
    assert level_of(found.after) == pytest.approx(0.8), "what came later is not of it"
    falls, other = found.otherwise
    assert (falls.quantity, falls.at_most) == ("probability", 0.6)
    assert (other.quantity, other.unit, other.value, other.at_most) == ("ANC", "10*9/L", 1.0, None)
    assert other.at_least == pytest.approx(3.0, rel=0.03)
    assert not found.moved


def test_an_alert_that_stands_between_its_thresholds_would_have_to_clear() -> None:
    found = explained(told(of([LAST], 0.4)), count(1, 7.0), count(5, 5.0))
    assert found.otherwise[0].at_most == 0.3
    assert found.otherwise[1].at_least == pytest.approx(6.0, rel=0.03)


def test_where_no_value_would_do_that_is_said() -> None:
    found = explained(told(of([LAST])), count(5, 0.001))
    assert found.before is None, "without it nothing is known"
    assert (found.otherwise[1].at_least, found.otherwise[1].within) == (None, 20.0)
    assert any("no other value of ANC within a factor of 20" in line for line in explanation_lines(found))
    assert found.moved, "0.9 is not what was told"


def test_a_delivery_names_the_rate_that_would_do() -> None:
    decided = [Deciding("regimen_planned", "toxin", at(4), "plan 4"), Deciding("pump_delivery", "pump-1", at(5))]
    alert = told(replace(of(decided, 1.5), standard_error=None), rule="delivery.rule")
    found = explained(alert, start(1), sample(2), plan(4, (1, 60.0, None)), sample(5, 100.0))
    assert found.datum == decided[1], "the plan is what it is held against"
    assert level_of(found.before) == 0.0
    assert (found.otherwise[1].at_most, found.otherwise[1].value) == (44.0, 100.0)
    lines = explanation_lines(found)
    assert "  toxin, rate were at most 44 mg/h (it is 100 mg/h)" in lines
    assert "  what is planned, times as much were at least 2.27" in lines
    assert any("repeated of pump-1" in line and line.endswith(": 100 mg/h") for line in lines)


def test_what_was_never_judged_is_explained_by_its_events_alone() -> None:
    held = AlertEvidence(at(5), decided_by=(Deciding("dose_given", "toxin", at(2), "dose 2"),))
    found = explained(told(held), count(1, 1.0), dose(2))
    assert (found.datum, found.events[0].event_id) == (held.decided_by[0], "dose 2")
    lines = explanation_lines(explained(told(AlertEvidence(at(5))), count(1, 1.0)))
    assert "no event is named that decided it" in lines
    assert json.dumps(explanation_values(found))


def test_what_the_record_alone_does_not_give_is_said() -> None:
    found = explained(told(of([LAST]), rule="dose.other"), count(5, 1.0))
    assert (found.before, found.after) == (None, None)
    assert any("goes by more than the record" in line for line in explanation_lines(found))


def test_which_event_is_the_datum() -> None:
    assert deciding_datum(of([])) is None
    assert deciding_datum(of([Deciding("dose_given", "toxin", at(5), "d"), LAST])) == LAST
    readings = Deciding("vital_sample", "heart_rate", at(5))
    assert is_datum(vital(4.5), readings)
    assert not is_datum(vital(3.0), readings)
    assert not is_datum(level(5, 1.0), readings)


@pytest.mark.parametrize(
    ("alert", "said"),
    [(told(None), "carries no evidence"), (told(of([]), patient_id="P-9"), "the events are of P-1")],
)
def test_what_cannot_be_explained_is_named(alert: Alert, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        explained(alert, count(1, 1.0))


def test_a_twin_is_explained_as_it_told_in_whatever_order_its_events_came() -> None:
    model = load_model("docetaxel_ozawa2007")

    class Twins:
        def begin(self) -> PatientTwin:
            return PatientTwin("P-1", model, 100)

        def resume(self, row: bytes) -> PatientTwin:
            return PatientTwin.from_row(row, model)

    events = [
        dose(0, 160.0, 1.0, drug="docetaxel"),
        count(96, 2.5, analyte="neutrophils"),
        count(144, 0.6, analyte="neutrophils"),
    ]
    twin, other = Twins().begin(), Twins().begin()
    raised, late = (standing(one, order) for one, order in ((twin, events), (other, events[::-1])))
    assert raised.model_dump_json(include={"evidence"}) == late.model_dump_json(include={"evidence"})
    assert raised.evidence is not None
    found = explain(raised, events, Twins())
    assert found.datum is not None
    assert found.datum.event_id == "count 144"
    assert found.after == replace(raised.evidence, decided_by=(), freshness=())
    assert level_of(found.before) < level_of(found.after)
    assert (found.otherwise[1].at_least or 0.0) > 0.6
