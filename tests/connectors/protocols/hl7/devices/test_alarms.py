"""Alarms of pumps: delivery is doubtful from then on, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.facts.fact import Fact, Found, Passed, Refusal
from connectors.protocols.hl7.devices.alarms import read_alarm
from connectors.protocols.hl7.message import parse
from tests.connectors.facts import sources
from tests.connectors.protocols import spoken


def read(raw: bytes) -> Found:
    (found,) = read_alarm(parse(raw.decode()), sources.profile())
    return found


def fact(raw: bytes) -> Fact:
    found = read(raw)
    assert isinstance(found, Fact), found
    return found


def test_an_occlusion_is_told_with_its_priority_and_that_nothing_is_delivered() -> None:
    found = fact(spoken.alarm())
    assert (found.kind, found.status) == ("device_alert", "final")
    assert dict(found.fields) == {
        "device_id": "PUMP9/0012210000000002",
        "condition": "MDC_EVT_FLUID_LINE_OCCL",
        "phase": "start",
        "priority": "high",
        "stops_delivery": True,
    }
    assert found.moment is not None
    assert found.moment.at.isoformat() == "2026-03-02T09:50:00+01:00"


@pytest.mark.parametrize(
    ("condition", "name", "stops"),
    [
        ("196940^MDC_EVT_FLUID_LINE_OCCL^MDC", "MDC_EVT_FLUID_LINE_OCCL", True),
        ("196940^^MDC", "MDC_EVT_FLUID_LINE_OCCL", True),
        ("0^MDCX_EVT_FLUID_LINE_AIR^MDC", "MDC_EVT_FLUID_LINE_AIR", True),
        ("196802^MDC_EVT_BATT_LO^MDC", "MDC_EVT_BATT_LO", False),
        ("197334^^MDC", "MDC_EVT_VOL_INFUS_NEAR_COMP", False),
    ],
)
def test_a_condition_is_known_by_name_or_number(condition: str, name: str, stops: bool) -> None:
    fields = fact(spoken.alarm(condition)).fields
    assert (fields["condition"], fields["stops_delivery"]) == (name, stops)


@pytest.mark.parametrize(
    ("said", "phase"),
    [("start", "start"), ("tpoint", "start"), ("present", "continue"), ("escalate", "continue"),
     ("acknowledged", "continue"), ("inactivate", "continue"), ("end", "end"), ("reset", "end"), ("END", "end")],
)  # fmt: skip
def test_phases_are_a_start_a_continuation_or_an_end(said: str, phase: str) -> None:
    assert fact(spoken.alarm(phase=said)).fields["phase"] == phase


def test_an_alert_that_is_sent_again_is_the_same_and_its_end_is_another() -> None:
    start = fact(spoken.alarm())
    assert fact(spoken.alarm(time="20260302095900+0100")).key == start.key
    assert fact(spoken.alarm(phase="end")).key != start.key
    assert fact(spoken.alarm().replace(b"ALERT5", b"ALERT6")).key != start.key


def test_the_older_form_names_the_alarm_by_itself() -> None:
    raw = spoken.alarm().replace(b"CWE|196616^MDC_EVT_ALARM^MDC|1.0.0.0.1", b"CWE|ALARM^ALARM|1.0.0.0.1")
    assert fact(raw).fields["condition"] == "MDC_EVT_FLUID_LINE_OCCL"


def test_a_pump_that_does_not_know_its_patient_leaves_its_alarm_to_its_bindings() -> None:
    found = fact(spoken.alarm().replace(spoken.NUMBER.encode(), b""))
    assert (found.subject, found.fields["device_id"]) == (None, "PUMP9/0012210000000002")


def test_an_alarm_of_a_monitor_is_passed_over() -> None:
    raw = spoken.alarm("196670^MDC_EVT_LO^MDC").replace(b"MDC_DEV_PUMP_INFUS_MDS", b"MDC_DEV_MON_PHYSIO_MDS")
    assert isinstance(read(raw), Passed)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"196940^MDC_EVT_FLUID_LINE_OCCL^MDC", b"^Occlusion"), "unknown_code"),
        ((b"|start|", b"|whenever|"), "incomplete"),
        ((b"PUMP9^^0012210000000002^EUI-64", b""), "unknown_device"),
        ((b"OBR|", b"ZBR|"), "incomplete"),
    ],
)
def test_an_alarm_that_is_not_whole_is_refused(change: tuple[bytes, bytes], reason: str) -> None:
    found: Any = read(spoken.alarm().replace(*change))
    assert isinstance(found, Refusal)
    assert found.reason == reason
