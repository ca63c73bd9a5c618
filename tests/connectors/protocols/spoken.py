"""Small sound messages of each protocol, made for tests; no message of anybody else."""

from __future__ import annotations

import json
from typing import Any

NAME = "Geheimnis"
"""A patient's name, which is to be found nowhere but in the messages."""

NUMBER = "4711/08 B"
"""A patient's number at the hospital, likewise."""

PID = f"PID|1||{NUMBER}^^^EAST^MR||{NAME}^Eva^^^^^L||19700101|F"


def header(kind: str = "ORU^R01^ORU_R01", **fields: str) -> str:
    """MSH of a message; fields by their numbers, as ``f11``."""
    said = ["MSH", r"^~\&", "LAB", "EAST", "TWIN", "WARD", "20260302100000+0100", "", kind, "M 1", "P", "2.5.1"]
    said += ["", "", "AL", "NE", "", "UNICODE UTF-8"]
    for number, text in fields.items():
        said[int(number.removeprefix("f")) - 1] = text
    return "|".join(said)


def lines(*segments: str) -> bytes:
    """A message's bytes."""
    return ("\r".join(segments) + "\r").encode()


def count(value: str = "3.4", status: str = "F", **fields: str) -> str:
    """OBX of neutrophils."""
    said = [
        "OBX",
        "1",
        "NM",
        "751-8^Neutrophils^LN",
        "",
        value,
        "10*9/L^^UCUM",
        "1.5-7",
        "N",
        "",
        "",
        status,
        *[""] * 8,
    ]
    for number, text in fields.items():
        said[int(number.removeprefix("f"))] = text
    return "|".join(said)


ORDER = "OBR|1|P77|F88^LAB|58410-2^CBC^LN|||20260302083000+0100" + "|" * 18 + "F"
SPECIMEN = "SPM|1|||119297000^Blood specimen^SCT" + "|" * 13 + "20260302083000+0100"


def laboratory(*results: str, order: str = ORDER, specimen: str = SPECIMEN, msh: str = "", pid: str = PID) -> bytes:
    """A laboratory's message."""
    return lines(msh or header(), pid, order, *(results or (count(),)), *([specimen] if specimen else []))


MONITOR = lines(
    header(f12="2.6"),
    PID,
    "OBR|1||G1|182777000^monitoring^SCT|||20260302095000+0100",
    "OBX|1||69965^MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS^MDC|1.0.0.0|||||||X|||||||MON7^^0012210000000001^EUI-64",
    "OBX|2|NM|147842^MDC_ECG_HEART_RATE^MDC|1.2.1.1|88|264864^MDC_DIM_BEAT_PER_MIN^MDC|||||F",
    "OBX|3|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.3.1.1|97|262688^MDC_DIM_PERCENT^MDC|||||F|||20260302094500+0100",
)
"""A monitor's report: a pulse at the order's time, a saturation at its own."""

_FLOW = "265266^MDC_DIM_MILLI_L_PER_HR^MDC"


def pump(condition: str = "START", flow: str = "40", status: str = "delivering", **said: str) -> bytes:
    """An infusion event of a pump that gives docetaxel."""
    time = said.get("time", "20260302095000+0100")
    drug = said.get("drug", "Docetaxel")
    total = said.get("total", "0")
    return lines(
        header("ORU^R42^ORU_R01", f12="2.6"),
        PID,
        f"OBR|1|PL1|FI1|^{drug}|||{time}",
        "OBX|1||70049^MDC_DEV_PUMP_INFUS_LVP_MDS^MDC|1.0.0.0|||||||X|||||||PUMP9^^0012210000000002^EUI-64",
        f"OBX|2|CWE|68487^MDC_ATTR_EVT_COND^MDC|1.0.0.1|^MDC_EVT_PUMP_DELIV_{condition}^MDC||||||F",
        "OBX|3|ST|68488^MDC_ATTR_EVT_SOURCE^MDC|1.0.0.2|1.1.2.0||||||F",
        *([f"OBX|4|NM|158014^MDC_FLOW_FLUID_PUMP_CURRENT^MDC|1.1.1.1|{flow}|{_FLOW}|||||F"] if flow else []),
        f"OBX|5|CWE|158005^MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS^MDC|1.1.2.1|^pump-delivery-status-{status}||||||F",
        f"OBX|6|NM|157784^MDC_FLOW_FLUID_PUMP^MDC|1.1.2.2|40|{_FLOW}|||||F",
        "OBX|7|NM|157760^MDC_CONC_DRUG^MDC|1.1.2.3|0.4|264306^MDC_DIM_MILLI_G_PER_ML^MDC|||||F",
        f"OBX|8|NM|157993^MDC_VOL_FLUID_DELIV_TOTAL^MDC|1.1.2.4|{total}|263762^MDC_DIM_MILLI_L^MDC|||||F",
    )


def report(*extra: str) -> bytes:
    """A pump's periodic report: its flow stands in one channel, its source in another."""
    return lines(
        header(f12="2.6"),
        PID,
        "OBR|1||R1|^Docetaxel|||20260302095000+0100",
        "OBX|1||70049^MDC_DEV_PUMP_INFUS_LVP_MDS^MDC|1.0.0.0|||||||X|||||||PUMP9^^0012210000000002^EUI-64",
        f"OBX|2|NM|158014^MDC_FLOW_FLUID_PUMP_CURRENT^MDC|1.1.1.1|40|{_FLOW}|||||F",
        "OBX|3|CWE|158005^MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS^MDC|1.1.2.1|^pump-delivery-status-delivering||||||F",
        "OBX|4|NM|157760^MDC_CONC_DRUG^MDC|1.1.2.3|0.4|264306^MDC_DIM_MILLI_G_PER_ML^MDC|||||F",
        "OBX|5|NM|157993^MDC_VOL_FLUID_DELIV_TOTAL^MDC|1.1.2.4|12.5|263762^MDC_DIM_MILLI_L^MDC|||||F",
        *extra,
    )


def alarm(
    condition: str = "196940^MDC_EVT_FLUID_LINE_OCCL^MDC", phase: str = "start", time: str = "20260302095000+0100"
) -> bytes:
    """An alarm of a pump."""
    return lines(
        header("ORU^R40^ORU_R40", f12="2.6"),
        PID,
        f"OBR|1|N{time}|U{time}|196616^MDC_EVT_ALARM^MDC|||{time}" + "|" * 22 + "^ALERT5&GATE",
        f"OBX|1|CWE|196616^MDC_EVT_ALARM^MDC|1.0.0.0.1|{condition}|||PH~ST|||F|||||||PUMP9^^0012210000000002^EUI-64",
        "OBX|2|CWE|68480^MDC_ATTR_ALERT_SOURCE^MDC|1.0.0.0.2|69985^MDC_DEV_PUMP_INFUS_MDS^MDC||||||F",
        f"OBX|3|ST|68481^MDC_ATTR_EVENT_PHASE^MDC|1.0.0.0.3|{phase}||||||F",
    )


def order(control: str = "NW", **said: str) -> bytes:
    """An order to a pump: 100 mg in 250 mL, at 250 mL/h."""
    rate = said.get("rate", "250|265266^MDC_DIM_MILLI_L_PER_HR^MDC")
    amount = said.get("amount", "250||263762^MDC_DIM_MILLI_L^MDC")
    strength = said.get("strength", "100|263890^MDC_DIM_MILLI_G^MDC|||||250|263762^MDC_DIM_MILLI_L^MDC")
    starts = said.get("starts", "20260302110000+0100")
    route = said.get("route", "IV")
    return lines(
        header("RGV^O15^RGV_O15", f16="ER"),
        PID,
        f"ORC|{control}|PLACED1|||||||{starts}",
        f"RXG|1|||^Docetaxel|{amount}||||||||{rate}|{strength}",
        f"RXR|{route}",
        *([said["weight"]] if "weight" in said else []),
    )


LOINC = {"system": "http://loinc.org"}


def observation(value: float | str = 3.4, **changes: Any) -> dict[str, Any]:
    """A laboratory's Observation of neutrophils."""
    return {
        "resourceType": "Observation",
        "id": "obs-1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "751-8", "display": "Neutrophils"}]},
        "subject": {"reference": f"Patient/{NUMBER[:4]}", "display": NAME},
        "effectiveDateTime": "2026-03-02T08:30:00+01:00",
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": "10*9/L"},
    } | changes


def cuff(**changes: Any) -> dict[str, Any]:
    """Both pressures of a cuff."""
    unit = {"system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    pressures = [("8480-6", 122), ("8462-4", 81)]
    return {
        "resourceType": "Observation",
        "id": "bp-1",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": "Patient/4711"},
        "device": {"reference": "Device/cuff-2"},
        "effectiveDateTime": "2026-03-02T08:30:00+01:00",
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "valueQuantity": unit | {"value": value},
            }
            for code, value in pressures
        ],
    } | changes


def given(**changes: Any) -> dict[str, Any]:
    """An infusion that was given: 100 mg of docetaxel in an hour."""
    return {
        "resourceType": "MedicationAdministration",
        "id": "given-1",
        "status": "completed",
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01CD02"}]},
        "subject": {"reference": "Patient/4711"},
        "effectivePeriod": {"start": "2026-03-02T09:00:00+01:00", "end": "2026-03-02T10:00:00+01:00"},
        "dosage": {
            "route": {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}]},
            "dose": {"value": 100, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"},
        },
    } | changes


def request(**changes: Any) -> dict[str, Any]:
    """An order of three infusions of an hour, three weeks apart."""
    return {
        "resourceType": "MedicationRequest",
        "id": "plan-1",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"coding": [{"system": "http://www.whocc.no/atc", "code": "L01CD02"}]},
        "subject": {"reference": "Patient/4711"},
        "dosageInstruction": [
            {
                "timing": {
                    "repeat": {
                        "boundsPeriod": {"start": "2026-03-02T09:00:00+01:00"},
                        "count": 3, "period": 3, "periodUnit": "wk", "duration": 60, "durationUnit": "min",
                    }
                },
                "route": {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}]},
                "doseAndRate": [{"doseQuantity": {"value": 100, "unit": "mg"}}],
            }
        ],
    } | changes  # fmt: skip


def bundle(*resources: dict[str, Any], kind: str = "searchset", **changes: Any) -> dict[str, Any]:
    """A bundle of resources."""
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": one} for one in resources]} | changes


def point(member: str = "heart_rate", value: object = 71, unit: str = "beats/min", **changes: Any) -> dict[str, Any]:
    """A wearable's data point."""
    body: dict[str, Any] = {
        member: {"value": value, "unit": unit},
        "effective_time_frame": {"date_time": "2026-03-02T09:00:00+01:00"},
        "user_notes": NAME,
    }
    return {"header": {"uuid": "u-1", "acquisition_provenance": {"source_name": "band-3"}}, "body": body | changes}


def raw(said: object) -> bytes:
    """JSON's bytes."""
    return json.dumps(said).encode()


OWN_PULSE: dict[str, Any] = {
    "kind": "vital_sample", "event_id": "w-1", "time": "2026-03-02T08:00:00Z",
    "channel": "heart_rate", "value": {"value": 72, "unit": "/min"},
}  # fmt: skip
OWN_RESULT: dict[str, Any] = {
    "kind": "lab_result", "event_id": "w-2", "patient_id": "P-1", "time": "2026-03-02T08:00:00Z", "source": "lab-east",
    "analyte": "neutrophils", "value": {"value": 1.2, "unit": "10*9/L"},
}  # fmt: skip
"""Events of ours."""

MAPPED: dict[str, Any] = {
    "t": 1_772_442_000_000,
    "hr": 72,
    "results": [
        {"id": 7, "who": NUMBER, "drawn": "2026-03-02T08:00:00+01:00", "test": "ANC", "v": 1.2, "u": "10*9/L"},
    ],
    "pump": {"t": 1_772_442_000, "serial": 17, "drug": "Docetaxel", "state": "RUN", "ml_h": 250},
    "nurse": NAME,
}
"""JSON of a source's own, as the map of `tests.connectors.facts.sources` reads it."""

HISTORY: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "history",
    "entry": [
        {
            "request": {"method": "DELETE", "url": "Observation/obs-1/_history/3"},
            "response": {"etag": 'W/"3"', "lastModified": "2026-03-02T12:00:00Z"},
        },
        {"resource": observation(meta={"versionId": "2", "lastUpdated": "2026-03-02T11:00:00.000+00:00"},
                                 device={"reference": "DeviceMetric/m"}, specimen={"reference": "Specimen/s"})},
        {"resource": {"resourceType": "DiagnosticReport", "id": "r", "status": "final",
                      "subject": {"reference": "Patient/4711"}, "effectiveDateTime": "2026-03-02T08:30:00+01:00",
                      "result": [{"reference": "#c"}], "contained": [observation(5.0, id="c")]}},
        {"search": {"mode": "include"}, "resource": {"resourceType": "Patient", "id": "4711", "active": True}},
        {"search": {"mode": "include"}, "resource": {"resourceType": "DeviceMetric", "id": "m",
                                                     "source": {"reference": "Device/d"}}},
        {"search": {"mode": "include"}, "resource": {"resourceType": "Device", "id": "d",
                                                     "identifier": [{"system": "urn:eui", "value": "00122"}]}},
        {"search": {"mode": "include"}, "resource": {"resourceType": "Specimen", "id": "s", "type": {"text": "Blood"},
                                                     "collection": {"collectedDateTime": "2026-03-02T07:00:00Z"}}},
    ],
}  # fmt: skip
"""A history of a server, with what its versions refer to."""

SOUND: dict[str, tuple[bytes, ...]] = {
    "hl7": (laboratory(), MONITOR, pump(), report(), alarm(), order()),
    "fhir": (
        raw(observation()),
        raw(cuff()),
        raw(given()),
        raw(request()),
        raw(bundle(observation(), cuff(), given(), request())),
        raw(HISTORY),
    ),
    "openmhealth": (raw(point()), raw(point("systolic_blood_pressure", 120, "mmHg"))),
    "dosetwin": (raw(OWN_PULSE), raw(OWN_RESULT)),
    "fields": (raw(MAPPED), raw({"results": MAPPED["results"] * 2})),
}
"""Messages of each protocol that say something."""
