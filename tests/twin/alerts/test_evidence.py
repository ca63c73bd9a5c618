"""On what an alert rests: level, error, thresholds with their reason, and no more bytes than need be."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests import factories as make
from twin.alerts.evidence import evidence_of
from twin.alerts.finding import Finding
from twin.alerts.lifecycle import AlertBook, advance
from twin.alerts.rules.tox import neutropenia_g4
from twin.alerts.settings import RuleSettings
from twin.alerts.snapshot import Snapshot
from twin.clock import HOUR_MS
from twin.events import MOST_DECIDING, Alert, AlertEvidence, Deciding, Freshness, Subject, Watched, from_millis
from twin.record.origins import Matter, Origins, unknown

ABOUT = Subject("output", "neutrophils")
SNAPSHOT = Snapshot("P-1", HOUR_MS, 400.0, 7)
PLAIN = RuleSettings(0.5, 0.2, "low")


def found(level: float, *, probabilistic: bool = True, episode_ms: int | None = None) -> Finding:
    return Finding("rule", ABOUT, level, "low", "", probabilistic=probabilistic, episode_ms=episode_ms)


def test_evidence_is_the_level_with_its_error_and_the_thresholds_with_their_reason() -> None:
    evidence = evidence_of(found(0.8), neutropenia_g4.SETTINGS, SNAPSHOT, unknown)
    assert (evidence.judged, evidence.level) == (from_millis(HOUR_MS), 0.8)
    assert evidence.standard_error == pytest.approx(0.02)
    threshold = evidence.threshold
    assert threshold is not None
    assert (threshold.raise_above, threshold.unit) == (neutropenia_g4.SETTINGS.raise_above, "1")
    assert threshold.margin == pytest.approx(2 * math.sqrt(threshold.raise_above * (1 - threshold.raise_above) / 400))
    assert threshold.assumed == neutropenia_g4.SETTINGS.thresholds["raise_above"].assumed


def test_a_number_that_is_no_probability_has_no_error_and_no_margin() -> None:
    evidence = evidence_of(found(3.0, probabilistic=False), PLAIN, SNAPSHOT, unknown)
    assert (evidence.level, evidence.standard_error, evidence.threshold and evidence.threshold.margin) == (3.0, None, 0)


def test_where_nothing_is_left_to_judge_there_is_no_level() -> None:
    ended = evidence_of(found(-math.inf), PLAIN, SNAPSHOT, unknown)
    assert ended == AlertEvidence(judged=from_millis(HOUR_MS))
    blind = evidence_of(found(0.5), PLAIN, Snapshot("P-1", 0, 0.0, None), unknown)
    assert (blind.standard_error, blind.threshold and blind.threshold.margin) == (None, 1.0)


def test_a_quantile_that_is_no_number_is_left_out() -> None:
    watched = Watched("neutrophils", "10*9/L", "below", 0.5, q05=math.nan, median=0.4, q95=math.inf)
    evidence = evidence_of(replace(found(0.8), quantity=watched), PLAIN, SNAPSHOT, unknown)
    assert evidence.watched == Watched("neutrophils", "10*9/L", "below", 0.5, median=0.4)


def test_a_course_that_is_over_is_not_ended_on_the_evidence_of_the_next() -> None:
    book, _ = advance(AlertBook(), [found(0.9, episode_ms=1)], SNAPSHOT, {"rule": PLAIN}, "hash")
    _, (told,) = advance(book, [found(0.8, episode_ms=2)], SNAPSHOT, {"rule": PLAIN}, "hash")
    assert (told.phase, told.evidence and told.evidence.level) == ("end", None)


def test_origins_are_asked_only_of_what_is_told() -> None:
    asked: list[Matter] = []

    def origins_of(matter: Matter) -> Origins:
        asked.append(matter)
        return Origins()

    book, told = advance(AlertBook(), [found(0.1)], SNAPSHOT, {"rule": PLAIN}, "hash", origins_of)
    assert (told, asked) == ((), [])
    book, (raised,) = advance(book, [found(0.9)], SNAPSHOT, {"rule": PLAIN}, "hash", origins_of)
    assert asked == [Matter(HOUR_MS, ABOUT, True, 7)]
    assert book.live[0].evidence == raised.evidence is not None
    advance(book, [found(0.9)], SNAPSHOT, {"rule": PLAIN}, "hash", origins_of)
    assert len(asked) == 1, "it is not told again"


def test_the_evidence_of_an_alert_is_small_however_much_decided_it() -> None:
    long = "x" * 64
    evidence = AlertEvidence(
        judged=from_millis(0),
        level=0.123456789012345,
        standard_error=0.0123456789012345,
        watched=Watched("w" * 120, "u" * 64, "above", *[1.23456789012345] * 5),
        decided_by=(Deciding(long, long, from_millis(1), long * 2),) * MOST_DECIDING,
        freshness=(Freshness("laboratory", 1.23456789012345),) * 3,
    )
    with_it = make.alert("P-1", evidence=evidence)
    assert len(with_it.model_dump_json(exclude_none=True)) - len(make.alert("P-1").model_dump_json()) < 2_500
    more = make.alert("P-1", evidence=replace(evidence, decided_by=evidence.decided_by * 2))
    with pytest.raises(ValueError, match="at most 4"):
        Alert.model_validate_json(more.model_dump_json())
