"""What stands in a body of JSON: one document, an array of them, or one a line (NDJSON)."""

from __future__ import annotations

import msgspec

from connectors.facts.fact import NotAFact

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
    try:
        return [bytes(item) for item in _several.decode(body)]
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotAFact("malformed", f"no JSON: {str(error)[:80]}") from None
    except UnicodeDecodeError as error:
        raise NotAFact("charset", f"byte {error.start + 1} is not UTF-8, which JSON is in") from None
