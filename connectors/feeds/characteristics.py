"""Which of a model's covariates a record never says, so that they stand at the model's reference."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from twin.events import Covariate, InputEvent, LabResult
from twin.model.spec import Model

LISTED = 8
"""Patients that a note names."""


def said_by(events: Iterable[InputEvent]) -> frozenset[str]:
    """Names of what events may say of a patient's characteristics."""
    return frozenset(
        event.name if isinstance(event, Covariate) else event.analyte
        for event in events
        if isinstance(event, Covariate | LabResult) and event.status != "retracted"
    )


def at_reference(model: Model, said: Collection[str]) -> tuple[str, ...]:
    """Covariates that stand at their reference in a patient of whom these names are ``said``, in model order."""
    return tuple(covariate.name for covariate in model.reported if covariate.name not in said)


def reference_note(model: Model, said: Mapping[str, Collection[str]]) -> str | None:
    """For how many patients, and which, each covariate that was never ``said`` of them stands at its reference."""
    never = {patient: at_reference(model, names) for patient, names in said.items()}
    parts = []
    for covariate in model.reported:
        whose = [patient for patient, names in never.items() if covariate.name in names]
        if whose:
            which = f" ({_listed(whose)})" if len(whose) < len(said) else ""
            unit = "" if covariate.unit == "1" else f" {covariate.unit}"
            count = f"{len(whose)} of {len(said)} patients"
            parts.append(f"{covariate.name}, {covariate.reference:g}{unit}, in {count}{which}")
    stand = f"covariates of {model.id} that no record says stand at their reference"
    return f"{stand}: {'; '.join(parts)}" if parts else None


def _listed(patients: list[str]) -> str:
    more = f" and {len(patients) - LISTED} more" if len(patients) > LISTED else ""
    return ", ".join(patients[:LISTED]) + more
