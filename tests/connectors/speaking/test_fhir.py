"""What FHIR says of an event is read as that event, number for number and to the ms."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
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
from connectors.protocols.recorded import readings
from connectors.speaking.fhir import FhirWriter
from connectors.speaking.source import PROFILE, write_source
from connectors.speaking.words import Words
from tests.connectors.facts.sources import profile
from tests.connectors.speaking.test_hl7 import said
from twin.events import DoseGiven, DrugLevel, InputEvent, LabResult, Quantity, VitalSample, from_millis

NOW = datetime(2026, 3, 9, tzinfo=UTC)
WRITE = FhirWriter(
    Words([Measured("lab_result", "neutrophils", "10*9/L"), Measured("drug_level", "docetaxel", "mg/L")])
)


def test_a_ward_is_read_as_it_was_said(tmp_path: Path) -> None:
    ward = open_feed(patients=2, days=3.0, start="2026-03-02T23:55Z", speak="fhir", files=tmp_path,
                     vitals_every=43200.0, pump_every=3600.0)  # fmt: skip
    assert ward.spoken is not None
    write_source(ward.spoken)
    known = read_profile(tmp_path / PROFILE, b"")
    write, teller = FhirWriter(Words(ward.spoken.measured)), Teller(known, Memory())
    carried: Counter[str] = Counter()
    plain: Counter[str] = Counter()
    for one in ward.said:
        assert isinstance(one, TimedEvent)
        resource = write(one.event, from_millis(one.time))
        if resource is None:
            plain[str(one.event.kind)] += 1
            continue
        (reading,) = readings(resource.text, known)
        outcomes = list(teller.tell(reading))
        assert all(isinstance(each, Telling | Passed) for each in outcomes)
        told = [event for each in outcomes if isinstance(each, Telling) for event in each.events]
        assert list(map(said, told)) == [said(one.event)]
        carried[f"{resource.kind} {one.event.kind}"] += 1
    measured = {f"Observation {kind}" for kind in ("vital_sample", "lab_result", "drug_level", "covariate")}
    assert set(carried) == {*measured, "MedicationAdministration dose_given"}
    expected = {"pump_delivery", "pump_totals", "enrolment", "clock", "device_association", "regimen_planned"}
    assert set(plain) == expected


@given(value=st.floats(1e-9, 400.0), micros=st.integers(0, 10**15))
def test_every_number_and_time_survives(value: float, micros: int) -> None:
    at = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
    event = LabResult.example().model_copy(update={"value": Quantity(value=value, unit="10*9/L"), "time": at})
    resource = WRITE(event, NOW)
    assert resource is not None
    (reading,) = readings(resource.text, profile("fhir"))
    (fact,) = reading.found
    assert getattr(fact, "fields")["value"] == event.value  # noqa: B009
    assert getattr(fact, "moment").at == at  # noqa: B009


def test_a_later_telling_is_of_the_same_resource() -> None:
    level = DrugLevel.example().model_copy(update={"status": "final", "replaces": None})
    gone = level.model_copy(update={"status": "retracted", "replaces": level.event_id})
    first, second = WRITE(level, NOW), WRITE(gone, NOW)
    assert first is not None
    assert second is not None
    assert first.id == second.id
    assert json.loads(second.text)["status"] == "entered-in-error"
    below = level.model_copy(update={"below_lloq": True, "value": Quantity(value=2.0, unit="ng/mL")})
    resource = WRITE(below, NOW)
    assert resource is not None
    assert json.loads(resource.text)["valueQuantity"]["comparator"] == "<"


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        (LabResult, {"sequence": 3}),
        (LabResult, {"draw_time_sd": Quantity(value=1.0, unit="h")}),
        (VitalSample, {"value": Quantity(value=5000.0, unit="/min")}),
        (VitalSample, {"clock_behind": Quantity(value=900.0, unit="s")}),
        (DoseGiven, {"keeps": "rate"}),
        (DoseGiven, {"taken": 0.9}),
        (DoseGiven, {"device_id": "pump-1"}),
        (DoseGiven, {"amount": Quantity(value=1.0, unit="mL")}),
        (DoseGiven, {"duration": Quantity(value=0.1234567891, unit="h")}),
        (DoseGiven, {"duration": Quantity(value=1.0, unit="h"), "route": "oral"}),
    ],
)
def test_what_fhir_cannot_say_exactly_it_does_not_say(event: type[InputEvent], changes: dict[str, object]) -> None:
    one = event.example()
    assert WRITE(one, NOW) is not None
    assert WRITE(one.model_copy(update=changes), NOW) is None
