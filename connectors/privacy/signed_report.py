"""A report that its store has signed: Ed25519 (RFC 8032) over the report's JSON, with its keys sorted and no spaces.

Whoever has the store's public key (``dosetwin keys check`` prints it) can tell whether a report is the store's and as
it was signed; the report carries the key as well, so that it also says whose it claims to be.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SIGNATURE = "signature"
"""Field of the report that the signature stands in."""


class NotSigned(ValueError):
    """A report that cannot be trusted; the message says why."""


def public_key_of(signer: Ed25519PrivateKey) -> str:
    """The public key of who signs, in base64."""
    return base64.b64encode(signer.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def signed(report: Mapping[str, Any], signer: Ed25519PrivateKey) -> dict[str, Any]:
    """The report with its signature."""
    value = base64.b64encode(signer.sign(_canonical(report))).decode()
    return {**report, SIGNATURE: {"algorithm": "Ed25519", "public_key": public_key_of(signer), "value": value}}


def verified(text: str | bytes, public_key: str) -> dict[str, Any]:
    """The report in ``text``, without its signature.

    Args:
        text: JSON.
        public_key: of whom it must be, in base64.

    Raises:
        NotSigned: it is no report, is not signed, by somebody else, or was changed since.
    """
    try:
        report = json.loads(text)
        signature = dict.pop(report, SIGNATURE, None)
    except (ValueError, TypeError, RecursionError):
        raise NotSigned("it is no report in JSON; give the file as 'dosetwin patient erase' printed it") from None
    if not isinstance(signature, dict):
        raise NotSigned("it is not signed: it was made without a store of keys")
    try:
        if signature["public_key"] != public_key:
            raise NotSigned(f"it is signed by another store, of public key {signature['public_key']}")
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature["value"], validate=True), _canonical(report))
    except InvalidSignature:
        raise NotSigned("its signature does not hold: it was changed after it was signed") from None
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        if isinstance(error, NotSigned):
            raise
        raise NotSigned("field 'signature' or the public key is none of Ed25519 in base64") from None
    return dict(report)


def _canonical(report: Mapping[str, Any]) -> bytes:
    return json.dumps(report, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
