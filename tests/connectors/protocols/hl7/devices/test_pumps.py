"""Pumps: what flows, in the channel that an event names; never what was programmed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from connectors.facts.codes import Codes
from connectors.facts.fact import Fact, Found, Passed, Refusal
from connectors.protocols.hl7.devices.pumps import read_infusion_event, read_periodic
from connectors.protocols.hl7.message import parse
from tests.connectors.facts import sources
from tests.connectors.protocols import spoken
from twin.events import Quantity


def event(raw: bytes, **changes: Any) -> list[Found]:
    return list(read_infusion_event(parse(raw.decode()), sources.profile(**changes)))


def report(raw: bytes, **changes: Any) -> list[Found]:
    return list(read_periodic(parse(raw.decode()), sources.profile(**changes)))


def fields(found: Found, kind: str = "pump_delivery") -> dict[str, object]:
    assert isinstance(found, Fact), found
    assert found.kind == kind
    return dict(found.fields)


def reasons(found: list[Found]) -> list[str]:
    return [one.reason for one in found if isinstance(one, Refusal)]


def test_a_start_tells_what_flows_and_the_counter() -> None:
    delivery, totals = event(spoken.pump(total="3.5"))
    said = fields(delivery)
    assert (said["phase"], said["delivery_status"], said["drug"]) == ("start", "delivering", "docetaxel")
    assert said["rate"] == Quantity(value=40.0, unit="mL/h")
    assert said["programmed_rate"] == Quantity(value=40.0, unit="mL/h")
    assert said["concentration"] == Quantity(value=0.4, unit="mg/mL")
    assert said["device_id"] == "PUMP9/0012210000000002"
    assert fields(totals, "pump_totals")["delivered"] == Quantity(value=3.5, unit="mL")
    assert isinstance(delivery, Fact)
    assert delivery.moment is not None
    assert delivery.moment.at.isoformat() == "2026-03-02T09:50:00+01:00"


def test_a_stop_without_a_flow_is_one_of_nothing_and_says_why() -> None:
    raw = spoken.pump("STOP", flow="", status="not-delivering").decode()
    raw += "OBX|9|CWE|158006^MDC_DEV_PUMP_NOT_DELIVERING_REASON^MDC|1.1.2.5|^pump-stopped-by-clinician||||||F\r"
    said = fields(event(raw.encode())[0])
    assert (said["phase"], said["rate"]) == ("stop", Quantity(value=0.0, unit="mL/h"))
    assert said["not_delivering_reason"] == "pump-stopped-by-clinician"


def test_a_completion_that_goes_on_slowly_keeps_its_flow() -> None:
    said = fields(event(spoken.pump("COMP", flow="1", status="kvo"))[0])
    assert (said["phase"], said["delivery_status"], said["rate"]) == (
        "complete",
        "kvo",
        Quantity(value=1.0, unit="mL/h"),
    )


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (spoken.pump(flow=""), "incomplete"),
        (spoken.pump("STOP", flow="40", status="not-delivering"), "contradictory"),
        (spoken.pump(flow="0"), "contradictory"),
        (spoken.pump(status="dreaming"), "incomplete"),
        (spoken.pump(drug="Docetaxel in glucose"), "unknown_drug"),
        (spoken.pump(flow="<40"), "not_a_reading"),
        (spoken.pump(flow="-40"), "out_of_range"),
        (spoken.pump().replace(b"PUMP9^^0012210000000002^EUI-64", b""), "unknown_device"),
        (spoken.pump().replace(b"68487^MDC_ATTR_EVT_COND", b"1^MDC_ATTR_X"), "incomplete"),
    ],
)
def test_a_delivery_that_is_not_whole_is_refused(raw: bytes, reason: str) -> None:
    assert reasons(event(raw))[0] == reason


def test_an_event_that_changes_no_delivery_is_passed_over() -> None:
    raw = spoken.pump().replace(b"MDC_EVT_PUMP_DELIV_START", b"MDC_EVT_COMM_STATUS_CHANGE")
    (found,) = event(raw)
    assert isinstance(found, Passed)


def test_a_refused_counter_leaves_the_delivery() -> None:
    found = event(spoken.pump(total="-1"))
    assert isinstance(found[0], Fact)
    assert reasons(found) == ["out_of_range"]


def test_flow_is_that_of_the_module_that_the_event_is_of() -> None:
    raw = spoken.pump().decode()
    other = "OBX|9|NM|158014^MDC_FLOW_FLUID_PUMP_CURRENT^MDC|1.2.1.1|99|265266^MDC_DIM_MILLI_L_PER_HR^MDC|||||F\r"
    assert fields(event(raw.replace("OBX|1|", other + "OBX|1|", 1).encode())[0])["rate"] == Quantity(
        value=40.0, unit="mL/h"
    )
    alone = spoken.pump(flow="").decode() + other
    assert reasons(event(alone.encode()))[0] == "incomplete"


def test_a_number_that_the_pump_does_not_claim_is_none() -> None:
    raw = spoken.pump().replace(
        b"|40|265266^MDC_DIM_MILLI_L_PER_HR^MDC|||||F", b"|40|265266^MDC_DIM_MILLI_L_PER_HR^MDC|||||X"
    )
    assert reasons(event(raw))[0] == "incomplete"
    assert isinstance(event(raw, values_without_result=True)[0], Fact)


DOSE_RATE = "OBX|9|NM|157924^MDC_RATE_DOSE^MDC|1.1.2.5|{}|{}^^UCUM|||||F\r"
WEIGHT = "OBX|10|NM|68063^MDC_ATTR_PT_WEIGHT^MDC|1.0.0.4|80|kg^^UCUM|||||F\r"


@pytest.mark.parametrize(
    ("lines", "agrees"),
    [
        (DOSE_RATE.format("16", "mg/h"), True),
        (DOSE_RATE.format("160", "mg/h"), False),
        (DOSE_RATE.format("0.2", "mg/kg/h") + WEIGHT, True),
        (DOSE_RATE.format("20", "mg/kg/h") + WEIGHT, False),
        (DOSE_RATE.format("20", "mg/kg/h"), True),
        (DOSE_RATE.format("20", "mL/h"), True),
    ],
)
def test_a_dose_rate_that_is_not_flow_times_concentration_is_a_contradiction(lines: str, agrees: bool) -> None:
    found = event((spoken.pump().decode() + lines).encode())
    assert isinstance(found[0], Fact) is agrees
    assert reasons(found) == ([] if agrees else ["contradictory"])


def test_terms_are_known_by_their_numbers_where_names_are_left_out() -> None:
    bare = re.sub(rb"(\d{5,6})\^MDC_\w+\^MDC", rb"\1^^MDC", spoken.pump()).replace(
        b"^MDC_EVT_PUMP_DELIV_START^MDC", b"197288^^MDC"
    )
    assert fields(event(bare)[0]) == fields(event(spoken.pump())[0])


def test_phases_of_one_moment_are_facts_of_their_own() -> None:
    stop = event(spoken.pump("STOP", flow="", status="not-delivering"))[0]
    start = event(spoken.pump())[0]
    assert isinstance(stop, Fact)
    assert isinstance(start, Fact)
    assert stop.key != start.key


def test_a_report_has_the_flow_of_one_channel_and_the_drug_of_another() -> None:
    delivery, totals = report(spoken.report())
    said = fields(delivery)
    assert (said["phase"], said["drug"], said["rate"]) == ("sample", "docetaxel", Quantity(value=40.0, unit="mL/h"))
    assert said["concentration"] == Quantity(value=0.4, unit="mg/mL")
    assert fields(totals, "pump_totals")["delivered"] == Quantity(value=12.5, unit="mL")


def test_a_report_of_the_counter_alone_is_of_no_delivery() -> None:
    lines = spoken.report().split(b"\r")
    counter = [line for line in lines if b"|158014^" not in line and b"|158005^" not in line]
    (totals,) = report(b"\r".join(counter))
    assert fields(totals, "pump_totals")["delivered"] == Quantity(value=12.5, unit="mL")


def test_two_modules_are_two_reports_of_two_devices() -> None:
    second = [
        "OBX|6|NM|158014^MDC_FLOW_FLUID_PUMP_CURRENT^MDC|1.2.1.1|7|265266^MDC_DIM_MILLI_L_PER_HR^MDC|||||F",
        "OBX|7|CWE|158005^MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS^MDC|1.2.2.1|^pump-delivery-status-delivering||||||F",
        "OBX|8|ST|184514^MDC_DRUG_NAME_LABEL^MDC|1.2.2.2|Docetaxel||||||F",
    ]
    found = [
        fields(one) for one in report(spoken.report(*second)) if isinstance(one, Fact) and one.kind == "pump_delivery"
    ]
    assert [(said["device_id"], said["rate"]) for said in found] == [
        ("PUMP9/0012210000000002", Quantity(value=40.0, unit="mL/h")),
        ("PUMP9/0012210000000002/2", Quantity(value=7.0, unit="mL/h")),
    ]


def test_of_several_sources_the_one_that_delivers_is_meant() -> None:
    other = "OBX|6|NM|157760^MDC_CONC_DRUG^MDC|1.1.3.3|9|264306^MDC_DIM_MILLI_G_PER_ML^MDC|||||F"
    stands = "OBX|7|CWE|158005^MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS^MDC|1.1.3.1|^pump-delivery-status-{}||||||F"
    found = report(spoken.report(other, stands.format("not-delivering")))
    assert fields(found[0])["concentration"] == Quantity(value=0.4, unit="mg/mL")
    assert reasons(report(spoken.report(other, stands.format("delivering")))) == ["incomplete"]


def test_a_drug_is_known_by_the_profiles_code() -> None:
    raw = spoken.pump().replace(b"|^Docetaxel|", b"|2222^Mix 4^99PUMP|")
    assert reasons(event(raw)) == ["unknown_drug"]
    codes = Codes(None, {"99PUMP|2222": "docetaxel"})
    assert fields(event(raw, codes=codes)[0])["drug"] == "docetaxel"


def test_a_pump_that_does_not_know_its_patient_leaves_it_to_its_bindings() -> None:
    found = event(spoken.pump().replace(spoken.NUMBER.encode(), b""))
    assert [one.subject for one in found if isinstance(one, Fact)] == [None, None]
