"""Real messages from public repositories, read as their manifest says they must be."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from connectors.facts.codes import Codes
from connectors.facts.fact import NotAFact, Refusal, Subject
from connectors.facts.memory import Memory
from connectors.facts.profile import Profile
from connectors.facts.telling import Outcome, Teller, Telling
from connectors.protocols.hl7.acknowledgement import answer
from connectors.protocols.hl7.reading import message_of
from connectors.protocols.recorded import readings
from tests.connectors.facts import sources
from tests.places import REFERENCE
from twin.units import convert

FEEDS = REFERENCE / "feeds"
MANIFEST = FEEDS / "manifest.json"

pytestmark = pytest.mark.skipif(not MANIFEST.is_file(), reason="the public messages are not part of the project")

PROTOCOLS = {"pcd": "hl7", "hl7lab": "hl7", "fhir": "fhir", "omh": "openmhealth"}

REFUSED: dict[str, set[str]] = {
    "lab-preliminary-bom": {"code_conflict"},
    "lab-final-after-preliminary": {"code_conflict"},
    "lab-nist-lri-cbc": {"out_of_range"},
    "lab-sn-equal": {"unknown_code"},
    "lab-hl7-classic": {"malformed", "unknown_code"},
    "batch-fhs-bhs-adt": {"unsupported"},
    "batch-without-header-two-messages": {"malformed"},
    "obs-bp-components-date-only": {"time_too_coarse"},
    "obs-extreme-decimals": {"no_patient"},
    "obs-heart-rate-xml": {"unsupported"},
    "obs-leukocytes-date-only": {"time_too_coarse"},
    "obs-creatinine-date-only": {"time_too_coarse"},
    "medadmin-paclitaxel-date-only": {"time_too_coarse"},
    "medrequest-busulfan-oral": {"no_time"},
    "device-use-statement": {"no_time"},
    "bundle-transaction-no-facts": {"unsupported"},
    "omh-heart-rate-minimum-of-a-day": {"not_a_reading"},
    "omh-heart-rate-no-time": {"no_time"},
    "omh-temperature-no-time": {"no_time"},
    "omh-blood-pressure-bad-unit": {"unknown_unit"},
}
"""The codes of what the manifest refuses in words."""

DRUGS = {"|dopamine": "dopamine"}
"""A drug of no model, so that what pumps say of it is read as of one that has a model."""

ANSWERS = {
    "pcd03-rrg-refusal": None,
    "lab-kitchen-sink": "CA",
    "lab-hl7-classic": "AA",
}
"""Answers where the manifest leaves them to the receiver."""

UNREADABLE = {"batch-fhs-bhs-adt", "batch-without-header-two-messages"}


@cache
def manifest() -> dict[str, dict[str, Any]]:
    """The entries by their id."""
    if not MANIFEST.is_file():
        return {}
    return {entry["id"]: entry for entry in json.loads(MANIFEST.read_text()) if entry["protocol"] in PROTOCOLS}


def raw(id_: str) -> bytes:
    """The message itself, in whatever folder of the protocol it stands."""
    entry = manifest()[id_]
    return (FEEDS / str(entry["file"]).removeprefix("open/")).read_bytes()


def profile_of(id_: str, **changes: Any) -> Profile:
    """A source that sends such messages."""
    entry = manifest()[id_]
    test = entry["expect"].get("processing") == "T"
    known = sources.profile(PROTOCOLS[entry["protocol"]], codes=Codes(None, DRUGS), test=test)
    return replace(known, **changes)


def told(id_: str, memory: Memory | None = None, **changes: Any) -> tuple[list[Any], list[Outcome]]:
    """The events of a message, and what else became of its facts."""
    profile = profile_of(id_, **changes)
    subject = Subject("someone", "login") if profile.protocol == "openmhealth" else None
    teller = Teller(profile, memory or Memory())
    try:
        outcomes = [one for reading in readings(raw(id_), profile, subject) for one in teller.tell(reading)]
    except NotAFact as error:
        outcomes = [Refusal("message", error.reason, error.detail)]
    events = [event for one in outcomes if isinstance(one, Telling) for event in one.events]
    return events, [one for one in outcomes if not isinstance(one, Telling)]


def same_quantity(event: Any, wanted: dict[str, Any]) -> bool:
    value = convert(event.value, event.unit, wanted["unit"])
    return value == pytest.approx(wanted["value"], rel=1e-9)


PLAIN = ("kind", "channel", "analyte", "name", "phase", "delivery_status", "status", "loinc", "route")
QUANTITIES = ("value", "rate", "programmed_rate", "concentration", "delivered", "amount")


def is_as(event: Any, wanted: dict[str, Any]) -> bool:
    """Whether an event says all that the manifest wants of it."""
    said = event.doses[0] if event.kind == "regimen_planned" else event
    for name in PLAIN:
        if name in wanted and getattr(event, name, None) != wanted[name]:
            return False
    for name in QUANTITIES:
        if wanted["kind"] == "regimen_planned" and name in ("rate", "concentration"):
            continue
        if name in wanted and not same_quantity(getattr(said, name), wanted[name]):
            return False
    if "drug" in wanted and event.drug != wanted["drug"].partition(" ")[0].lower():
        return False
    if (device := wanted.get("device_id")) and not event.device_id.startswith(device.replace(" / ", "/")):
        return False
    if "duration" in wanted and said.duration != wanted["duration"]:
        return False
    if "derived_duration" in wanted:
        hours = said.duration and convert(said.duration.value, said.duration.unit, "h")
        if hours != pytest.approx(wanted["derived_duration"]["value"], rel=1e-4):
            return False
    return bool(event.time == datetime.fromisoformat(wanted["time"]))


def compared(events: list[Any], wanted: list[dict[str, Any]]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Events that nobody wants, and wanted ones that are not there."""
    left, missing = list(events), []
    for one in wanted:
        if "T" not in one["time"]:
            continue
        found = next((event for event in left if event.kind == one["kind"] and is_as(event, one)), None)
        if found is not None:
            left.remove(found)
        elif not one.get("optional"):
            missing.append(one)
    return left, missing


@pytest.mark.parametrize("id_", sorted(manifest()))
def test_a_public_message_is_read_as_its_manifest_says(id_: str) -> None:
    expect = manifest()[id_]["expect"]
    events, others = told(id_)
    alerts = [event for event in events if event.kind == "device_alert"]
    left, missing = compared([event for event in events if event not in alerts], expect.get("events", []))
    assert missing == []
    assert left == []
    refused = {one.reason for one in others if isinstance(one, Refusal)}
    assert refused == REFUSED.get(id_, set())
    alarm = expect.get("alarm", {})
    assert len(alerts) == (1 if "alert_id" in alarm else 0)
    for alert in alerts:
        assert (alert.condition, alert.phase) == (alarm["condition"], alarm["phase"])
        assert alert.priority == alarm.get("priority")
        assert alert.stops_delivery
        assert alert.time == datetime.fromisoformat(alarm["time"])
        assert alert.device_id.startswith(expect["device"].replace(" / ", "/"))


@pytest.mark.parametrize("id_", [id_ for id_, entry in manifest().items() if "ack" in entry["expect"]])
def test_a_public_message_is_acknowledged_as_its_sender_asked(id_: str) -> None:
    if id_ in UNREADABLE:
        with pytest.raises(NotAFact, match=r"unsupported|malformed"):
            message_of(raw(id_), profile_of(id_))
        return
    message = message_of(raw(id_), profile_of(id_))
    said = answer(message, "safe", control_id="A1", now=datetime(2026, 3, 2, tzinfo=UTC))
    wanted = ANSWERS.get(id_, manifest()[id_]["expect"]["ack"].get("code"))
    if wanted is None:
        assert said is None
    else:
        assert said is not None
        assert said.splitlines()[1] == f"MSA|{wanted}|{message.header.raw(10)}"


@pytest.mark.parametrize("id_", ["pcd01-monitor-8859", "pcd01-monitor-8859-umlaut"])
def test_a_gateway_that_marks_its_readings_as_none_is_believed_by_its_profile_only(id_: str) -> None:
    events, _ = told(id_, values_without_result=True)
    assert compared(events, manifest()["pcd01-monitor-8859"]["expect"]["lenient"]) == ([], [])


def test_what_a_test_source_sends_is_refused_of_a_real_one() -> None:
    for id_, entry in manifest().items():
        if entry["expect"].get("processing") == "T":
            events, others = told(id_, test=False)
            assert events == []
            assert {one.reason for one in others if isinstance(one, Refusal)} <= {"test_message"}
    assert [str(one.place) for one in told("lab-nist-lri-cbc", test=False)[1]] == ["message"]


def test_a_source_with_a_zone_and_noon_for_a_date_has_its_laboratory_read() -> None:
    zone = sources.ZONE
    for id_ in ("obs-leukocytes-date-only", "obs-creatinine-date-only"):
        wanted = manifest()[id_]["expect"]["events"][0]
        ((event,), _) = told(id_, days=True, zone=zone)
        assert (event.analyte, event.loinc) == (wanted["analyte"], wanted["loinc"])
        assert event.draw_time_sd.value == 7.0
        assert event.time.astimezone(zone).isoformat().startswith(f"{wanted['time']}T12:00")
    local = Codes({"POST 12H CFST:MCNC:PT:SER/PLAS:QN|1554-5": "glucose"})
    for id_ in ("lab-sn-equal", "lab-hl7-classic"):
        ((event,), _) = told(id_, codes=local, zone=zone)
        assert (event.analyte, event.value.value, event.value.unit) == ("glucose", 182.0, "mg/dl")


def test_a_message_sent_twice_tells_nothing_the_second_time() -> None:
    for id_ in manifest():
        memory = Memory()
        told(id_, memory)
        assert told(id_, memory)[0] == [], id_
        memory.close()


def test_no_name_of_a_public_patient_is_in_what_is_said() -> None:
    names = (
        "Hon",
        "Höhn",
        "Albert",
        "DUCK",
        "EVERYWOMAN",
        "Huckleberry",
        "dizzy",
        "HO2009001",
        "PATID1234",
        "10006579",
    )
    for id_ in manifest():
        events, others = told(id_)
        said = repr(others) + repr(events)
        assert [name for name in names if name in said] == [], id_
