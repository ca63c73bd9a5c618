"""A message says what a twin believes, and nothing of what was given or measured; one that cannot be used is named."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tests.twin.learning.known import OMEGA, message
from tests.twin.toys import LEVELS
from twin import PatientTwin
from twin.events import DoseGiven, LabResult, Quantity
from twin.learning.message import BadMessage, Message, NoMessage, arrays_of, message_of, packed, unpacked
from twin.modelfile.reader import parse_model

TOY = parse_model(LEVELS, "toy.toml")
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def said() -> Message:
    return message("P1", np.array([0.1, -0.1]), np.array([0.02, 0.1]), 50, (np.zeros(2), OMEGA), 3)


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


def test_a_file_gives_back_what_was_said_and_equal_messages_are_equal_bytes() -> None:
    raw = packed(said())
    assert raw == packed(said())
    again = unpacked(raw)
    assert np.array_equal(again.eta, said().eta.astype(np.float32))
    assert again.log_weight == pytest.approx(said().log_weight, abs=1e-6)
    assert (again.patient_id, again.covariates) == ("P1", said().covariates)
    assert packed(again) == packed(unpacked(packed(again)))


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


def broken(**changes: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **{**arrays_of(said()), **{f"message_{name}": value for name, value in changes.items()}})
    return file.getvalue()


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"nothing", "not a message of a twin"),
        (broken(format=np.array(9)), "format: is 9, not 1"),
        (broken(eta=np.zeros((50, 3))), r"eta: has the shape \(50, 3\), not numbers of \(50, 2\)"),
        (broken(eta=np.full((50, 2), np.nan)), "eta: holds what is no number"),
        (broken(omega=-OMEGA), "omega: is no covariance"),
        (broken(widening=np.array([-1.0, 0.0])), "widening: -1 is below 0"),
        (broken(said=np.array(["P1"])), "said: must be patient, model, hash and structure"),
    ],
)
def test_what_is_no_message_is_named(raw: bytes, named: str) -> None:
    with pytest.raises(BadMessage, match=named):
        unpacked(raw)


def test_arrays_without_a_message_hold_none() -> None:
    file = io.BytesIO()
    np.savez(file, eta=np.zeros(3))
    with pytest.raises(BadMessage, match="holds no message of a twin"):
        unpacked(file.getvalue())
