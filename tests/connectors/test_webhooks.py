"""Standard Webhooks: what is signed, what the public library makes of it, and what is not proven."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from connectors.webhooks import ID, SIGNATURE, TIMESTAMP, Claim, NotSigned, SecretsError, keys_of, new_secret, signed

SECRET, OTHER = "whsec_" + "QUJD" * 8, "whsec_" + "REVG" * 8
NOW = 1_772_442_000
BODY = b'{"kind": "lab_result"}'


def proven(headers: dict[str, str], secrets: str = SECRET, body: bytes = BODY, now: float = NOW) -> bool:
    return Claim.of(headers, now).proven(keys_of(secrets), body)


def test_what_we_sign_the_public_library_verifies_and_the_other_way_round() -> None:
    now = int(time.time())
    Webhook(SECRET).verify(BODY, signed(keys_of(f"{OTHER} {SECRET}"), "m-1", now, BODY))
    theirs = Webhook(SECRET).sign("m-1", datetime.fromtimestamp(now, UTC), BODY.decode())
    assert proven({ID: "m-1", TIMESTAMP: str(now), SIGNATURE: theirs}, now=now)


@given(st.binary(max_size=40), st.text("abc_-", min_size=1, max_size=10), st.binary(min_size=1, max_size=3))
def test_bytes_of_any_kind_are_proven_and_no_others(body: bytes, message_id: str, more: bytes) -> None:
    headers = signed(keys_of(SECRET), message_id, NOW, body)
    assert proven(headers, body=body)
    assert not proven(headers, body=body + more)
    assert not proven(headers | {ID: message_id + "x"}, body=body)
    assert not proven(headers | {TIMESTAMP: str(NOW + 1)}, body=body)
    assert not proven(headers, OTHER, body)


def test_while_a_secret_is_changed_both_hold_good() -> None:
    both = f"{OTHER} {SECRET}"
    assert proven(signed(keys_of(SECRET), "m", NOW, BODY), both)
    assert proven(signed(keys_of(OTHER), "m", NOW, BODY), both)
    assert proven(signed(keys_of(both), "m", NOW, BODY), SECRET)
    assert not proven(signed(keys_of(OTHER), "m", NOW, BODY), SECRET)


def test_a_signature_of_another_version_or_none_at_all_proves_nothing() -> None:
    headers = signed(keys_of(SECRET), "m", NOW, BODY)
    right = headers[SIGNATURE]
    for wrong in ("v1a," + right[3:], right[3:], "v1,", "v1,?", "v1,é", right.lower()):
        assert not proven(headers | {SIGNATURE: wrong}), wrong
    assert proven(headers | {SIGNATURE: f"v1a,zz {right} v2,yy"})


@pytest.mark.parametrize("seconds", [-301, 301, 86_400])
def test_what_is_old_or_of_a_wrong_clock_is_not_looked_at(seconds: int) -> None:
    headers = signed(keys_of(SECRET), "m", NOW, BODY)
    assert proven(headers, now=NOW + 300)
    with pytest.raises(NotSigned, match="set the sender's clock"):
        Claim.of(headers, NOW + seconds)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({ID: ""}, "header webhook-id is missing"),
        ({SIGNATURE: "", TIMESTAMP: ""}, "header webhook-timestamp, webhook-signature is missing"),
        ({TIMESTAMP: f"{NOW}.5"}, "whole seconds"),
        ({TIMESTAMP: "nan"}, "whole seconds"),
        ({TIMESTAMP: "٣"}, "whole seconds"),
        ({TIMESTAMP: "9" * 5000}, "whole seconds"),
    ],
)
def test_headers_that_claim_nothing_are_named(changed: dict[str, str], says: str) -> None:
    with pytest.raises(NotSigned, match=says):
        Claim.of(signed(keys_of(SECRET), "m", NOW, BODY) | changed, NOW)


@pytest.mark.parametrize("said", ["", "  ", "whsec_", "whsec_AAAA", "QUJD" * 8, "whsec_%%%%", f"{SECRET} nonsense"])
def test_what_is_no_secret_is_refused_and_never_repeated(said: str) -> None:
    with pytest.raises(SecretsError, match="whsec_") as caught:
        keys_of(said)
    assert "nonsense" not in str(caught.value)


def test_a_new_secret_is_one_and_never_the_same() -> None:
    assert len(keys_of(f"{new_secret()} {new_secret()}")[0]) == 32
    assert new_secret() != new_secret()
