"""Twins with a dose to come, made once for the tests of this room: a target and kinetics that are linear, or counts."""

from __future__ import annotations

import functools
from typing import Any

from tests.twin.bedside import PATIENT, clock, dose, plan
from twin import PatientTwin, load_model
from twin.events import InputEvent


@functools.cache
def infused(particles: int = 300) -> PatientTwin:
    """On fluorouracil, half an infusion in, with the next cycle planned."""
    twin = PatientTwin(PATIENT, load_model("fluorouracil_yamada2025"), particles)
    order: dict[str, Any] = {"drug": "fluorouracil"}
    given = dose(0.0, 4320.0, 46.0, **order)
    twin.observe([plan(-1.0, (0.0, 4320.0, 46.0), (336.0, 4320.0, 46.0), **order), given, clock(20.0)])
    return twin


@functools.cache
def counted(particles: int = 200) -> PatientTwin:
    """On docetaxel, an hour after the first cycle, with the next one planned."""
    twin = PatientTwin(PATIENT, load_model("docetaxel_ozawa2007"), particles)
    events: list[InputEvent] = [
        plan(-1.0, (0.0, 96.0, 1.0), (504.0, 96.0, 1.0), drug="docetaxel"),
        dose(0.0, 96.0, 1.0, drug="docetaxel"),
        clock(2.0),
    ]
    twin.observe(events)
    return twin


@functools.cache
def stiff(patient_id: str, amount: float, particles: int = 1000) -> PatientTwin:
    """On docetaxel, with a growth factor whose future is solved in long steps, two hours after a dose (mg)."""
    twin = PatientTwin(patient_id, load_model("docetaxel_gcsf_suite"), particles)
    order: dict[str, Any] = {"drug": "docetaxel", "patient_id": patient_id}
    given = dose(0.0, amount, 1.0, **order)
    twin.observe([plan(-1.0, (0.0, amount, 1.0), (504.0, amount, 1.0), **order), given])
    twin.observe([clock(2.0, patient_id=patient_id)])
    return twin
