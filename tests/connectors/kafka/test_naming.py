"""A record is told apart by its key, by its event, and by the bytes that it carries along."""

from __future__ import annotations

import base64
import json

import pytest

from connectors.kafka.naming import Naming
from tests import factories as make
from twin.events import encode

P1 = Naming("P-1")
LETTER = {"kind": "rejected", "reason": "bad", "detail": "no event", "topic": "t"}


def letter(**more: object) -> bytes:
    return json.dumps(LETTER | more).encode()


@pytest.mark.parametrize(
    ("key", "value", "has"),
    [
        (b"P-1", None, "about"),
        (b"P-1", b"no event", "about"),
        (b"P-10", encode(make.estimate("P-10", make.at(1))), ""),
        (b"P-2", encode(make.estimate("P-1", make.at(1))), "about"),
        (None, b'not { readable but "P-1"', "about"),
        (None, b"not readable, of P-1.5, P-10 or XP-1", ""),
        (None, b'{"patient_id": "\\u0050-1"}', "about"),
        (b"P-2", b'{"kind": "alert", "patient_id": "P-2", "text": "as P-1."}', "mentions"),
        (None, letter(patient_id="P-1"), "about"),
        (None, letter(detail="key b'P-2' for field 'patient_id' 'P-1'"), "about"),
        (None, letter(original_base64=base64.b64encode(b'{"patient_id":"P-1"').decode()), "about"),
        (None, letter(original_base64=base64.b64encode(b'{"patient_id":"P-2"').decode()), ""),
        (None, letter(original_base64="no base64"), ""),
    ],
)
def test_what_a_record_has_to_do_with_a_patient(key: bytes | None, value: bytes | None, has: str) -> None:
    assert P1.of(key, value) == has
