"""Dead letters whose original bytes their patient's key hides, and those bytes again.

What cannot be used may be anything, a name among it. So the bytes that a letter carries are encrypted with the key of
the patient it is about; with a key of nobody's, which is never destroyed, where nobody can say whom. Reason, place and
what is to be mended stay in clear.
"""

from __future__ import annotations

import base64
import binascii

from connectors.privacy.cipher import Cipher, NotOpened
from connectors.privacy.master_key import KeysUnusable
from connectors.privacy.patient_keys import KeyDestroyed, KeyMissing, PatientKeys
from twin.events import Rejected

NOBODY = "#nobody"
"""Whose key it is where a letter is about nobody that is known; no patient id begins so."""

NO_KEYS = "bytes of dead letters are encrypted: name the store of keys in DOSETWIN_KEYS_STORE, with its master key"


def hidden_letter(letter: Rejected, keys: PatientKeys | None) -> Rejected:
    """The letter as it is stored; as it is without keys, and without bytes where its patient was erased.

    Raises:
        KeysUnusable: the store cannot be used.
    """
    if keys is None or letter.original_base64 is None or letter.original_encrypted:
        return letter
    try:
        cipher = keys.cipher_for(letter.patient_id or NOBODY)
    except KeyDestroyed:
        return letter.model_copy(update={"original_base64": None})
    hidden = cipher.encrypted(_purpose(letter.patient_id), base64.b64decode(letter.original_base64))
    return letter.model_copy(update={"original_base64": base64.b64encode(hidden).decode(), "original_encrypted": True})


def opened_letter(letter: Rejected, keys: PatientKeys | None) -> Rejected:
    """The letter as it was; as it is stored where no key opens it.

    Raises:
        KeysUnusable: the store cannot be used.
    """
    if not letter.original_encrypted or keys is None or letter.original_base64 is None:
        return letter
    try:
        original = opened_original(letter.original_base64, letter.patient_id, keys)
    except (NotOpened, KeyDestroyed, KeyMissing):
        return letter
    plain = {"original_base64": base64.b64encode(original).decode(), "original_encrypted": False}
    return letter.model_copy(update=plain)


def opened_original(hidden_base64: str, patient: str | None, keys: PatientKeys | None) -> bytes:
    """The original bytes of a letter that is about ``patient``.

    Raises:
        NotOpened: they are no such bytes.
        KeyDestroyed: the patient was erased.
        KeysUnusable: there is no store, or not this key in it.
    """
    if keys is None:
        raise KeysUnusable(NO_KEYS)
    try:
        hidden = base64.b64decode(hidden_base64, validate=True)
    except binascii.Error:
        raise NotOpened("it is no base64") from None
    cipher: Cipher = keys.cipher(patient or NOBODY)
    return cipher.opened(_purpose(patient), hidden)


def _purpose(patient: str | None) -> bytes:
    return b"letter " + (patient or NOBODY).encode()
