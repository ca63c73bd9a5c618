"""Dead letters' original bytes: hidden by the key of whom they are about, and read again until it is gone."""

from __future__ import annotations

import base64

import pytest

from connectors.kafka.naming import Naming
from connectors.kafka.records import letter_about
from connectors.privacy.cipher import NotOpened
from connectors.privacy.letters import hidden_letter, opened_letter, opened_original
from connectors.privacy.master_key import KeysUnusable
from connectors.privacy.patient_keys import PatientKeys
from twin.events import Rejected, encode


def letter(patient: str | None = "P-1", raw: bytes = b'{"name": "Hans Mueller"}') -> Rejected:
    return letter_about("unknown_unit", "write 'mL/h'", ("iomt.pump", 0, 7), raw, patient)


@pytest.mark.parametrize("patient", ["P-1", None])
def test_a_letter_is_hidden_the_same_each_time_and_opens_to_what_it_was(patient: str | None, keys: PatientKeys) -> None:
    hidden = hidden_letter(letter(patient), keys)
    assert hidden == hidden_letter(letter(patient), keys) == hidden_letter(hidden, keys)
    assert b"Hans" not in base64.b64decode(hidden.original_base64 or "")
    assert (hidden.reason, hidden.detail, hidden.offset) == ("unknown_unit", "write 'mL/h'", 7)
    assert opened_letter(hidden, keys) == letter(patient)


def test_without_keys_or_bytes_a_letter_stays_as_it_is(keys: PatientKeys) -> None:
    bare = letter().model_copy(update={"original_base64": None})
    assert hidden_letter(letter(), None) == letter()
    assert (hidden_letter(bare, keys), opened_letter(bare, keys), opened_letter(letter(), keys)) == (
        bare,
        bare,
        letter(),
    )


def test_what_no_key_opens_stays_hidden(keys: PatientKeys) -> None:
    hidden = hidden_letter(letter(), keys)
    others = hidden.model_copy(update={"patient_id": "P-2"})
    keys.cipher_for("P-2")
    broken = hidden.model_copy(update={"original_base64": "!"})
    assert (opened_letter(hidden, None), opened_letter(others, keys), opened_letter(broken, keys)) == (
        hidden,
        others,
        broken,
    )
    with pytest.raises(NotOpened, match="no base64"):
        opened_original("!", "P-1", keys)
    with pytest.raises(KeysUnusable, match="name the store of keys in DOSETWIN_KEYS_STORE"):
        opened_original(hidden.original_base64 or "", "P-1", None)


def test_with_the_key_gone_no_letter_opens_and_none_carries_bytes(keys: PatientKeys) -> None:
    hidden = hidden_letter(letter(), keys)
    keys.destroy("P-1")
    assert opened_letter(hidden, keys) == hidden
    assert hidden_letter(letter(), keys).original_base64 is None


def test_a_patient_is_found_in_hidden_bytes_too_or_it_is_said_that_nobody_can_look(keys: PatientKeys) -> None:
    others = encode(hidden_letter(letter("P-2", b'{"patient_id": "P-1"}'), keys))
    nobodys = encode(hidden_letter(letter(None, b'no event, but of "P-1"'), keys))
    for raw in (others, nobodys):
        assert Naming("P-1", keys).of(None, raw) == "about"
        assert Naming("P-3", keys).of(None, raw) == ""
        with pytest.raises(KeysUnusable):
            Naming("P-1").of(None, raw)
    keys.destroy("P-2")
    assert Naming("P-1", keys).of(None, others) == "", "nobody reads it any more"
