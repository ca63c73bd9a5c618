"""Orders to pumps are plans: with their amount, their length and their start."""

from __future__ import annotations

from typing import Any, cast

import pytest

from connectors.facts.fact import Fact, Found, Moment, Passed, Refusal
from connectors.protocols.hl7.devices.orders import read_order
from connectors.protocols.hl7.message import parse
from tests.connectors.facts import sources
from tests.connectors.protocols import spoken
from twin.events import Quantity


def read(raw: bytes) -> Found:
    (found,) = read_order(parse(raw.decode()), sources.profile())
    return found


def dose(raw: bytes) -> dict[str, Any]:
    found = read(raw)
    assert isinstance(found, Fact), found
    (only,) = cast("tuple[dict[str, Any], ...]", found.fields["doses"])
    return only


def reason(raw: bytes) -> str:
    found = read(raw)
    assert isinstance(found, Refusal), found
    return found.reason


def test_an_order_is_a_plan_of_its_amount_and_length() -> None:
    found = read(spoken.order())
    assert isinstance(found, Fact)
    assert (found.kind, found.fields["drug"], found.fields["route"]) == ("regimen_planned", "docetaxel", "iv")
    said = dose(spoken.order())
    assert said["amount"] == Quantity(value=100.0, unit="mg")
    assert said["duration"] == Quantity(value=1.0, unit="h")
    assert isinstance(said["time"], Moment)
    assert said["time"].at.isoformat() == "2026-03-02T11:00:00+01:00"


def test_a_plan_says_on_which_ward_it_was_ordered() -> None:
    visit = spoken.order().replace(b"ORC|", b"PV1|1|I|W3^302^1^HOSP\rORC|", 1)
    found = [read(raw) for raw in (visit, spoken.order())]
    assert [one.fields.get("ward") for one in found if isinstance(one, Fact)] == ["W3", None]


@pytest.mark.parametrize(
    ("rate", "hours"),
    [
        ("50|mL/h^^UCUM", 5.0),
        ("20|mg/h^^UCUM", 5.0),
        ("10|3475^ug/kg/min^UCUM^265619^MDC_DIM_MICRO_G_PER_KG_PER_MIN^MDC", 100 / (0.6 * 80)),
    ],
)
def test_a_length_follows_from_a_flow_a_dose_rate_or_one_for_each_kilogram(rate: str, hours: float) -> None:
    weight = "OBX|1|NM|68063^MDC_ATTR_PT_WEIGHT^MDC||80|kg^kg^UCUM"
    assert dose(spoken.order(rate=rate, weight=weight))["duration"].value == pytest.approx(hours)


def test_an_amount_is_a_mass_or_a_volume_with_its_strength() -> None:
    assert dose(spoken.order(amount="60||mg^^UCUM", rate="60|mg/h^^UCUM"))["amount"].value == 60.0
    assert dose(spoken.order(strength="0.5|mg/mL^^UCUM"))["amount"].value == 125.0


def test_without_a_start_the_order_begins_when_it_was_sent() -> None:
    assert dose(spoken.order(starts=""))["time"].at.isoformat() == "2026-03-02T10:00:00+01:00"
    manners = [getattr(read(spoken.order(**said)), "manner", None) for said in ({"starts": ""}, {})]
    assert manners == ["assumed-start", ""]


@pytest.mark.parametrize(
    ("control", "status"), [("NW", "final"), ("XO", "corrected"), ("CA", "retracted"), ("DC", "retracted")]
)
def test_an_order_is_new_changed_or_taken_back(control: str, status: str) -> None:
    found = read(spoken.order(control))
    assert isinstance(found, Fact)
    assert found.status == status
    assert found.key == cast("Fact", read(spoken.order())).key


def test_a_cancelled_order_needs_no_patient() -> None:
    found = read(spoken.order("CA").replace(spoken.NUMBER.encode(), b""))
    assert isinstance(found, Fact)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (spoken.order(rate="|"), "incomplete"),
        (spoken.order(strength="|"), "incomplete"),
        (spoken.order(amount="||"), "incomplete"),
        (spoken.order(amount="250||"), "no_unit"),
        (spoken.order(amount="many||mL^^UCUM"), "malformed"),
        (spoken.order(amount="nan||mL^^UCUM"), "malformed"),
        (spoken.order(rate="10|ug/kg/min^^UCUM"), "incomplete"),
        (spoken.order(rate="10|cm^^UCUM"), "unknown_unit"),
        (spoken.order(route="NEB"), "unsupported"),
        (spoken.order(starts="soon"), "malformed"),
        (spoken.order().replace(b"PLACED1", b""), "incomplete"),
        (spoken.order().replace(b"^Docetaxel", b"^Saline"), "unknown_drug"),
        (spoken.order().replace(spoken.NUMBER.encode(), b""), "no_patient"),
        (spoken.lines(spoken.header("RGV^O15"), spoken.PID), "malformed"),
    ],
)
def test_an_order_that_makes_no_plan_is_refused(raw: bytes, wanted: str) -> None:
    assert reason(raw) == wanted


def test_a_push_has_no_length_and_an_order_without_a_drug_is_none() -> None:
    assert dose(spoken.order(rate="|", route="IVP"))["duration"] is None
    assert isinstance(read(spoken.order().replace(b"RXG|", b"ZXG|")), Passed)
