"""The simulated ward as a feed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from connectors.feeds.analytes import drug_of
from connectors.feeds.stream import Measured, Progress, Said, Spoken, Stream

if TYPE_CHECKING:
    from connectors.feeds.ward.ward import SimulatedWard

_HTTP = "http://127.0.0.1:8502"
LISTENERS = {"hl7": "127.0.0.1:2575", "http": _HTTP, "fhir": _HTTP, "mqtt": "127.0.0.1:1883"}
"""Where each protocol's listener is unless told otherwise."""

SPEED = 600.0
"""Simulated seconds per second of a ward on the topics unless told otherwise: a day in under three minutes."""


def open_feed(
    *,
    patients: Annotated[int, "how many patients"] = 12,
    days: Annotated[float, "how long each stays"] = 21.0,
    seed: Annotated[int, "the same seed and start give the same ward"] = 1,
    start: Annotated[str | None, "first admission, as 2026-01-31T00:00Z; by default so that it ends by today"] = None,
    model: Annotated[list[str] | None, "id or path of a model; repeatable, patients are of each in turn"] = None,
    vitals_every: Annotated[float, "seconds between samples of the wearable"] = 60.0,
    pump_every: Annotated[float, "seconds between samples of a pump"] = 120.0,
    truth: Annotated[Path | None, "write who the patients really are to this NDJSON file"] = None,
    speak: Annotated[str | None, "say it in hl7, http, fhir or mqtt, and not as our own JSON"] = None,
    to: Annotated[str | None, "who hears it: host:port of hl7 and a broker, a URL of the others"] = None,
    files: Annotated[Path | None, "folder for the profile, patients and tokens that it needs"] = None,
) -> Stream:
    """Every event of a ward in the order of arrival, faults included.

    Raises:
        ValueError: a setting that cannot be used, or no such model.
    """
    from connectors.feeds.ward.ward import WARD_MODELS, SimulatedWard, default_start, expected_events, named_models

    ward = SimulatedWard(
        named_models(model or WARD_MODELS),
        patients,
        default_start(datetime.now(UTC), days) if start is None else _moment(start),
        seed,
        days,
        vitals_every=vitals_every,
        pump_every=pump_every,
    )
    spoken = _spoken(ward, speak, to, files) if speak or to or files else None
    return Stream(_said(ward, truth), expected_events(ward), SPEED, spoken)


def _spoken(ward: SimulatedWard, protocol: str | None, to: str | None, folder: Path | None) -> Spoken:
    """How the ward's events are said.

    Raises:
        ValueError: no such protocol, or ``to`` without one.
    """
    from connectors.feeds.ward.bedside import SOURCES

    if protocol not in LISTENERS:
        raise ValueError(f"--speak {protocol}: use one of {', '.join(LISTENERS)}")
    kinds = {Measured("covariate", spec.name, spec.unit) for model in ward.models for spec in model.reported}
    for model in ward.models:
        for output in model.outputs:
            kind: Literal["lab_result", "drug_level"] = "lab_result" if drug_of(output, model) is None else "drug_level"
            kinds.add(Measured(kind, output.name, output.unit))
    return Spoken(
        protocol,
        to or LISTENERS[protocol],
        folder or Path(f"ward-{protocol}"),
        tuple(patient.id for patient in ward.patients),
        SOURCES,
        tuple(sorted({drug for model in ward.models for drug in model.drugs})),
        tuple(sorted(kinds)),
    )


def _said(ward: SimulatedWard, truth: Path | None) -> Iterator[Said]:
    if truth is not None:
        yield from _write_truth(ward, truth)
    yield from ward.arrivals()


def _write_truth(ward: SimulatedWard, path: Path) -> Iterator[Progress]:
    """All at once or not at all: a half-written truth would be scored against."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8") as file:
        for number, line in enumerate(ward.truth_lines(), start=1):
            file.write(line)
            yield Progress("truth", number, ward.size, "patients")
    unfinished.replace(path)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--start {text!r} is not a time; write it as 2026-01-31T00:00Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
