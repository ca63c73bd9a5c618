"""Where an observation stands in its device, and what it inherits from there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.facts.fact import NotAFact
from connectors.protocols.hl7.devices.containment import Devices, path_of, term_of
from connectors.protocols.hl7.groups import groups
from connectors.protocols.hl7.message import Segment, parse
from tests.connectors.facts import sources


def devices(*segments: str, **changes: Any) -> Devices:
    said = ("MSH|^~\\&|A|B", "PID|1", "OBR|1||G1||||20260302090000+0000", *segments)
    (group,) = groups(parse("\r".join(said)))
    return Devices(group, UTC, sources.profile(**changes))


def obx(place: str, name: str = "MDC_X", value: str = "1", time: str = "", device: str = "") -> str:
    return f"OBX|1|NM|1^{name}^MDC|{place}|{value}||||||F|||{time}||||{device}"


def first(of: Devices) -> Segment:
    return of.metrics[0][1]


@pytest.mark.parametrize(
    ("text", "path"),
    [("1.1.2.0", ("1", "1", "2")), ("1.0.0.0", ("1",)), ("1.1.2.4.2", ("1", "1", "2", "4", "2")), ("", ()), ("0", ())],
)
def test_a_place_is_without_its_trailing_zeros(text: str, path: tuple[str, ...]) -> None:
    assert path_of(first(devices(obx(text)))) == path


def test_a_term_is_named_without_the_mark_of_drafts() -> None:
    assert term_of(first(devices(obx("1", "MDCX_ATTR_EVT_COND")))) == "MDC_ATTR_EVT_COND"
    assert term_of(first(devices(obx("1", "Something")))) == ""


def test_a_device_is_that_of_the_nearest_place_around() -> None:
    of = devices(
        obx("1.0.0.0", device="RACK^^0012^EUI-64"), obx("1.2.0.0", device="PUMP2"), obx("1.2.1.1"), obx("1.3.1.1")
    )
    assert of.device(("1", "2", "1", "1")) == "PUMP2"
    assert of.device(("1", "3", "1", "1")) == "RACK/0012"
    assert of.device(()) == "RACK/0012"
    assert devices(obx("1.1.1.1")).device(("1",)) == ""
    assert devices(obx("1", device="^^A0001^VENDOR")).device(("1",)) == "A0001"
    assert len(devices(obx("1", device="x" * 200)).device(("1",))) == 64


def test_a_profile_says_which_level_repetition_or_attribute_names_the_device() -> None:
    said = (
        obx("1.0.0.0", device="PUMP9~RACK1"), obx("1.1.0.0", device="VMD1"), obx("1.1.1.1", device="GATE"),
        obx("1.1.0.3", "MDC_ATTR_SYS_ID", value="SN-77"),
    )  # fmt: skip
    path = ("1", "1", "1", "1")
    wanted = {"nearest": "GATE", "mds": "PUMP9", "vmd": "VMD1", "channel": "", "sys_id": "SN-77"}
    assert {name: devices(*said, device_from=name).device(path) for name in wanted} == wanted
    assert devices(*said, device_from="mds", device_repetition=2).device(path) == "RACK1"
    assert devices(*said, device_from="mds", device_repetition=3).device(path) == ""


def test_modules_of_one_pump_are_told_apart_unless_they_have_names_of_their_own() -> None:
    of = devices(obx("1.0.0.0", device="PUMP9"), obx("1.1.1.1"), obx("1.2.1.1"))
    assert of.channel_of(("1", "1", "1")) == "PUMP9"
    assert of.channel_of(("1", "2", "1")) == "PUMP9/2"
    named = devices(obx("1.0.0.0", device="RACK"), obx("1.1.0.0", device="A"), obx("1.2.0.0", device="B"))
    assert [named.channel_of(("1", module, "1")) for module in "12"] == ["A", "B"]


def test_a_time_is_its_own_or_that_of_what_is_around_it_or_that_of_the_order() -> None:
    of = devices(
        obx("1.1.1.1", time="20260302083000"), obx("1.2.1.0", time="20260302084500"), obx("1.2.1.1"), obx("1.3.1.1")
    )
    found = [of.time(result, path) for _, result, path in of.metrics]
    assert [moment and moment.at for moment in found] == [
        datetime(2026, 3, 2, 8, 30, tzinfo=UTC),
        datetime(2026, 3, 2, 8, 45, tzinfo=UTC),
        datetime(2026, 3, 2, 8, 45, tzinfo=UTC),
        datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    ]
    bad = devices(obx("1.1.1.1", time="noon"))
    with pytest.raises(NotAFact, match="malformed"):
        bad.time(first(bad), ("1", "1", "1", "1"))


def test_a_term_is_found_within_a_place_and_in_the_order_asked_for() -> None:
    of = devices(obx("1.1.1.1", "MDC_A", "1"), obx("1.2.1.1", "MDC_A", "2"), obx("1.2.1.2", "MDC_B", "3"))
    found = of.number(("MDC_B", "MDC_A"), ("1", "2"))
    assert found is not None
    assert found[0].value == 3.0
    assert of.number(("MDC_A",), ("1", "2")) is not None
    assert of.find(("MDC_A",), ("1", "3")) is None
    assert of.number(("MDC_C",)) is None
    assert of.term(("MDC_C",)) == ""
