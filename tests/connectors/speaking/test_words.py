"""A ward's words: codes that a listener knows, and its own where it measures what no table has."""

from __future__ import annotations

import pytest

from connectors.facts.codes import Coding
from connectors.feeds.stream import Measured
from connectors.speaking.words import OWN, Words, hospital_number, is_plain
from twin.events import (
    ClinicalEnvelope,
    Covariate,
    DoseGiven,
    DrugLevel,
    LabResult,
    PumpDelivery,
    PumpTotals,
    Quantity,
    VitalSample,
)

WORDS = Words(
    [
        Measured("lab_result", "neutrophils", "10*9/L"),
        Measured("drug_level", "docetaxel_plasma", "mg/L"),
        Measured("covariate", "creatinine", "umol/L"),
        Measured("covariate", "BSA", "m2"),
    ]
)
COUNT, LEVEL, CHANGES = LabResult.example(), DrugLevel.example(), Covariate.example()


def changed(event: LabResult | DrugLevel | Covariate | VitalSample, **changes: object) -> Coding | None:
    return WORDS.coding(event.model_copy(update=changes))


def test_what_the_tables_have_goes_by_their_code_and_the_rest_by_the_wards() -> None:
    assert changed(COUNT) == Coding("751-8", "LN")
    assert changed(COUNT, loinc=None) == Coding("neutrophils", OWN), "a code of LOINC would be told again"
    assert changed(LEVEL, analyte="docetaxel_plasma") == Coding("docetaxel_plasma", OWN)
    assert changed(VitalSample.example()) == Coding("147842", "MDC", "MDC_ECG_HEART_RATE")
    metre = Quantity(value=1.8, unit="m2")
    assert changed(CHANGES, name="BSA", value=metre) == Coding("3140-1", "LN")
    micro = Quantity(value=80.0, unit="umol/L")
    assert changed(CHANGES, name="creatinine", value=micro) == Coding("covariate.creatinine", OWN)


@pytest.mark.parametrize(
    "coding",
    [
        changed(CHANGES),
        changed(COUNT, analyte="grade"),
        changed(COUNT, value=Quantity(value=9e9, unit="10*9/L")),
        changed(COUNT, value=Quantity(value=1.0, unit="furlong")),
        changed(VitalSample.example(), value=Quantity(value=500.0, unit="/min")),
    ],
)
def test_what_a_listener_would_refuse_has_no_code(coding: Coding | None) -> None:
    assert coding is None


def test_a_result_is_plain_where_its_limit_is_its_value() -> None:
    at_limit = {"below_lloq": True, "value": Quantity(value=2.0, unit="ng/mL")}
    assert is_plain(LEVEL)
    assert is_plain(LEVEL.model_copy(update=at_limit))
    assert not is_plain(LEVEL.model_copy(update={"below_lloq": True}))
    assert not is_plain(LEVEL.model_copy(update={"draw_time_sd": Quantity(value=1.0, unit="h")}))


def test_no_event_has_a_field_that_no_writer_knows() -> None:
    """A new field is said, or what has it is left to our own JSON: else it would be lost without a word."""
    result = {"analyte", "value", "lloq", "below_lloq", "uloq", "above_uloq", "draw_time_sd", "reported"}
    pump = {"device_id", "drug", "concentration", "clock_behind"}
    known = {
        LabResult: {*result, "loinc"},
        DrugLevel: result,
        Covariate: {"name", "value", "level"},
        VitalSample: {"device_id", "channel", "value", "clock_behind"},
        PumpDelivery: {*pump, "phase", "delivery_status", "rate", "programmed_rate", "not_delivering_reason"},
        PumpTotals: {*pump, "delivered"},
        DoseGiven: {"drug", "route", "amount", "duration", "steady_every", "device_id", "state", "keeps", "taken"},
    }
    for kind, fields in known.items():
        assert set(kind.model_fields) - set(ClinicalEnvelope.model_fields) - {"kind"} == fields


def test_a_hospitals_number_is_no_pseudonym() -> None:
    assert hospital_number("Wa1b2-003") == "003/Wa1b2"
