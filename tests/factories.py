"""Output events as a worker publishes them, for tests of what reads them: sinks, dashboards, the console."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from twin.events import (
    Advice,
    AdvisedDose,
    Alert,
    AlertPhase,
    AlertState,
    Alternative,
    Band,
    BranchBand,
    Estimate,
    Exposure,
    Forecast,
    ForecastBand,
    HarmOdds,
    Heartbeat,
    Nadir,
    NextSample,
    PlannedDose,
    Prediction,
    PriorRange,
    PublishedRule,
    Quantity,
    RegimenPlanned,
    Rejected,
    Series,
    Subject,
    VitalSample,
    WhatIf,
    WindowOdds,
    Withdrawn,
    event_id,
)

MODEL = "docetaxel_ozawa2007"
MODEL_HASH = "5f0c1e7d"
DRUG = "docetaxel"
SUBJECTS = {
    "tox.neutropenia_g4": Subject("output", "neutrophils"),
    "delivery.overinfusion": Subject("drug", DRUG),
    "delivery.underinfusion": Subject("drug", DRUG),
    "exposure.above_target": Subject("target", "docetaxel_auc"),
    "exposure.below_target": Subject("target", "docetaxel_auc"),
    "data.dropout": Subject("device", "pump-4"),
}
"""What the alert of a rule is about, where a test does not say."""
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def at(hours: float) -> datetime:
    """Event time, in hours after the first dose of these examples."""
    return START + timedelta(hours=hours)


def band(name: str, unit: str, median: float, spread: float = 0.3) -> Band:
    """A band around ``median``, symmetric on the ratio scale."""
    wide, narrow = 1 + 2 * spread, 1 + 0.8 * spread
    return Band(
        name=name,
        unit=unit,
        q05=median / wide,
        q25=median / narrow,
        median=median,
        q75=median * narrow,
        q95=median * wide,
    )


def estimate(patient_id: str = "P-1", time: datetime = START, **changes: Any) -> Estimate:
    """A docetaxel estimate: concentration and neutrophils, two parameters, exposure, delivery, health."""
    fields: dict[str, Any] = {
        "event_id": event_id("estimate", patient_id, time.isoformat()),
        "patient_id": patient_id,
        "time": time,
        "source": "twin",
        "model": MODEL,
        "model_hash": MODEL_HASH,
        "outputs": (band("docetaxel_plasma", "mg/L", 1.8), band("neutrophils", "10*9/L", 4.2)),
        "parameters": (band("CL", "L/h", 32.6), band("MTT", "h", 90.0)),
        "exposure": (exposure(),),
        "delivered_rate": {DRUG: Quantity(value=96.0, unit="mg/h")},
        "delivered": {DRUG: Quantity(value=48.0, unit="mg")},
        "ess": 640.0,
        "log_evidence": -3.2,
        "observations": 2,
        "kernel_hash": "9c1e44d0a7b35f28",
        "priors": {
            "CL": PriorRange(q05=19.0, median=35.7, q95=67.2),
            "MTT": PriorRange(q05=94.2, median=113.0, q95=135.6),
        },
    }
    return Estimate(**(fields | changes))


def exposure(so_far: float = 2.0, at_end: float = 4.5, low: float = 3.0, high: float = 5.0) -> Exposure:
    """Exposure of the running course against its target window."""
    return Exposure(
        so_far=band("docetaxel_auc", "mg.h/L", so_far),
        at_end=band("docetaxel_auc", "mg.h/L", at_end),
        target_low=low,
        target_high=high,
        p_below=0.05,
        p_above=0.35,
    )


def forecast(
    patient_id: str = "P-1",
    time: datetime = START,
    hours: tuple[float, ...] = (1.0, 2.0, 4.0),
    neutrophils: float = 3.0,
    p_grade4: float = 0.4,
    **changes: Any,
) -> Forecast:
    """A forecast of concentration and neutrophils at ``hours`` after ``time``, with its nadir."""
    outputs = (("docetaxel_plasma", "mg/L", 0.9), ("neutrophils", "10*9/L", neutrophils))
    fields: dict[str, Any] = {
        "event_id": event_id("forecast", patient_id, time.isoformat()),
        "patient_id": patient_id,
        "time": time,
        "source": "twin",
        "model": MODEL,
        "model_hash": MODEL_HASH,
        "times": tuple(time + timedelta(hours=ahead) for ahead in hours),
        "outputs": tuple(_along(band(name, unit, level), len(hours)) for name, unit, level in outputs),
        "nadir": Nadir(
            seen_from=time,
            output="neutrophils",
            value=band("neutrophils", "10*9/L", 0.6),
            day=band("nadir_day", "d", 8.0, spread=0.1),
            p_grade4=p_grade4,
        ),
    }
    return Forecast(**(fields | changes))


def prediction(
    patient_id: str = "P-1", time: datetime = START, output: str = "neutrophils", observed: float = 3.9, **changes: Any
) -> Prediction:
    """What was expected of a measured value, and the value."""
    expected = band(output, "10*9/L", 4.4)
    fields: dict[str, Any] = {
        "event_id": event_id("prediction", patient_id, output, time.isoformat()),
        "patient_id": patient_id,
        "time": time,
        "source": "twin",
        "model": MODEL,
        "model_hash": MODEL_HASH,
        "output": output,
        "unit": expected.unit,
        "observed": observed,
        "median": expected.median,
        "q05": expected.q05,
        "q25": expected.q25,
        "q75": expected.q75,
        "q95": expected.q95,
        "pit": 0.38,
        "innovation": -0.3,
        "population_median": 5.0,
    }
    return Prediction(**(fields | changes))


ENDED: dict[AlertPhase, AlertState] = {"end": "resolved", "withdrawn": "withdrawn"}
"""How an alert stands after a phase that ends it."""


def alert(
    patient_id: str = "P-1",
    time: datetime = START,
    rule: str = "tox.neutropenia_g4",
    phase: AlertPhase = "start",
    severity: Literal["low", "medium", "high"] = "high",
    revision: int = 0,
    onset: datetime | None = None,
    subject: Subject | None = None,
    **changes: Any,
) -> Alert:
    """One transition of the alert of ``rule`` about ``subject`` (by default its own) that began at ``onset`` (now)."""
    onset = onset or time
    alert_id = event_id("alert", patient_id, rule, onset.isoformat())
    fields: dict[str, Any] = {
        "event_id": event_id(alert_id, revision),
        "patient_id": patient_id,
        "time": time,
        "source": "twin",
        "model": MODEL,
        "model_hash": MODEL_HASH,
        "alert_id": alert_id,
        "rule": rule,
        "subject": subject or SUBJECTS.get(rule, Subject("model", MODEL)),
        "state": ENDED.get(phase, "active"),
        "phase": phase,
        "severity": severity,
        "revision": revision,
        "onset": onset,
        "probability": 0.62,
        "horizon_hours": 168.0,
        "freshness_hours": 5.0,
        "text": f"{rule}: probability 0.62",
    }
    return Alert(**(fields | changes))


def advice(patient_id: str = "P-1", time: datetime = START, **changes: Any) -> Advice:
    """Advice on the second docetaxel dose: six ways with their odds, a rule beside it, the next count, two what-ifs."""

    def way(name: str, factor: float, p: float) -> Alternative:
        dose = AdvisedDose(time=time + timedelta(days=20), amount_mg=160.0 * factor, rate_mg_h=160.0 * factor)
        window = WindowOdds(
            target="docetaxel_auc", unit="mg.h/L", median=4.4 * factor, within=1 - p, within_se=0.012, below=0, above=p
        )
        harm = HarmOdds(toxicity="neutropenia_g4", p=p, se=0.015, limit=0.25)
        return Alternative(
            name=name,
            of_plan=factor,
            amount_mg=160.0 * factor,
            delay_hours=0.0,
            allowed=factor <= 1.0,
            doses=(dose,),
            exposures=(window,),
            toxicities=(harm,),
        )

    def branch(words: str, p: float, low: float) -> WhatIf:
        band = BranchBand(output="neutrophils", unit="10*9/L", q05=(2, low / 2, 2), median=(4, low, 4), q95=(6, 2, 6))
        return WhatIf(
            words=words, ess=600.0, outputs=(band,), toxicities=(HarmOdds(toxicity="neutropenia_g4", p=p, se=0.015),)
        )

    ways = {"planned": 1.0, "-20 %": 0.8, "-10 %": 0.9, "+10 %": 1.1, "+20 %": 1.2, "advised": 0.75}
    fields: dict[str, Any] = {
        "patient_id": patient_id,
        "source": "dosetwin",
        "model": MODEL,
        "model_hash": MODEL_HASH,
        "time": time,
        "event_id": event_id("advice", patient_id, time, str(sorted(changes))),
        "advice_id": event_id("advice", patient_id, time),
        "cause": event_id("question", patient_id, time),
        "about": "request",
        "outcome": "advised",
        "drug": DRUG,
        "protocol": "docetaxel_q3w",
        "protocol_hash": "0" * 16,
        "decision": "next dose",
        "reason": "The largest allowed dose that keeps P(neutropenia_g4) within 25%.",
        "ess": 612.0,
        "alternatives": tuple(way(name, factor, factor - 0.55) for name, factor in ways.items()),
        "published": (
            PublishedRule(rule="auc_guided", low_mg=130, high_mg=140, source="of a test", compared="130 to 140 mg"),
        ),
        "next_sample": NextSample(
            output="neutrophils", time=time + timedelta(days=8), gain_bits=0.8, gain_se=0.05, kept=0.6
        ),
        "ahead": (time, time + timedelta(days=10), time + timedelta(days=21)),
        "branches": (
            branch("as planned", 0.41, 0.4),
            branch("delay docetaxel 7 d", 0.28, 0.7),
            WhatIf(words="stop docetaxel", problem="nothing of docetaxel runs now; name a drug that does"),
        ),
    }
    return Advice(**fields | changes)


def rejected(patient_id: str = "P-1", reason: str = "unknown_unit", offset: int = 17, **changes: Any) -> Rejected:
    """A dead letter of the pump topic."""
    fields: dict[str, Any] = {
        "reason": reason,
        "detail": "field 'rate.unit': 'mcg/kg/min' is no UCUM unit; write 'ug/kg/min'",
        "patient_id": patient_id,
        "event_id": event_id("rejected", patient_id, offset),
        "topic": "iomt.pump",
        "partition": 1,
        "offset": offset,
        "original_base64": "e30=",
    }
    return Rejected(**(fields | changes))


def heartbeat(partition: int, time: datetime = START, **changes: Any) -> Heartbeat:
    """A worker that catches up, with one sealed twin."""
    told = Heartbeat.example().model_copy(update={"partition": partition, "time": time, "behind_seconds": 12.5})
    return told.model_copy(update=changes)


def vital(patient_id: str = "P-1", time: datetime = START, value: float = 37.9, **changes: Any) -> VitalSample:
    """A body temperature from a wearable."""
    fields: dict[str, Any] = {
        "event_id": event_id("vital", patient_id, time.isoformat()),
        "patient_id": patient_id,
        "time": time,
        "source": "wearable",
        "device_id": "patch-7",
        "channel": "body_temperature",
        "value": Quantity(value=value, unit="Cel"),
    }
    return VitalSample(**(fields | changes))


def plan(
    patient_id: str = "P-1",
    time: datetime = START,
    doses: tuple[tuple[datetime, float, float | None], ...] = ((START, 96.0, 1.0),),
    **changes: Any,
) -> RegimenPlanned:
    """A plan of doses, each (start, mg, hours or None when given at once)."""
    fields: dict[str, Any] = {
        "event_id": event_id("plan", patient_id, time.isoformat()),
        "patient_id": patient_id,
        "time": time,
        "source": "orders",
        "drug": DRUG,
        "doses": tuple(
            PlannedDose(
                time=start,
                amount=Quantity(value=mg, unit="mg"),
                duration=None if hours is None else Quantity(value=hours, unit="h"),
            )
            for start, mg, hours in doses
        ),
    }
    return RegimenPlanned(**(fields | changes))


def _along(level: Band, steps: int) -> ForecastBand:
    """``level`` falling and rising again over ``steps`` times, so that a curve is a curve."""
    shape = tuple(1.0 - 0.4 * step / steps if 2 * step < steps else 0.6 + 0.4 * step / steps for step in range(steps))
    return ForecastBand(
        name=level.name,
        unit=level.unit,
        q05=tuple(level.q05 * s for s in shape),
        q25=tuple(level.q25 * s for s in shape),
        median=tuple(level.median * s for s in shape),
        q75=tuple(level.q75 * s for s in shape),
        q95=tuple(level.q95 * s for s in shape),
    )


def withdrawn(patient_id: str = "P-1", time: datetime = START, **changes: Any) -> Withdrawn:
    """All that `estimate`, `forecast` and `prediction` say of ``time`` is taken back."""
    neutrophils = Series(name="neutrophils", unit="10*9/L")
    fields: dict[str, Any] = {
        "event_id": event_id("withdrawn", patient_id, time.isoformat()),
        "patient_id": patient_id,
        "time": time,
        "source": "twin",
        "model": MODEL,
        "model_hash": MODEL_HASH,
        "estimated": False,
        "foreseen": False,
        "outputs": (Series(name="docetaxel_plasma", unit="mg/L"), neutrophils),
        "parameters": (Series(name="CL", unit="L/h"), Series(name="MTT", unit="h")),
        "exposure": (Series(name="docetaxel_auc", unit="mg.h/L"),),
        "nadir": (neutrophils,),
        "drugs": (DRUG,),
        "measured": (neutrophils,),
    }
    return Withdrawn(**(fields | changes))
