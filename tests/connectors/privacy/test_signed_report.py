"""A report that its store has signed: whoever changes a word of it, or signs for another, is found out."""

from __future__ import annotations

import json

import pytest

from connectors.privacy.patient_keys import PatientKeys
from connectors.privacy.signed_report import NotSigned, public_key_of, signed, verified

REPORT = {"patient": "#erased/1", "left": [], "counts": {"b": 2, "a": 1}, "näme": "ä"}


def test_a_report_is_verified_however_it_is_laid_out(keys: PatientKeys) -> None:
    report = signed(REPORT, keys.signer())
    for text in (json.dumps(report, indent=2), json.dumps(report, sort_keys=True, ensure_ascii=False)):
        assert verified(text, public_key_of(keys.signer())) == REPORT


def test_what_is_no_report_or_was_changed_is_not_trusted(keys: PatientKeys) -> None:
    report, key = signed(REPORT, keys.signer()), public_key_of(keys.signer())
    signature = report["signature"]
    cases = [
        ("no report in JSON", "{"),
        ("no report in JSON", "[]"),
        ("is not signed", json.dumps(REPORT)),
        ("was changed after it was signed", json.dumps({**report, "left": ["x"]})),
        ("was changed after it was signed", json.dumps({**report, "more": 1})),
        ("signed by another store", json.dumps({**report, "signature": {**signature, "public_key": "AAAA"}})),
        ("none of Ed25519", json.dumps({**report, "signature": {**signature, "value": "!"}})),
        ("none of Ed25519", json.dumps({**report, "signature": {}})),
        ("none of Ed25519", json.dumps({**report, "signature": {**signature, "value": 3}})),
    ]
    for says, text in cases:
        with pytest.raises(NotSigned, match=says):
            verified(text, key)
    with pytest.raises(NotSigned, match="signed by another store"):
        verified(json.dumps(report), "other")
