"""What a twin says, as FHIR R4 resources: an alert as four that live and end with it, an estimate and a nadir as one.

| said | resource | status while it stands, at its end, withdrawn |
|---|---|---|
| alert | DetectedIssue: what was found, how severe, what was done last | preliminary, final, entered-in-error |
| | Flag: what is to be seen beside the patient's name | active, inactive, entered-in-error |
| | RiskAssessment: probability and period, where it has one | final, final, entered-in-error |
| | Communication: what was told last | completed, completed, entered-in-error |
| estimate | Observation: outputs as the twin believes them, median and 5 to 95 % | final |
| forecast | RiskAssessment: the lowest count ahead | final |

A resource has the same id whenever it is written, made of what it is about, so that a repeat overwrites itself. They
name one another and the patient by identifiers alone: no resource of the server is needed, and no name is known here.
All bear a tag by which what a twin wrote is never read as a measurement.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Any

from connectors.protocols.fhir.resource import OURS
from twin.alerts.rules import title_of
from twin.events import Alert, AlertHandling, Band, Estimate, Forecast

Body = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
ACT_CODES = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
FLAGS = "http://terminology.hl7.org/CodeSystem/flag-category"
COMMUNICATIONS = "http://terminology.hl7.org/CodeSystem/communication-category"

ACTION, PERSON = "urn:dosetwin:action", "urn:dosetwin:person"
"""Systems of what was done about an alert, and of who did it, as the twin has them."""

SUBJECT, TOLD, UNTIL = "urn:dosetwin:subject", "urn:dosetwin:told", "urn:dosetwin:until"
"""Extensions: what an alert is about (``kind/name``) and when it was told so; until when it is to be shelved."""

HANDLED = "urn:dosetwin:handled"
"""Extension: what was done about an alert last, ``action/id``: it stays where its mitigation is taken out."""

PATIENTS = "urn:dosetwin:patient"
"""System of pseudonyms, where no other is given."""

_DOSAGE = {
    "delivery.overinfusion": ("DOSEH", "High Dose Alert"),
    "exposure.above_target": ("DOSEH", "High Dose Alert"),
    "delivery.underinfusion": ("DOSEL", "Low Dose Alert"),
    "exposure.below_target": ("DOSEL", "Low Dose Alert"),
}
"""HL7's own codes of issues with a dose (v3-ActCode), beside our rule's."""

_SEVERITY = {"high": "high", "medium": "moderate", "low": "low"}
_PRIORITY = {"high": "asap", "medium": "urgent", "low": "routine"}


def of_alert(alert: Alert, patients: str = PATIENTS) -> Iterator[Body]:
    """An alert as it stands after one of its transitions; ``patients`` is the system of its pseudonym."""
    withdrawn = alert.state == "withdrawn"
    base = _Base(alert, patients, "alert", alert.alert_id, f"{alert.text} {alert.advice or ''}".strip())
    codes = [_coding("urn:dosetwin:rule", alert.rule, title_of(alert.rule))]
    if alert.rule in _DOSAGE:
        codes.append(_coding(ACT_CODES, *_DOSAGE[alert.rule]))
    what = {"coding": codes, "text": f"{title_of(alert.rule)}: {alert.subject.name}"}
    risk = named("RiskAssessment", "alert", alert.alert_id)
    yield base.resource(
        "DetectedIssue",
        status="entered-in-error" if withdrawn else "preliminary" if alert.live else "final",
        code=what,
        severity=_SEVERITY[alert.severity],
        patient=base.patient,
        identifiedDateTime=_instant(alert.onset),
        author=DEVICE,
        detail=base.text,
        extension=[
            {"url": SUBJECT, "valueString": f"{alert.subject.kind}/{alert.subject.name}"},
            {"url": TOLD, "valueDateTime": _instant(alert.time)},
            *_handled(alert.handled),
        ],
        **({} if alert.handled is None else {"mitigation": [_mitigation(alert.handled)]}),
        **({} if alert.probability is None else {"evidence": [{"detail": [risk]}]}),
    )
    delivered = alert.rule.partition(".")[0] in ("delivery", "exposure", "dose")
    category = _coding(FLAGS, "drug", "Drug") if delivered else _coding(FLAGS, "clinical", "Clinical")
    yield base.resource(
        "Flag",
        status="entered-in-error" if withdrawn else "active" if alert.live else "inactive",
        category=[{"coding": [category]}],
        code=what,
        subject=base.patient,
        period={"start": _instant(alert.onset)}
        | ({} if alert.live else {"end": _instant(max(alert.onset, alert.time))}),
        author=DEVICE,
    )
    if alert.probability is not None or withdrawn:
        yield base.resource(
            "RiskAssessment",
            status="entered-in-error" if withdrawn else "final",
            method={"text": f"dosetwin {alert.model}"},
            code=what,
            subject=base.patient,
            occurrenceDateTime=_instant(alert.time),
            performer=DEVICE,
            **_prediction(what, alert.probability, alert.time, alert.horizon_hours),
            **({"mitigation": alert.advice} if alert.advice else {}),
        )
    yield base.resource(
        "Communication",
        status="entered-in-error" if withdrawn else "completed",
        category=[{"coding": [_coding(COMMUNICATIONS, "alert", "Alert")]}],
        priority=_PRIORITY[alert.severity],
        subject=base.patient,
        about=[named("DetectedIssue", "alert", alert.alert_id)],
        sent=_instant(alert.time),
        sender=DEVICE,
        payload=[{"contentString": base.text}],
    )


def of_estimate(estimate: Estimate, patients: str = PATIENTS) -> Body:
    """What the twin believes now of its patient; the one of before is overwritten."""
    said = "; ".join(f"{one.name} {one.median:.3g} {one.unit}" for one in estimate.outputs)
    about = f"{estimate.patient_id}/{estimate.model}"
    base = _Base(estimate, patients, "estimate", about, f"Estimate of the twin: {said}")
    return base.resource(
        "Observation",
        status="final",
        code={"coding": [_coding("urn:dosetwin:event", "estimate", "Estimate of a twin")]},
        subject=base.patient,
        effectiveDateTime=_instant(estimate.time),
        method={"text": f"dosetwin {estimate.model}"},
        device=DEVICE,
        component=[component for band in estimate.outputs for component in _components(band)],
    )


def of_forecast(forecast: Forecast, patients: str = PATIENTS) -> Body | None:
    """The lowest count ahead, and the probability that it is of grade 4; None of a forecast without one."""
    nadir = forecast.nadir
    if nadir is None:
        return None
    value, day = nadir.value, nadir.day
    spread = f"{value.median:.3g} {value.unit} ({value.q05:.3g} to {value.q95:.3g})"
    text = f"Nadir of {nadir.output} {spread} in {day.median:.2g} d"
    about = f"{forecast.patient_id}/{forecast.model}/{nadir.output}"
    base = _Base(forecast, patients, "nadir", about, f"{text}; grade 4 with probability {nadir.p_grade4:.0%}.")
    outcome = {"coding": [_coding("urn:dosetwin:outcome", f"{nadir.output}.grade4", f"Grade 4: {nadir.output}")]}
    ahead = (max(forecast.times, default=nadir.seen_from) - nadir.seen_from) / timedelta(hours=1)
    return base.resource(
        "RiskAssessment",
        status="final",
        method={"text": f"dosetwin {forecast.model}"},
        subject=base.patient,
        occurrenceDateTime=_instant(forecast.time),
        performer=DEVICE,
        basis=[named("Observation", "estimate", f"{forecast.patient_id}/{forecast.model}")],
        **_prediction(outcome, nadir.p_grade4, nadir.seen_from, ahead),
    )


def named(kind: str, about: str, value: str) -> Body:
    """A reference to a resource of ours by its identifier."""
    return {"type": kind, "identifier": {"system": f"urn:dosetwin:{about}", "value": value}}


DEVICE = named("Device", "device", "dosetwin") | {"display": "dosetwin"}


class _Base:
    """What all resources about one thing share."""

    def __init__(self, event: Alert | Estimate | Forecast, patients: str, about: str, value: str, text: str) -> None:
        self.text = text
        self.patient = {"type": "Patient", "identifier": {"system": patients, "value": event.patient_id}}
        self._id = f"dt-{hashlib.blake2b(f'{about}/{value}'.encode(), digest_size=16).hexdigest()}"
        self._shared = {
            "meta": {"tag": [{"system": OURS, "code": about}]},
            "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{escape(text)}</div>'},
            "identifier": [{"system": f"urn:dosetwin:{about}", "value": value}],
        }

    def resource(self, kind: str, **fields: Any) -> Body:
        return {"resourceType": kind, "id": self._id, **self._shared, **fields}


def _handled(done: AlertHandling | None) -> Iterator[Body]:
    if done is not None:
        yield {"url": HANDLED, "valueString": f"{done.action}/{done.event_id}"}


def _mitigation(done: AlertHandling) -> Body:
    """What somebody did about an alert last (read back by nobody: its author is of `PERSON`)."""
    said = {"coding": [_coding(ACTION, done.action, done.action)], "text": done.reason or done.action}
    who = {"type": "Practitioner", "identifier": {"system": PERSON, "value": done.by}}
    return {"action": said, "date": _instant(done.time), "author": who}


def _prediction(outcome: Body, probability: float | None, start: datetime, hours: float | None) -> Body:
    if probability is None:
        return {}
    period = {"start": _instant(start), "end": _instant(start + timedelta(hours=hours))} if hours else None
    said = {"outcome": outcome, "probabilityDecimal": round(probability, 4)}
    return {"prediction": [said | ({"whenPeriod": period} if period else {})]}


def _components(band: Band) -> Iterator[Body]:
    code = {"coding": [_coding("urn:dosetwin:quantity", band.name, band.name)]}
    yield {"code": code | {"text": f"{band.name}, median"}, "valueQuantity": _quantity(band.median, band.unit)}
    between = {"low": _quantity(band.q05, band.unit), "high": _quantity(band.q95, band.unit)}
    yield {"code": code | {"text": f"{band.name}, 5 to 95 %"}, "valueRange": between}


def _quantity(value: float, unit: str) -> Mapping[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def _coding(system: str, code: str, display: str) -> Body:
    return {"system": system, "code": code, "display": display}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
