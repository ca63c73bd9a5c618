"""On what an alert rests, as the page is told."""

from __future__ import annotations

from dataclasses import replace

from connectors.console.grounds import Bounds, Decided, grounds_of
from connectors.console.views import alert_card
from tests import factories as make
from twin.events import Alert, AlertEvidence, AlertThreshold, Watched, to_millis


def test_evidence_is_told_with_times_in_milliseconds_and_its_reason() -> None:
    alert = Alert.example()
    found = grounds_of(alert)
    assert found is not None
    assert (found.level, found.error, found.probable) == (0.62, 0.016, True)
    assert found.bounds == Bounds(0.35, 0.2, "1", 0.03, "assumed: two in three are right")
    assert found.watched is not None
    assert (found.watched.limit, found.watched.value, found.watched.band) == (0.5, None, (0.2, 0.45, 0.9))
    decided = alert.evidence.decided_by[0] if alert.evidence else None
    assert decided is not None
    assert found.decided == (Decided("lab_result", "neutrophils", to_millis(decided.time), decided.event_id),)
    assert (found.fresh, found.rules) == ({"laboratory": 1.0}, "0" * 16)


def test_what_is_not_said_is_not_told() -> None:
    assert grounds_of(make.alert("P-1")) is None
    bare = replace(AlertEvidence(make.START), level=3.0)
    found = grounds_of(make.alert("P-1", evidence=bare))
    assert found is not None
    assert (found.probable, found.bounds, found.watched, found.decided, found.fresh) == (False, None, None, (), {})
    rate = replace(bare, threshold=AlertThreshold(0.1, 0.05, source="x"), watched=Watched("rate", "mg/h", value=4.0))
    found = grounds_of(make.alert("P-1", evidence=rate))
    assert found is not None
    assert found.bounds is not None
    assert found.watched is not None
    assert (found.bounds.reason, found.watched.band, found.watched.value) == ("x", None, 4.0)


def test_a_card_has_the_grounds_of_its_newest_step() -> None:
    first = make.alert("P-1", evidence=Alert.example().evidence)
    newest = make.alert("P-1", revision=1, phase="update", onset=make.START, evidence=AlertEvidence(make.START))
    assert alert_card([first, newest]).grounds == grounds_of(newest)
