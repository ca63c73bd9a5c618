"""A message as bytes gives back what was said, and bytes that are none are named."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from connectors.posteriors import packed, unpacked
from tests.twin.learning.known import OMEGA, message
from twin.learning.message import BadMessage, Message, arrays_of


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
