"""Monitors' readings: measured, of a time, of a device; nothing that was set or worked out."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.facts.fact import Fact, Found, Passed, Refusal
from connectors.protocols.hl7.devices.monitors import read_readings
from connectors.protocols.hl7.message import parse
from tests.connectors.facts import sources
from tests.connectors.protocols import spoken

PULSE = "OBX|2|NM|147842^MDC_ECG_HEART_RATE^MDC|1.2.1.1|88|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F"


def read(text: str, **changes: Any) -> list[Found]:
    return list(read_readings(parse(text), sources.profile(**changes)))


def with_pulse(pulse: str) -> Found:
    assert PULSE in spoken.MONITOR.decode()
    return read(spoken.MONITOR.decode().replace(PULSE, pulse))[1]


def test_half_of_a_cuffs_reading_is_none() -> None:
    said = [
        *spoken.MONITOR.decode().split("\r")[:-3],
        "OBX|2|NM|150021^MDC_PRESS_BLD_NONINV_SYS^MDC|1.2.1.1|120|266016^MDC_DIM_MMHG^MDC|||||F",
        "OBX|3|NM|150022^MDC_PRESS_BLD_NONINV_DIA^MDC|1.2.1.2|81|266016^MDC_DIM_MMHG^MDC|||||F",
    ]
    assert [type(one) for one in read("\r".join(said))] == [Passed, Fact, Fact]
    found = read("\r".join(said).replace("|81|", "|810|"))
    assert [one.reason for one in found if isinstance(one, Refusal)] == ["out_of_range", "out_of_range"]


def test_a_number_of_a_unit_that_is_not_known_is_no_unit() -> None:
    spo2 = PULSE.replace("147842^MDC_ECG_HEART_RATE", "150456^MDC_PULS_OXIM_SAT_O2")
    found = with_pulse(spo2.replace("|88|264864^MDC_DIM_BEAT_PER_MIN", "|0.001|300000^"))
    assert isinstance(found, Refusal)
    assert found.reason == "unknown_unit"
    dimensionless = with_pulse(spo2.replace("|88|264864^MDC_DIM_BEAT_PER_MIN", "|0.97|262656^MDC_DIM_DIMLESS"))
    assert isinstance(dimensionless, Fact)


def test_each_reading_has_its_own_time_and_its_device() -> None:
    device, pulse, spo2 = read(spoken.MONITOR.decode())
    assert isinstance(device, Passed)
    assert isinstance(pulse, Fact)
    assert isinstance(spo2, Fact)
    assert pulse.fields["channel"] == "heart_rate"
    assert pulse.fields["device_id"] == "MON7/0012210000000001"
    assert pulse.moment is not None
    assert spo2.moment is not None
    assert (pulse.moment.at.minute, spo2.moment.at.minute) == (50, 45)
    assert pulse.key != spo2.key


@pytest.mark.parametrize(
    "pulse",
    [
        PULSE[:-1] + "X",
        PULSE + "||||||ASET",
        PULSE + "||||||MCALC",
        PULSE.replace("|88|", "||"),
        PULSE.replace("147842^MDC_ECG_HEART_RATE", "150456^MDC_PULS_OXIM_PERF_REL"),
        PULSE.replace("MDC_ECG_HEART_RATE", "MDC_FLOW_FLUID_PUMP"),
    ],
)
def test_what_was_not_measured_is_no_reading(pulse: str) -> None:
    assert isinstance(with_pulse(pulse), Passed)


@pytest.mark.parametrize(("flag", "read_"), [("INV", False), ("NAV", False), ("OFF~ST", False), ("L~PM~SP", True)])
def test_a_number_that_its_device_does_not_vouch_for_is_no_reading(flag: str, read_: bool) -> None:
    parts = PULSE.split("|")
    parts[8] = flag
    assert isinstance(with_pulse("|".join(parts)), Fact) is read_


@pytest.mark.parametrize("status", ["AMEAS", "MMEAS", ""])
def test_what_was_measured_is(status: str) -> None:
    assert isinstance(with_pulse(f"{PULSE}||||||{status}"), Fact)


@pytest.mark.parametrize(
    ("pulse", "reason"),
    [
        (PULSE.replace("|88|", "|<88|"), "not_a_reading"),
        (PULSE.replace("|88|", "|880|"), "out_of_range"),
        (PULSE.replace("|88|", "|88~90|"), "not_a_reading"),
        (PULSE.replace("264864^MDC_DIM_BEAT_PER_MIN^MDC", ""), "no_unit"),
        (PULSE.replace("264864^MDC_DIM_BEAT_PER_MIN^MDC", "bpm2"), "unknown_unit"),
        (PULSE + "|||noon", "malformed"),
    ],
)
def test_a_reading_that_cannot_be_used_says_why_and_where(pulse: str, reason: str) -> None:
    found = with_pulse(pulse)
    assert isinstance(found, Refusal)
    assert (found.place, found.reason) == ("OBR[1].OBX[2]", reason)


def test_a_gateway_that_writes_x_is_read_where_its_profile_says_so() -> None:
    text = spoken.MONITOR.decode().replace(PULSE, PULSE[:-1] + "X")
    assert isinstance(read(text, values_without_result=True)[1], Fact)


def test_not_verified_is_preliminary() -> None:
    found = with_pulse(PULSE[:-1] + "R")
    assert isinstance(found, Fact)
    assert found.status == "preliminary"


def test_a_weight_on_a_device_is_a_characteristic() -> None:
    weight = "OBX|2|NM|68063^MDC_ATTR_PT_WEIGHT^MDC|1.2.1.1|82|kg^kg^UCUM|||||F"
    assert isinstance(with_pulse(weight), Passed)
    found = read(spoken.MONITOR.decode().replace(PULSE, weight), names={"weight": "WT"})[1]
    assert isinstance(found, Fact)
    assert (found.kind, found.fields["name"]) == ("covariate", "WT")
