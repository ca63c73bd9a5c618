"""What a receiver's answer to a message over HTTP means, and one call that waits for it.

| answer | meaning |
|---|---|
| 2xx | it has the message |
| 3xx | it is elsewhere: nothing is followed, as what is signed for one is not for another; somebody must mend it |
| 401, 403, 404, 407 | it does not let us in, or is not there: somebody must mend it, and until then the message waits |
| 408, 409, 425, 429, 502, 503, 504 | it is busy: again, when it says |
| 410 | it wants no more: the subscriber ends |
| other 4xx | it will never take this message |
| other 5xx | it failed, through a fault of its own: again |
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from connectors.services.ports import LOCAL_HOSTS
from connectors.sinks.telling.subscriber import Failed
from connectors.sinks.writer import AccessDenied, BadItem, Unavailable

TIMEOUT_SECONDS = 10.0
"""Longest wait for a connection, and between two signs of life of the receiver."""

MOST_SAID = 200
"""Characters of a refusal's body that the dead letter keeps."""

_BUSY = frozenset({408, 409, 425, 429, 502, 503, 504})
_NOT_LET_IN = frozenset({401, 403, 404, 407})


class NoMoreWanted(ValueError):
    """The receiver has said that it wants no more messages."""


def checked_url(url: str) -> str:
    """An address to which alerts may go: ``https``, or ``http`` on this machine.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(sign.isspace() for sign in url):
        raise ValueError("write an address as https://receiver.example/alerts")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address is seen by many: give what opens the receiver in a setting that is a secret")
    if parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS:
        raise ValueError("alerts would go in the clear to another machine: use https")
    return url


def checked_header(value: str) -> str:
    """What a header may hold that opens a receiver; nothing is one, too.

    Raises:
        ValueError: it is not one line of plain characters.
    """
    if not (value.isascii() and value.isprintable()):
        raise ValueError("a header is one line of plain characters")
    return value


def open_client(authority: Path | None = None) -> httpx2.Client:
    """A client that follows no redirect and trusts the system's authorities, or ``authority`` (PEM) in their place.

    Raises:
        ValueError: the authority cannot be read.
    """
    import ssl

    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise ValueError(f"authority {authority}: {error}; give the PEM file of the receiver's authority") from None
    return httpx2.Client(verify=context, timeout=TIMEOUT_SECONDS, follow_redirects=False)


def post(
    client: httpx2.Client,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    now: Callable[[], float] = time.time,
) -> None:
    """Send one message and return when the receiver has it; ``now`` in seconds since 1970.

    Raises:
        BadItem, AccessDenied, Failed, Unavailable, NoMoreWanted: by its answer, or because there is none.
    """
    try:
        with client.stream("POST", url, content=body, headers=dict(headers)) as response:
            refused = 400 <= response.status_code < 500
            said = next(response.iter_bytes(), b"")[: 4 * MOST_SAID] if refused else b""
            judge(response.status_code, response.headers, said.decode(errors="replace"), now())
    except httpx2.TimeoutException:
        raise Unavailable(f"no answer in {TIMEOUT_SECONDS:g} s") from None
    except (httpx2.HTTPError, OSError) as error:
        raise Unavailable(f"{type(error).__name__}: {error}") from None


def judge(status: int, headers: Mapping[str, str], said: str, now: float) -> None:
    """Return where the message was taken; ``said`` is the beginning of the answer's body.

    Raises:
        BadItem, AccessDenied, Failed, Unavailable, NoMoreWanted: by the table above.
    """
    answer = f"HTTP {status}"
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        where = _plain(headers.get("location", ""))
        raise AccessDenied(f"{answer}: the receiver is elsewhere ({where or 'it does not say where'}): set its address")
    if status in _NOT_LET_IN:
        raise AccessDenied(f"{answer}: check the receiver's address, and what opens it")
    if status == 410:
        raise NoMoreWanted(f"{answer}: the receiver wants no more messages; give another address, or let it rest")
    if status in _BUSY:
        raise Unavailable(answer, retry_after(headers.get("retry-after", ""), now))
    if status >= 500:
        raise Failed(answer, retry_after(headers.get("retry-after", ""), now))
    raise BadItem(f"{answer}: {_plain(said)}" if said.strip() else answer)


def retry_after(said: str, now: float) -> float:
    """Seconds that a receiver asks to be left alone, as a number or as a date; 0 where it says neither.

    >>> retry_after("120", 0.0), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", 20.0), retry_after("soon", 0.0)
    (120.0, 40.0, 0.0)
    """
    if said.isascii() and said.isdecimal() and len(said) < 10:
        return float(said)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(said).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _plain(said: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in said).split())[:MOST_SAID]
