"""Which reader a message goes to, and what holds for all of them."""

from __future__ import annotations

import pytest

from connectors.facts.fact import Fact, NotAFact, Reading, Refusal
from connectors.protocols.hl7.message import parse
from connectors.protocols.hl7.reading import message_of, read
from tests.connectors.facts import sources
from tests.connectors.protocols import spoken
from twin.events import Quantity

PROFILE = sources.profile()


def said(raw: bytes) -> Reading:
    return read(message_of(raw, PROFILE), PROFILE)


@pytest.mark.parametrize(
    ("raw", "kinds"),
    [
        (spoken.laboratory(), {"lab_result"}),
        (spoken.MONITOR, {"vital_sample"}),
        (spoken.pump(), {"pump_delivery", "pump_totals"}),
        (spoken.report(), {"pump_delivery", "pump_totals"}),
        (spoken.alarm(), {"device_alert"}),
        (spoken.order(), {"regimen_planned"}),
    ],
)
def test_a_message_is_read_by_its_kind(raw: bytes, kinds: set[str]) -> None:
    reading = said(raw)
    assert {found.kind for found in reading.found if isinstance(found, Fact)} == kinds
    assert not [found for found in reading.found if isinstance(found, Refusal)]
    assert not reading.is_test


def test_a_device_is_known_by_its_profile_or_its_observations() -> None:
    by_profile = spoken.MONITOR.replace(b"MDC_DEV_MON_PHYSIO", b"MDC_MON").replace(
        b"UNICODE UTF-8", b"UNICODE UTF-8|||PCD_DEC_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"
    )
    assert {found.kind for found in said(by_profile).found if isinstance(found, Fact)} == {"vital_sample"}


@pytest.mark.parametrize("kind", ["ADT^A04^ADT_A01", "ORM^O01", "XYZ", "", spoken.NAME])
def test_a_message_that_is_not_read_is_refused_whole(kind: str) -> None:
    with pytest.raises(NotAFact, match="unsupported") as caught:
        said(spoken.lines(spoken.header(kind), spoken.PID))
    assert spoken.NAME not in caught.value.detail


@pytest.mark.parametrize("kind", ["ACK^R01^ACK", "RRG^O16^RRG_O16"])
def test_an_answer_says_nothing(kind: str) -> None:
    assert said(spoken.lines(spoken.header(kind), "MSA|AA|1")).found == ()


@pytest.mark.parametrize(("mode", "test"), [("T", True), ("D", True), ("P", False), ("", False)])
def test_a_message_says_of_itself_whether_it_is_a_test(mode: str, test: bool) -> None:
    assert said(spoken.laboratory(msh=spoken.header(f11=mode))).is_test is test


def test_the_weight_that_a_pump_was_told_is_for_wards_whose_models_have_one() -> None:
    weight = "OBX|9|NM|68063^MDC_ATTR_PT_WEIGHT^MDC|1.1.2.9|82|263875^MDC_DIM_KILO_G^MDC|||||R\r"
    for raw in (spoken.pump(), spoken.report()):
        message = parse(raw.decode() + weight)
        with_names, without = (
            [one for one in read(message, sources.profile(names=names)).found if isinstance(one, Fact)]
            for names in ({"weight": "WT"}, None)
        )
        assert [one.fields for one in with_names if one.kind == "covariate"] == [
            {"name": "WT", "value": Quantity(value=82.0, unit="kg")}
        ]
        assert len(with_names) == len(without) + 1


def test_what_was_observed_after_its_message_was_sent_has_a_wrong_clock() -> None:
    for sent, refused in (("20260302082459+0100", True), ("20260302082500+0100", False)):
        (found,) = said(spoken.laboratory(msh=spoken.header(f7=sent))).found
        assert isinstance(found, Refusal) is refused
        if isinstance(found, Refusal):
            assert found.reason == "contradictory"
    assert isinstance(said(spoken.order(starts="20270101000000+0100")).found[0], Fact)
    for sent in ("", "20260302", "noon", "20260302080000"):
        (found,) = said(spoken.laboratory(msh=spoken.header(f7=sent))).found
        assert isinstance(found, Fact)


def test_bytes_of_no_message_are_refused() -> None:
    for raw, reason in ((b"", "malformed"), (b"hello", "malformed"), (b"MSH|^~\\&|\xff", "charset")):
        with pytest.raises(NotAFact, match=reason):
            message_of(raw, PROFILE)
