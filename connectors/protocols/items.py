"""What stands in a body of JSON: one document, an array of them, or one a line (NDJSON); and a document, decoded."""

from __future__ import annotations

from typing import Any

import msgspec

from connectors.facts.fact import NotAFact

_any = msgspec.json.Decoder()
_several = msgspec.json.Decoder(list[msgspec.Raw])


def items(body: bytes, *, lines: bool) -> list[bytes]:
    """The documents in a body, each as its bytes.

    Args:
        body: all of it.
        lines: whether it is one document a line; blank lines are none.

    Raises:
        NotAFact: ``malformed`` or ``charset`` where an array is none.
    """
    if lines:
        return [line.strip() for line in body.splitlines() if line.strip()]
    if body.lstrip()[:1] != b"[":
        return [body]
    return [bytes(item) for item in decoded(body, _several)]


def decoded(raw: bytes, decoder: msgspec.json.Decoder[Any] = _any) -> Any:
    """The JSON document in bytes, as ``decoder`` reads it.

    Raises:
        NotAFact: ``malformed`` where it is none, ``charset`` where it is not in UTF-8.
    """
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotAFact("malformed", f"no JSON: {str(error)[:80]}") from None
    except UnicodeDecodeError as error:
        raise NotAFact("charset", f"byte {error.start + 1} is not UTF-8, which JSON is in") from None
