"""A message as bytes gives back what was said, and bytes that are none are named."""

from __future__ import annotations

import base64
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectors.kafka.records import decode_record
from connectors.kafka.topics import POSTERIORS
from connectors.posteriors import opened, packed, sealed, unpacked
from connectors.privacy.patient_keys import KeyDestroyed, PatientKeys, create_store
from tests.twin.learning.known import OMEGA, message
from twin.events import Posterior, encode
from twin.events.outputs.posterior import MOST_SEALED
from twin.learning.messages.message import BadMessage, Message, arrays_of


def said() -> Message:
    return message("P1", np.array([0.1, -0.1]), np.array([0.02, 0.1]), 50, (np.zeros(2), OMEGA), 3)


def test_a_file_gives_back_what_was_said_and_equal_messages_are_equal_bytes() -> None:
    raw = packed(said())
    assert raw == packed(said())
    again = unpacked(raw)
    assert np.array_equal(again.eta, said().eta.astype(np.float32))
    assert again.log_weight == pytest.approx(said().log_weight, abs=1e-6)
    assert (again.patient_id, again.covariates) == ("P1", said().covariates)
    assert packed(again) == packed(unpacked(packed(again)))


def broken(**changes: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **{**arrays_of(said()), **{f"message_{name}": value for name, value in changes.items()}})
    return file.getvalue()


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"nothing", "is no message of a twin, or a damaged one"),
        (broken(format=np.array(9)), "format: is 9, not 3"),
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


# --- under the patient's key -----------------------------------------------------------------------------------------

TIME = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def keys(tmp_path: Path) -> PatientKeys:
    create_store(tmp_path / "keys", bytes(32))
    return PatientKeys(tmp_path / "keys", bytes(32))


def test_a_message_travels_under_the_patients_key_and_is_gone_with_it(keys: PatientKeys) -> None:
    event = sealed(said(), TIME, keys)
    assert event == sealed(said(), TIME, keys), "said twice it is the same"
    again = decode_record(POSTERIORS, encode(event))
    assert isinstance(again, Posterior)
    assert packed(opened(again, keys)) == packed(said())
    assert base64.b64encode(packed(said()))[:40].decode() not in event.sealed_base64
    keys.destroy("P1")
    with pytest.raises(KeyDestroyed):
        opened(event, keys)


def test_a_message_of_another_patient_or_altered_does_not_open(keys: PatientKeys) -> None:
    event = sealed(said(), TIME, keys)
    keys.cipher_for("P2")
    with pytest.raises(BadMessage, match="patient P2: the message does not open"):
        opened(event.model_copy(update={"patient_id": "P2"}), keys)
    with pytest.raises(BadMessage, match="patient P1: the message does not open"):
        opened(event.model_copy(update={"sealed_base64": "AAAA" + event.sealed_base64[4:]}), keys)


def test_of_more_particles_than_a_record_holds_as_many_are_sent_as_fit(keys: PatientKeys) -> None:
    many = message("P1", np.array([0.1, -0.1]), np.array([0.02, 0.1]), 250_000, (np.zeros(2), OMEGA), 1)
    event = sealed(many, TIME, keys)
    assert event == sealed(many, TIME, keys)
    assert len(event.sealed_base64) <= MOST_SEALED
    again = opened(event, keys)
    assert 100_000 < len(again.eta) == event.particles < 250_000
    mean, spread = (np.exp(one.log_weight) @ one.eta for one in (many, again))
    assert mean == pytest.approx(spread, abs=0.002)
