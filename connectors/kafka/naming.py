"""Whether a record is about a patient, or mentions one: by its key, by what it says, and by the bytes it carries."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, Literal

from connectors.privacy.cipher import NotOpened
from connectors.privacy.letters import opened_original
from connectors.privacy.patient_keys import KeyDestroyed, PatientKeys


class Naming:
    """How records are told apart that have to do with one patient; ``keys`` open the bytes in dead letters.

    A record is *about* the patient when its key is the pseudonym, when it says so in ``patient_id``, or when it names
    the pseudonym anywhere and is no event of another patient: bytes that nobody can read, a dead letter and the bytes
    in it. An event of another patient, or of none, that names the pseudonym only *mentions* it.

    >>> Naming("P-1").of(b"P-1", b"anything"), Naming("P-1").of(b"P-10", b'{"patient_id": "P-10"}')
    ('about', '')
    """

    def __init__(self, patient_id: str, keys: PatientKeys | None = None) -> None:
        self.patient_id = patient_id
        self._keys = keys
        self._key = patient_id.encode()
        # Letters of a longer pseudonym beside it make it another one.
        self._word = re.compile(rb"(?<![A-Za-z0-9._-])" + re.escape(self._key) + rb"(?![A-Za-z0-9_-]|\.[A-Za-z0-9])")

    def names(self, text: bytes) -> bool:
        """Whether the pseudonym stands in these bytes."""
        return self._word.search(text) is not None

    def of(self, key: bytes | None, value: bytes | None) -> Literal["about", "mentions", ""]:
        """What a record has to do with the patient.

        Raises:
            KeysUnusable: a dead letter's bytes are encrypted, and cannot be looked at.
        """
        if key == self._key:
            return "about"
        value = value or b""
        event = _object(value) if self._key in value or b"\\u" in value or b"original_base64" in value else None
        if event is None:
            return "about" if self.names(value) else ""
        if event.get("patient_id") == self.patient_id:
            return "about"
        if event.get("kind") == "rejected":
            told = json.dumps({**event, "original_base64": ""}, ensure_ascii=False).encode()
            return "about" if self.names(told) or self.of(None, self._original(event)) else ""
        if not self.names(json.dumps(event, ensure_ascii=False).encode()):
            return ""
        return "mentions" if event.get("kind") else "about"

    def _original(self, letter: dict[str, Any]) -> bytes:
        original = str(letter.get("original_base64") or "")
        try:
            if letter.get("original_encrypted") is True:
                return opened_original(original, letter.get("patient_id"), self._keys)
            return base64.b64decode(original, validate=True)
        except (binascii.Error, NotOpened, KeyDestroyed):  # nobody can read it
            return b""


def _object(value: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None
