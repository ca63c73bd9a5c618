"""A message says what a twin believes, and nothing of what was given or measured; one that cannot be used is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tests.twin.toys import LEVELS
from twin import PatientTwin
from twin.events import DoseGiven, LabResult, Quantity
from twin.learning.messages.message import NoMessage, arrays_of, message_of
from twin.modelfile.reader import parse_model

TOY = parse_model(LEVELS, "toy.toml")
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def twin() -> PatientTwin:
    found = PatientTwin("P1", TOY, particles=100)
    common: dict[str, Any] = {"patient_id": "P1", "source": "ward"}
    dose = Quantity(value=100.0, unit="mg")
    found.observe(
        [
            DoseGiven(event_id="d", time=BEGIN, drug="toxin", route="iv", amount=dose, **common),
            LabResult(
                event_id="l",
                time=BEGIN + timedelta(hours=4),
                analyte="toxin_plasma",
                value=Quantity(value=1.2345678, unit="mg/L"),
                **common,
            ),
        ]
    )
    return found


def test_a_twin_says_its_particles_and_neither_doses_nor_dates_nor_values() -> None:
    believed = twin().initial_effects()
    found = message_of("P1", TOY, believed)
    assert believed is not None
    assert np.array_equal(found.eta, twin().belief.eta)
    assert found.observations == 1
    assert found.log_evidence == twin().belief.log_evidence
    numbers = np.concatenate([np.ravel(a) for a in arrays_of(found).values() if a.dtype.kind == "f"])
    for hidden in (100.0, 1.2345678, 4.0, BEGIN.timestamp(), BEGIN.timestamp() * 1000):
        assert not np.isclose(numbers, hidden, rtol=1e-9).any()


def test_before_anything_was_measured_there_is_no_message() -> None:
    with pytest.raises(NoMessage, match="patient P2: no value was measured yet"):
        message_of("P2", TOY, PatientTwin("P2", TOY, particles=100).initial_effects())
