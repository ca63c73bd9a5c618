"""One example of each event, for the generated documents: a patient on docetaxel, then one whose pump is wrong.

They are built through the event models, so none can be invalid, and they are invented: no patient is behind them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twin.events import (
    Alert,
    Band,
    Clock,
    Covariate,
    DeviceAssociation,
    DoseGiven,
    DrugLevel,
    Enrolment,
    Estimate,
    Exposure,
    Forecast,
    ForecastBand,
    InputEvent,
    LabResult,
    Nadir,
    OutputEvent,
    PlannedDose,
    Prediction,
    PumpDelivery,
    PumpTotals,
    Quantity,
    RegimenPlanned,
    Rejected,
    StateReset,
    Subject,
    VitalSample,
    event_id,
)

_START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
_PATIENT = "P-0017"


def _id(*parts: object) -> str:
    return event_id("example", *parts)


def _at(hours: float) -> datetime:
    return _START + timedelta(hours=hours)


def input_examples() -> tuple[InputEvent, ...]:
    """One event of each input kind, in event-time order."""
    return (
        Enrolment(
            event_id=_id("enrolment"), patient_id=_PATIENT, time=_at(-1), source="ward", model="docetaxel_ozawa2007"
        ),
        Covariate(
            event_id=_id("AAG"),
            patient_id=_PATIENT,
            time=_at(-0.9),
            source="ehr",
            name="AAG",
            value=Quantity(value=0.94, unit="g/L"),
        ),
        RegimenPlanned(
            event_id=_id("plan"),
            patient_id=_PATIENT,
            time=_at(-0.8),
            source="ehr",
            drug="docetaxel",
            doses=(
                PlannedDose(
                    time=_at(0), amount=Quantity(value=100.0, unit="mg"), duration=Quantity(value=1.0, unit="h")
                ),
            ),
        ),
        DeviceAssociation(
            event_id=_id("bind"),
            patient_id=_PATIENT,
            time=_at(-0.5),
            source="ward",
            device_id="pump-4",
            associated=True,
            expected_every=Quantity(value=60.0, unit="s"),
        ),
        DoseGiven(
            event_id=_id("dexamethasone"),
            patient_id=_PATIENT,
            time=_at(-0.25),
            source="ehr",
            drug="dexamethasone",
            route="iv",
            amount=Quantity(value=8.0, unit="mg"),
        ),
        StateReset(event_id=_id("reset"), patient_id=_PATIENT, time=_at(-0.1), source="ehr"),
        PumpDelivery(
            event_id=_id("start"),
            patient_id=_PATIENT,
            time=_at(0),
            source="pump",
            device_id="pump-4",
            drug="docetaxel",
            phase="start",
            delivery_status="delivering",
            rate=Quantity(value=250.0, unit="mL/h"),
            programmed_rate=Quantity(value=250.0, unit="mL/h"),
            concentration=Quantity(value=0.4, unit="mg/mL"),
        ),
        VitalSample(
            event_id=_id("pulse"),
            patient_id=_PATIENT,
            time=_at(0.5),
            source="wearable",
            device_id="wrist-9",
            channel="heart_rate",
            value=Quantity(value=74.0, unit="/min"),
        ),
        PumpTotals(
            event_id=_id("counter"),
            patient_id=_PATIENT,
            time=_at(1),
            source="pump",
            device_id="pump-4",
            drug="docetaxel",
            delivered=Quantity(value=248.0, unit="mL"),
            concentration=Quantity(value=0.4, unit="mg/mL"),
        ),
        DrugLevel(
            event_id=_id("level"),
            patient_id=_PATIENT,
            time=_at(3),
            source="lab",
            status="corrected",
            replaces=_id("level", "preliminary"),
            analyte="docetaxel",
            value=Quantity(value=92.0, unit="ng/mL"),
            lloq=Quantity(value=2.0, unit="ng/mL"),
        ),
        LabResult(
            event_id=_id("count"),
            patient_id=_PATIENT,
            time=_at(120),
            source="lab",
            analyte="neutrophils",
            value=Quantity(value=1.4, unit="10*9/L"),
            loinc="751-8",
        ),
        Clock(event_id=_id("clock"), patient_id=_PATIENT, time=_at(121), source="ward"),
    )


def output_examples() -> tuple[OutputEvent | Rejected, ...]:
    """One event of each output kind."""
    said = {"patient_id": _PATIENT, "source": "twin", "model": "docetaxel_ozawa2007", "model_hash": "5f0c2a9be1d44a37"}
    day = _at(121)
    return (
        Estimate.model_validate(
            said
            | {
                "event_id": _id("estimate"),
                "time": day,
                "outputs": (_band("neutrophils", "10*9/L", 1.5),),
                "parameters": (_band("CL", "L/h", 31.0),),
                "exposure": (
                    Exposure(
                        so_far=_band("AUC", "mg.h/L", 3.1),
                        at_end=_band("AUC", "mg.h/L", 3.1),
                        target_low=2.5,
                        target_high=4.0,
                        p_below=0.06,
                        p_above=0.02,
                    ),
                ),
                "delivered_rate": {"docetaxel": Quantity(value=0.0, unit="mg/h")},
                "delivered": {"docetaxel": Quantity(value=99.2, unit="mg")},
                "ess": 734.5,
                "log_evidence": -3.2,
                "observations": 2,
            }
        ),
        Prediction.model_validate(
            said
            | {"event_id": _id("prediction"), "time": _at(120), "output": "neutrophils", "unit": "10*9/L"}
            | {"observed": 1.4, "median": 1.7, "q05": 0.9, "q25": 1.3, "q75": 2.2, "q95": 3.1}
            | {"pit": 0.29, "innovation": -0.55, "population_median": 1.6}
        ),
        Forecast.model_validate(
            said
            | {
                "event_id": _id("forecast"),
                "time": day,
                "times": (day, day + timedelta(days=2)),
                "outputs": (
                    ForecastBand(
                        name="neutrophils",
                        unit="10*9/L",
                        q05=(1.1, 0.2),
                        q25=(1.3, 0.35),
                        median=(1.5, 0.45),
                        q75=(1.7, 0.6),
                        q95=(2.0, 0.9),
                    ),
                ),
                "nadir": Nadir(
                    output="neutrophils",
                    value=_band("neutrophils", "10*9/L", 0.45),
                    day=_band("day", "d", 2.5),
                    p_grade4=0.62,
                ),
            }
        ),
        Alert.model_validate(
            said
            | {
                "event_id": _id("alert"),
                "time": day,
                "alert_id": _id("alert", "id"),
                "rule": "tox.neutropenia_g4",
                "subject": Subject("output", "neutrophils"),
                "state": "raised",
                "severity": "high",
                "revision": 0,
                "onset": day,
                "probability": 0.62,
                "horizon_hours": 504.0,
                "freshness_hours": 1.0,
                "text": "Grade 4 neutropenia with probability 62% within 21 d; nadir 0.45 10*9/L (median) in 2.5 d.",
            }
        ),
        Rejected(
            reason="unknown_unit",
            detail="field 'rate.unit': 'ml/hr' is not a UCUM unit; write 'mL/h'",
            patient_id=_PATIENT,
            event_id=_id("rejected"),
            topic="iomt.pump",
            partition=2,
            offset=1841,
            original_base64="eyJ2IjoxfQ==",
        ),
    )


def _band(name: str, unit: str, median: float) -> Band:
    spread = (0.6, 0.85, 1.0, 1.2, 1.6)
    q05, q25, middle, q75, q95 = (round(median * factor, 3) for factor in spread)
    return Band(name=name, unit=unit, q05=q05, q25=q25, median=middle, q75=q75, q95=q95)
