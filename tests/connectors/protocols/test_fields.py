"""A source's own JSON by the map of its profile: whole facts in their units and at their times, or refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.facts.fact import Fact, Moment, Passed, Refusal, Subject
from connectors.facts.memory import Memory
from connectors.facts.telling import Teller, Telling
from connectors.protocols.fields import read_fields, resolve
from connectors.protocols.recorded import readings
from tests.connectors.facts import sources
from twin.events import Quantity

PROFILE = sources.profile(
    "fields",
    source="wrists",
    units={"K/uL": "10*3/uL"},
)
T = 1_772_442_000_000
PUMP = {"t": T // 1000, "serial": 17, "drug": "Docetaxel", "state": "RUN", "ml_h": 250}


def found(**said: Any) -> list[Any]:
    return list(read_fields(json.dumps(said).encode(), PROFILE, Subject("4711"), "phone/w"))


def test_a_document_is_read_by_each_entry_that_it_has_something_for() -> None:
    (fact,) = found(t=T, hr=72)
    assert isinstance(fact, Fact)
    assert fact.moment is not None
    assert fact.moment.at.isoformat() == "2026-03-02T09:00:00+00:00"
    assert fact.fields == {"channel": "heart_rate", "device_id": "phone/w", "value": Quantity(value=72, unit="/min")}
    assert [type(one) for one in found(t=T, hr=72, pump=PUMP)] == [Fact, Fact]
    assert found(t=T, hr=None, note="x") == [Passed("body", "a document without anything that the map names")]


def test_a_pump_is_read_with_its_words_and_what_it_never_sends() -> None:
    (fact,) = found(pump=PUMP)
    assert fact.fields == {
        "drug": "docetaxel", "phase": "start", "delivery_status": "delivering", "device_id": "17",
        "rate": Quantity(value=250, unit="mL/h"), "concentration": Quantity(value=0.4, unit="mg/mL"),
    }  # fmt: skip


@pytest.mark.parametrize(("released", "wanted"), [("2026-03-02T14:00:00Z", 14), ("soon", None), (5, None)])
def test_when_a_result_was_released_is_a_time_of_its_own_and_no_reason_to_refuse_it(
    released: object, wanted: int | None
) -> None:
    said = {"id": 7, "who": "99", "drawn": "2026-03-02T08:00:00Z", "test": "ANC", "v": 1.2, "u": "K/uL"}
    (fact,) = read_fields(json.dumps({"results": [said | {"released": released}]}).encode(), PROFILE)
    assert isinstance(fact, Fact)
    reported = fact.fields.get("reported")
    assert (reported.at.hour if isinstance(reported, Moment) else None) == wanted


def test_entries_of_an_array_stand_alone_and_have_their_own_patients_and_ids() -> None:
    said = {"id": 7, "who": "99", "drawn": "2026-03-02T08:00:00+01:00", "test": "ANC", "v": 1.2, "u": "K/uL"}
    one, other, bad = (read_fields(json.dumps({"results": rows}).encode(), PROFILE) for rows in (
        [said], [said | {"v": 1.4}], [said | {"id": 8, "u": "K"}, said]
    ))  # fmt: skip
    teller = Teller(PROFILE, Memory())
    events = []
    for rows in ([said], [said], [said | {"v": 1.4}]):
        for reading in readings(json.dumps({"results": rows}).encode(), PROFILE):
            for outcome in teller.tell(reading):
                assert isinstance(outcome, Telling)
                events += outcome.events
    assert [event.status for event in events] == ["final", "corrected"]
    (first,), (second,), (refused, good) = list(one), list(other), list(bad)
    assert isinstance(first, Fact)
    assert isinstance(second, Fact)
    assert first.key == second.key
    assert first.subject == Subject("99")
    assert first.fields["value"] == Quantity(value=1.2, unit="10*3/uL")
    assert isinstance(refused, Refusal)
    assert (refused.reason, refused.place) == ("unknown_unit", "body/results/0 map[1]")
    assert isinstance(good, Fact)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"hr": 72}, "no_time"),
        ({"hr": 72, "t": T // 1000}, "malformed"),
        ({"hr": 72, "t": T * 1000}, "malformed"),
        ({"hr": 72, "t": 1e300}, "malformed"),
        ({"hr": 72, "t": "2026-03-02T09:00:00Z"}, "malformed"),
        ({"hr": "72", "t": T}, "incomplete"),
        ({"hr": True, "t": T}, "incomplete"),
        ({"hr": 7200, "t": T}, "out_of_range"),
        ({"pump": PUMP | {"ml_h": None, "set": 1}}, "incomplete"),
        ({"pump": PUMP | {"drug": "Geheimnis"}}, "unknown_drug"),
        ({"pump": PUMP | {"state": []}}, "incomplete"),
        ({"pump": PUMP | {"state": None}}, "incomplete"),
        ({"results": [{"test": "ANC", "v": 1, "drawn": "2026-03-02T08:00:00Z"}]}, "no_unit"),
        ({"results": [{"test": "ANC", "v": 1, "u": "K/uL", "drawn": 5}]}, "malformed"),
        ({"results": [{"test": "ANC", "v": 1, "u": "K/uL", "who": {}, "drawn": "2026-03-02T08:00:00Z"}]}, "no_patient"),
        ({"results": [{"test": "ANC", "v": 1, "u": "K/uL", "who": 9, "drawn": "2026-03-02T08:00:00Z"}]}, "forbidden"),
    ],
)
def test_what_is_not_whole_is_refused(said: dict[str, Any], reason: str) -> None:
    (one,) = found(**said)
    assert isinstance(one, Refusal)
    assert one.reason == reason
    assert "Geheimnis" not in one.detail


def test_a_value_without_any_device_is_refused() -> None:
    (one,) = read_fields(json.dumps({"hr": 72, "t": T}).encode(), PROFILE)
    assert isinstance(one, Refusal)
    assert one.reason == "unknown_device"


@pytest.mark.parametrize(
    ("pointer", "leads"),
    [("/a/0/x~1y", 1), ("/a/-1", None), ("/a/01", None), ("/a/²", None), ("/a/9", None), ("/b", None)],
)
def test_pointers_are_those_of_rfc_6901(pointer: str, leads: object) -> None:
    document = {"a": [{"x/y": 1}], "b": None}
    assert resolve(document, pointer) == leads if leads else resolve(document, pointer) is resolve({}, "/nowhere")
