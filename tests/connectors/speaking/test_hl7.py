"""What HL7 says of an event is read as that event, number for number and to the ms."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.fact import Passed
from connectors.facts.memory import Memory
from connectors.facts.profile import read_profile
from connectors.facts.telling import Teller, Telling
from connectors.feeds.stream import Measured, TimedEvent
from connectors.feeds.ward.feed import open_feed
from connectors.protocols.hl7.stamps import moment
from connectors.protocols.recorded import readings
from connectors.speaking.hl7 import Hl7Writer, stamp
from connectors.speaking.source import write_source
from connectors.speaking.words import Words
from tests.connectors.facts.sources import profile
from twin.events import DrugLevel, InputEvent, LabResult, PumpDelivery, PumpTotals, Quantity, VitalSample, from_millis

NOW = datetime(2026, 3, 9, tzinfo=UTC)
WRITE = Hl7Writer(Words([Measured("lab_result", "neutrophils", "10*9/L"), Measured("drug_level", "docetaxel", "mg/L")]))


def said(event: InputEvent) -> dict[str, object]:
    """What an event says, whichever id and source it has; of a limit only where it was reached."""
    found = event.model_dump(exclude={"event_id", "source", "replaces"}, exclude_none=True)
    if not found.get("below_lloq"):
        found.pop("lloq", None)
    return found


def test_a_ward_is_read_as_it_was_said(tmp_path: Path) -> None:
    start = "2026-03-02T23:55Z"  # a midnight is among its hours
    ward = open_feed(patients=4, days=3.0, start=start, speak="hl7", files=tmp_path, vitals_every=43200.0,
                     pump_every=3600.0)  # fmt: skip
    assert ward.spoken is not None
    known = read_profile(write_source(ward.spoken), b"")
    write, teller = Hl7Writer(Words(ward.spoken.measured)), Teller(known, Memory())
    carried: Counter[str] = Counter()
    plain: Counter[str] = Counter()
    for one in ward.said:
        assert isinstance(one, TimedEvent)
        message = write(one.event, from_millis(one.time))
        if message is None:
            plain[str(one.event.kind)] += 1
            continue
        (reading,) = readings(message.text, known)
        outcomes = list(teller.tell(reading))
        assert all(isinstance(each, Telling | Passed) for each in outcomes)
        told = [event for each in outcomes if isinstance(each, Telling) for event in each.events]
        assert list(map(said, told)) == [said(one.event)]
        carried[f"{message.kind} {one.event.kind}"] += 1
    assert set(carried) == {
        *("ORU^R01 vital_sample", "ORU^R01 pump_delivery", "ORU^R42 pump_delivery", "ORU^R01 pump_totals"),
        *("ORU^R01 lab_result", "ORU^R01 drug_level", "ORU^R01 covariate"),
    }
    of_mass = {"pump_delivery", "pump_totals"}
    assert set(plain) - of_mass == {"enrolment", "clock", "device_association", "regimen_planned", "dose_given"}


@given(value=st.floats(1e-9, 400.0), micros=st.integers(0, 10**15).map(lambda whole: whole // 100 * 100))
def test_every_number_and_time_survives(value: float, micros: int) -> None:
    at = datetime.fromtimestamp(micros // 10**6, UTC).replace(microsecond=micros % 10**6)
    event = LabResult.example().model_copy(update={"value": Quantity(value=value, unit="10*9/L"), "time": at})
    message = WRITE(event, NOW.replace(year=2030))
    assert message is not None
    (reading,) = readings(message.text, profile())
    (fact,) = reading.found
    assert getattr(fact, "fields")["value"] == event.value  # noqa: B009
    assert getattr(fact, "moment").at == at  # noqa: B009


def test_a_stamp_is_never_one_of_midnight() -> None:
    assert stamp(datetime(2026, 3, 2, tzinfo=UTC)) == "20260302010000.0000+0100"
    read = moment(stamp(NOW))
    assert read is not None
    assert read.at == NOW


def test_a_result_below_its_limit_says_so_and_a_correction_has_its_order() -> None:
    below = DrugLevel.example().model_copy(update={"below_lloq": True, "value": Quantity(value=2.0, unit="ng/mL")})
    message = WRITE(below, NOW)
    assert message is not None
    assert b"|SN|docetaxel^^WARD|1|<^2.0|ng/mL^^UCUM|||||C" in message.text


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (LabResult, {"sequence": 3}),
        (LabResult, {"analyte": "unheard of"}),
        (LabResult, {"draw_time_sd": Quantity(value=1.0, unit="h")}),
        (LabResult, {"time": datetime(2026, 3, 2, 8, 0, 0, 50, tzinfo=UTC)}),
        (VitalSample, {"value": Quantity(value=5000.0, unit="/min")}),
        (VitalSample, {"clock_behind": Quantity(value=900.0, unit="s")}),
        (PumpTotals, {"delivered": Quantity(value=3.0, unit="mg")}),
        (PumpDelivery, {"rate": Quantity(value=3.0, unit="mg/h")}),
        (PumpDelivery, {"rate": Quantity(value=0.0, unit="mL/h")}),
        (PumpDelivery, {"delivery_status": "not-delivering"}),
        (PumpDelivery, {"status": "retracted", "replaces": "x"}),
        (PumpDelivery, {"clock_behind": Quantity(value=-300.0, unit="s")}),
        (PumpTotals, {"clock_behind": Quantity(value=300.0, unit="s")}),
    ],
)
def test_what_hl7_cannot_say_exactly_it_does_not_say(event: type[InputEvent], changes: dict[str, object]) -> None:
    one = event.example()
    assert WRITE(one, NOW) is not None
    assert WRITE(one.model_copy(update=changes), NOW) is None
