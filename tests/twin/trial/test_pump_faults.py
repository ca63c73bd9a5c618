"""Faults of pumps: found when, and nothing said of pumps that did as planned."""

from __future__ import annotations

from twin.clock import MINUTE_MS
from twin.trial.pump_faults import Pumped, Raised, as_planned, faults_found

OVER = "delivery.overinfusion"


def raised(minutes: float, heard: float) -> Raised:
    return Raised(OVER, round(minutes * MINUTE_MS), round(heard * MINUTE_MS))


def test_a_fault_is_found_by_the_first_alert_after_its_beginning_and_how_long_each_took_is_told() -> None:
    since = 100 * MINUTE_MS
    pumped = [
        Pumped("tenfold", since, (raised(90, 91), raised(101, 103), raised(100.5, 104)), 10.0, 1.0),
        Pumped("tenfold", since, (raised(100, 110),), 10.0, 1.0),
        Pumped("tenfold", since, (raised(90, 91),), 10.0, 1.0),
        Pumped(None, None, (), 10.0, 1.0),
    ]
    (found,) = faults_found(pumped)
    assert (found.planted, found.found, found.rules) == (3, 2, (OVER,))
    assert (found.minutes, found.heard_minutes) == ((0.0, 1.0), (3.0, 10.0))


def test_every_alert_about_a_pump_that_did_as_planned_is_false() -> None:
    pumped = [Pumped(None, None, (raised(1, 1), raised(2, 2)), 5.0, 1.5), Pumped(None, None, (), 7.0, 2.0)]
    found = as_planned([*pumped, Pumped("leak", 0, (raised(3, 3),), 9.0, 4.0)])
    assert (found.patients, found.patient_days, found.running_days) == (2, 12.0, 3.5)
    assert found.false_alerts == ((OVER, 2),)
    assert as_planned([]).false_alerts == ()
    assert faults_found(pumped) == ()


def test_an_alert_that_says_the_opposite_has_not_found_the_fault() -> None:
    (found,) = faults_found([Pumped("leak", 0, (raised(1, 1),), 5.0, 1.0)])
    assert (found.planted, found.found, found.minutes) == (1, 0, ())
