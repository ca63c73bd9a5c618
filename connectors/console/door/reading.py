"""How what a page says is read: from this page alone, as JSON, neither too much of it nor too slowly.

A page of another site in the same browser cannot send anything: it would bring another origin, and neither JSON nor
the header that is asked for without asking first, which is never granted.
"""

from __future__ import annotations

from typing import TypeVar

import anyio
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

HEADER, ACTS = "x-dosetwin", "act"
"""What a request must bring that no form of another site can send."""

MOST_BYTES = 4_000
"""Of a request's body: less than the text of an event may have, so that no reason is cut short."""

BODY_SECONDS = 10.0
"""How long a body may take to come."""

Said = TypeVar("Said")


def sent_from_here(request: Request) -> None:
    """Whether no other site sent this. Raises `HTTPException`."""
    if request.headers.get(HEADER) != ACTS:
        raise HTTPException(403, f"a header is missing, which shows that no other site sent this: {HEADER}: {ACTS}")


async def read(
    request: Request, decoder: msgspec.json.Decoder[Said], fields: str, most_bytes: int = MOST_BYTES
) -> Said:
    """What a request says; ``fields`` is what its JSON object has, in words.

    Raises:
        HTTPException: it is not from this page, no JSON object, or not of these fields.
    """
    sent_from_here(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"content-type {kind[:80]!r}: send application/json")
    try:
        return decoder.decode(await body_of(request, most_bytes))
    except msgspec.DecodeError as error:
        raise HTTPException(400, f"{error}; expected a JSON object of {fields}") from None
    except UnicodeDecodeError:
        raise HTTPException(400, "the body is no UTF-8") from None


async def body_of(request: Request, most: int) -> bytes:
    """All that a request brings. Raises `HTTPException`: it is more than ``most`` bytes, or does not come."""
    raw = bytearray()
    try:
        with anyio.fail_after(BODY_SECONDS):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > most:
                    raise HTTPException(413, f"more than {most} bytes; write less")
    except TimeoutError:
        raise HTTPException(408, f"the body did not come in {BODY_SECONDS:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the connection ended before the body") from None
    return bytes(raw)
