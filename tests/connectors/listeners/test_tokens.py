"""Tokens: who may send what, and how much."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from connectors.listeners.tokens import Bucket, Grants, TokensError, read_grants
from connectors.webhooks import Claim, keys_of, signed
from twin.events import LabResult

DIGEST = hashlib.sha256(b"secret").hexdigest()
SECRET = "whsec_" + "QUJD" * 8


def grants(tmp_path: Path, text: str) -> Grants:
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    return read_grants(path, lambda: 0.0, {"DOSETWIN_WEBHOOK_A": SECRET})


def test_a_token_is_known_by_its_digest_alone(tmp_path: Path) -> None:
    known = grants(tmp_path, f'[[token]]\nsource = "script"\nsha256 = "{DIGEST}"\n')
    found = known.of("Bearer secret")
    assert found is not None
    assert found.source == "script"
    assert [known.of(text) for text in ("Bearer other", "Basic secret", "secret", "", f"Bearer {DIGEST}")] == [None] * 5


def test_who_signs_is_known_by_the_secret_in_the_environment_which_is_never_shown(tmp_path: Path) -> None:
    known = grants(tmp_path, '[[webhook]]\nsource = "hooks"\nsecrets = "DOSETWIN_WEBHOOK_A"\nkinds = ["covariate"]\n')
    (key,) = keys_of(SECRET)
    claim = Claim.of(signed([key], "m", 1000, b"{}"), 1000.0)
    found = known.of_signed(claim, b"{}")
    assert found is not None
    assert found.forbids(LabResult.example().model_copy(update={"source": "hooks"})).startswith("field 'kind'")
    assert known.of_signed(claim, b"{} ") is None
    assert known.of("Bearer ") is None
    assert repr(key) not in repr(known)


@pytest.mark.parametrize(
    ("scope", "says"),
    [
        ('source = "other"', "field 'source'"),
        ('source = "script"\nkinds = ["covariate"]', "field 'kind'"),
        ('source = "script"\npatients = ["Q-*"]', "field 'patient_id'"),
        ('source = "script"\nkinds = ["lab_result"]\npatients = ["P-*"]', ""),
    ],
)
def test_a_token_sends_only_what_it_is_for(tmp_path: Path, scope: str, says: str) -> None:
    (grant,) = grants(tmp_path, f'[[token]]\n{scope}\nsha256 = "{DIGEST}"\n').each
    event = LabResult.example().model_copy(update={"source": "script", "patient_id": "P-1"})
    assert grant.forbids(event).startswith(says)
    assert bool(grant.forbids(event)) == bool(says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no field 'token'"),
        ('[[webhook]]\nsource = "a"\n', "webhook.0.secrets"),
        ('[[webhook]]\nsource = "a"\nsecrets = "HOME"\n', "webhook.0.secrets"),
        ('[[webhook]]\nsource = "a"\nsecrets = "DOSETWIN_WEBHOOK_NONE"\n', "variable DOSETWIN_WEBHOOK_NONE: no secret"),
        ('[[webhook]]\nsource = "a"\nsecrets = "DOSETWIN_WEBHOOK_A"\n' * 2, "two 'secrets' of webhooks are one"),
        ('[[token]]\nsource = "a"\nsha256 = "beef"\n', "token.0.sha256"),
        (f'[[token]]\nsource = "a"\nsha256 = "{DIGEST}"\nperhaps = 1\n', "token.0.perhaps"),
        (f'[[token]]\nsource = "a"\nsha256 = "{DIGEST}"\nper_second = 0\n', "token.0.per_second"),
        (f'[[token]]\nsource = "a"\nsha256 = "{DIGEST}"\n' * 2, "two tokens"),
        ("[[token", "tokens.toml"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_field(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(TokensError, match=says):
        grants(tmp_path, text)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(TokensError, match="No such file"):
        read_grants(tmp_path / "none.toml", lambda: 0.0)


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    now = 0.0
    bucket = Bucket(10.0, lambda: now)
    assert bucket.take(20) == 0
    assert bucket.take(5) == pytest.approx(0.5)
    now = 0.5
    assert bucket.take(5) == 0
    assert bucket.take(1) > 0


def test_more_than_a_burst_waits_for_a_full_bucket_and_not_for_ever() -> None:
    now = 0.0
    bucket = Bucket(10.0, lambda: now)
    assert bucket.take(100) == 0
    now = 9.0
    assert bucket.take(100) > 0
    now = 10.0
    assert bucket.take(100) == 0
