"""State rows under their patients' keys: the same bytes again, heads in clear, nothing of the patient to be seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.privacy.master_key import KeysUnusable
from connectors.privacy.patient_keys import KeyDestroyed, PatientKeys, create_store
from streams.worker.rows.encrypted_row import encrypted_row, opened_row
from streams.worker.rows.state_row import (
    Held,
    StateRow,
    UnreadableRow,
    calls_for_attention,
    decode_row,
    encode_row,
    lost_row,
    of_term,
    sealed_row,
    term_of,
)

ROW = StateRow("A", "model", "hash", (("t", 0, 7),), 5, b"facts of a patient", (), (), False)


@pytest.fixture
def keys(tmp_path: Path) -> PatientKeys:
    create_store(tmp_path / "keys", b"m" * 32)
    return PatientKeys(tmp_path / "keys", b"m" * 32)


def test_a_row_is_hidden_and_opens_to_what_it_was_under_any_term(keys: PatientKeys) -> None:
    hidden = encrypted_row(encode_row(ROW), "A", keys)
    assert hidden == encrypted_row(encode_row(ROW), "A", keys)
    assert b"facts" not in hidden
    written = of_term(hidden, 12)
    assert (term_of(written), term_of(opened_row(written, "A", keys))) == (12, 12)
    assert decode_row(opened_row(written, "A", keys)) == ROW
    with pytest.raises(UnreadableRow, match="is encrypted, and was not opened by its patient's key"):
        decode_row(written)


def test_what_a_row_holds_back_is_hidden_with_it(keys: PatientKeys) -> None:
    held = Held("clinical.labs", 0, 7, 5, b"an event that waits")
    hidden = encrypted_row(encode_row(StateRow("A", "model", "hash", (), 5, b"", (held,), (), False)), "A", keys)
    assert b"waits" not in hidden
    assert b"clinical.labs" not in hidden
    assert decode_row(opened_row(hidden, "A", keys)).held == (held,)


def test_a_head_says_as_before_whether_somebody_is_to_look(keys: PatientKeys) -> None:
    waits = StateRow("A", "model", "hash", (), 5, b"", (), (b"alert",), False)
    for row, looks in ((encode_row(ROW), False), (encode_row(waits), True), (sealed_row("A", "r", "d", ROW), True)):
        assert calls_for_attention(row) is calls_for_attention(encrypted_row(row, "A", keys)) is looks


def test_a_row_in_clear_is_read_beside_encrypted_ones_and_without_keys(keys: PatientKeys) -> None:
    for row in (encode_row(ROW), lost_row(b"A", deleted=True), b"", b"no row"):
        assert opened_row(row, "A", keys) == opened_row(row, "A", None) == row
    assert encrypted_row(encode_row(ROW), "A", None) == encode_row(ROW)


def test_an_encrypted_row_without_a_store_of_keys_says_where_to_name_it(keys: PatientKeys) -> None:
    with pytest.raises(KeysUnusable, match="no store of keys is set: name it in DOSETWIN_KEYS_STORE"):
        opened_row(encrypted_row(encode_row(ROW), "A", keys), "A", None)


def test_a_row_of_another_patient_or_with_other_flags_does_not_open(keys: PatientKeys) -> None:
    hidden = encrypted_row(encode_row(ROW), "A", keys)
    keys.cipher_for("B")
    sealed = encrypted_row(sealed_row("A", "r", "d", ROW), "A", keys)
    moved = of_term(hidden[:4] + sealed[4:5] + hidden[5:], 0)
    for raw, patient in ((hidden, "B"), (moved, "A")):
        with pytest.raises(UnreadableRow, match="state row does not open"):
            opened_row(raw, patient, keys)


def test_with_the_key_gone_a_row_is_neither_read_nor_written(keys: PatientKeys) -> None:
    hidden = encrypted_row(encode_row(ROW), "A", keys)
    keys.destroy("A")
    with pytest.raises(KeyDestroyed):
        opened_row(hidden, "A", keys)
    with pytest.raises(KeyDestroyed):
        encrypted_row(encode_row(ROW), "A", keys)
