"""State rows under their patients' keys: the head in clear, so that it says as before what is needed of many rows.

An encrypted row has the head of any (`streams.worker.rows.state_row`) with a flag more, and in place of the body what
the patient's cipher makes of it; the flags are part of what is authenticated, the term is not, as whoever holds the
partition writes it anew. A row that names no fact (that a patient was erased, or lost its row) is written in clear, and
so is one where no store of keys is set; both are read wherever they stand.
"""

from __future__ import annotations

from connectors.privacy.cipher import NotOpened
from connectors.privacy.master_key import KeysUnusable
from connectors.privacy.patient_keys import PatientKeys
from streams.worker.rows.state_row import UnreadableRow, body_of, flags_of, is_encrypted, with_body


def encrypted_row(raw: bytes, patient: str, keys: PatientKeys | None) -> bytes:
    """A row under its patient's key; as it is where there are no keys. Equal rows give equal bytes.

    Raises:
        KeyDestroyed: the patient was erased.
        KeysUnusable: the store of keys cannot be used.
    """
    if keys is None:
        return raw
    hidden = keys.cipher_for(patient).encrypted(_purpose(raw, patient), body_of(raw))
    return with_body(raw, hidden, encrypted=True)


def opened_row(raw: bytes, patient: str, keys: PatientKeys | None) -> bytes:
    """Inverse of `encrypted_row`; a row in clear stays as it is, and so does what has no sound head.

    Raises:
        UnreadableRow: the patient's key does not open it.
        KeyDestroyed: the patient was erased.
        KeysUnusable: it needs a key, and the store has none or cannot be used.
    """
    if not is_encrypted(raw):
        return raw
    if keys is None:
        raise KeysUnusable(
            "state rows are encrypted, and no store of keys is set: name it in DOSETWIN_KEYS_STORE, and its master key "
            "in DOSETWIN_KEYS_MASTER_FILE"
        )
    try:
        return with_body(raw, keys.cipher(patient).opened(_purpose(raw, patient), body_of(raw)), encrypted=False)
    except NotOpened as error:
        raise UnreadableRow(f"state row does not open: {error}") from None


def _purpose(raw: bytes, patient: str) -> bytes:
    return b"row %d " % flags_of(raw) + patient.encode()
