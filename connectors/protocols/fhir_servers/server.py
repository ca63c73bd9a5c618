"""A FHIR server over HTTP: asked again until it answers, never anywhere else than at its own address.

What a server sends is not trusted: links are followed within the configured address alone, redirects never, and no
answer takes more memory than `MOST_BYTES`, also when it was zipped small.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, Protocol
from urllib.parse import SplitResult, urlsplit

import httpx2
import msgspec
import structlog

from connectors.services.ports import LOCAL_HOSTS

MOST_BYTES = 16 * 1_048_576
"""Of an answer, after decompression."""

ANSWER_SECONDS = 120.0
"""Longest wait for a whole answer."""

FIRST_WAIT, LONGEST_WAIT = 1.0, 300.0
"""Seconds before asking again after a fault: twice as many each time, up to the longest."""

_PASSING = {408, 425, 429}
"""Of 400 and above, beside 500 and above: what another time may answer."""

_log = structlog.get_logger("dosetwin.fhir")


class Gone(Exception):
    """404 or 410: a link to a further page has expired, or the resource is not there."""


class Unusable(ValueError):
    """An answer that cannot be used, and will not be for being asked for again; the message names the mend."""


class Passing(Exception):
    """No answer now; ``seconds`` until the server wants to be asked again, where it says so."""

    def __init__(self, why: str, seconds: float | None = None) -> None:
        super().__init__(why)
        self.seconds = seconds


class Bearer(Protocol):
    """What lets us in."""

    async def header(self) -> str:
        """The ``Authorization`` header, empty where none is needed; may raise `Passing`."""

    def drop(self) -> None:
        """The server does not take it any more."""


class _Link(msgspec.Struct):
    relation: str = ""
    url: str = ""


class _Meta(msgspec.Struct):
    lastUpdated: str | None = None


class _Bundle(msgspec.Struct):
    resourceType: str = ""
    meta: _Meta | None = None
    link: list[_Link] | None = None
    entry: list[msgspec.Raw] | None = None


_bundle = msgspec.json.Decoder(_Bundle)


class Page(NamedTuple):
    """A page of a bundle.

    Attributes:
        raw: its bytes.
        next: link to the page after it; empty where there is none.
        clock: when it was made, by the server's clock: ``Bundle.meta.lastUpdated``, else the header ``Date``.
    """

    raw: bytes
    next: str
    clock: datetime | None

    @property
    def entries(self) -> list[bytes]:
        """Each entry's bytes, as they stand."""
        return entries_of(self.raw)


def entries_of(raw: bytes) -> list[bytes]:
    """Each entry of a bundle, as it stands."""
    return [bytes(entry) for entry in _bundle.decode(raw).entry or ()]


@dataclass
class Server:
    """A server at its base address.

    Attributes:
        base: as ``https://ehr.example/fhir``, without a slash at the end.
        client: sends requests; must not follow redirects.
        bearer: what lets us in.
        sleep, chance: waits, and between 0 and 1 what part of a wait is added to it, so that clients part.
    """

    base: str
    client: httpx2.AsyncClient
    bearer: Bearer | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
    faults: int = 0
    last_fault: str = field(default="", repr=False)

    async def page(self, url: str, parameters: Mapping[str, str] | None = None) -> Page:
        """A bundle, asked for until it comes.

        Args:
            url: ``Type``, ``Type/_history``, or the link that a page before it had.
            parameters: of the question.

        Raises:
            Gone: there is nothing.
            Unusable: no bundle, too large, refused, or a link that leads elsewhere.
        """
        raw, headers = await self.ask("GET", url, parameters)
        try:
            said = _bundle.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Unusable("an answer that is no Bundle in JSON") from None
        if said.resourceType != "Bundle":
            raise Unusable("an answer that is no Bundle; is --server the base address of a FHIR server?")
        further = next((link.url for link in said.link or () if link.relation == "next"), "")
        made = instant_of(said.meta.lastUpdated if said.meta else None) or _date(headers)
        return Page(raw, self.within(further) if further else "", made)

    async def ask(
        self, method: str, url: str, parameters: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """The body and headers of a good answer, asked for until the server gives one.

        Raises:
            Gone: 404 or 410.
            Unusable: any other answer that another time will not better.
        """
        wait, refreshed = FIRST_WAIT, False
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    status, raw, headers = await self._once(method, url, parameters, body)
                if status < 300:
                    self.last_fault = ""
                    return raw, headers
                if status == 401 and self.bearer is not None and not refreshed:
                    self.bearer.drop()
                    refreshed = True
                    continue
                _judge(status, headers)
            except (httpx2.TransportError, TimeoutError) as error:
                fault = Passing(type(error).__name__)
            except Passing as error:
                fault = error
            self.faults += 1
            self.last_fault = str(fault)
            seconds = min(LONGEST_WAIT, wait if fault.seconds is None else fault.seconds)
            _log.warning("the server does not answer", why=str(fault), again_in_seconds=round(seconds, 1))
            await self.sleep(seconds * (1 + 0.25 * self.chance()))
            wait, refreshed = min(2 * wait, LONGEST_WAIT), False

    def within(self, url: str) -> str:
        """A link, as an absolute address at or below the base.

        Raises:
            Unusable: it leads elsewhere, which is never asked.
        """
        said, own = urlsplit(url if "://" in url else f"{self.base}/{url}"), urlsplit(self.base)
        try:
            same = (said.scheme, said.hostname, port_of(said)) == (own.scheme, own.hostname, port_of(own))
        except ValueError:
            same = False
        parts = said.path.split("/")
        below = said.path == own.path or said.path.startswith(own.path + "/")
        hidden = ".." in parts or "." in parts or "%" in said.path or "\\" in url or "@" in said.netloc
        if not same or not below or hidden:
            mend = f"only {self.base} is asked; give as --server the address that its links have"
            raise Unusable(f"a link to somewhere else (to the host {said.hostname!r}): {mend}")
        return said._replace(fragment="").geturl()

    async def _once(
        self, method: str, url: str, parameters: Mapping[str, str] | None, body: bytes | None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        headers = {"accept": "application/fhir+json", "accept-encoding": "gzip", "prefer": "handling=strict"}
        if body is not None:
            headers["content-type"] = "application/fhir+json"
        if self.bearer is not None and (said := await self.bearer.header()):
            headers["authorization"] = said
        query = dict(parameters) if parameters else None
        async with self.client.stream(
            method, self.within(url), params=query, headers=headers, content=body
        ) as response:
            return response.status_code, await limited(response, MOST_BYTES), response.headers


async def limited(response: httpx2.Response, most: int) -> bytes:
    """The body of an answer, unzipped, never more than ``most`` bytes of it in memory.

    Raises:
        Unusable: it is longer, or not what its headers say.
    """
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", ""):
        raise Unusable(f"an answer in the encoding {coding[:20]!r}, which was not asked for")
    unzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if coding == "gzip" else None
    body = bytearray()
    async for chunk in response.aiter_raw():
        try:
            body += unzip.decompress(chunk, most + 1 - len(body)) if unzip else chunk
        except zlib.error:
            raise Unusable("an answer that is no gzip, as it says") from None
        if len(body) > most or (unzip and unzip.unconsumed_tail):
            raise Unusable(f"an answer of more than {most} bytes; ask for smaller pages (--count)")
    if unzip and not unzip.eof:
        raise Unusable("an answer that is no gzip, as it says")
    return bytes(body)


def safe_address(url: str, what: str) -> str:
    """The address, if what is sent there cannot be read on the way: by https, or on this machine.

    Raises:
        Unusable: it is not.
    """
    parts = urlsplit(url)
    if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL_HOSTS)):
        return url
    raise Unusable(f"{what} is neither https nor on this machine")


def instant_of(text: str | None) -> datetime | None:
    """An instant of FHIR with its offset; None of what is none."""
    try:
        made = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return made if made.tzinfo is not None else None


def _judge(status: int, headers: Mapping[str, str]) -> None:
    """Raise what an answer other than a good one means."""
    if status in (404, 410):
        raise Gone(str(status))
    if status in _PASSING or status >= 500 or status == 401:
        raise Passing(f"it answers {status}", _retry_after(headers))
    if 300 <= status < 400:
        raise Unusable(f"it answers {status}, a redirection, which is not followed; give as --server where it leads")
    raise Unusable(f"it answers {status}")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of ``Retry-After``, which has a number or a date."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal():
        return float(said[:9])
    until = _http_date(said)
    if until is None:
        return None
    return max(0.0, (until - (_date(headers) or datetime.now(UTC))).total_seconds())


def _date(headers: Mapping[str, str]) -> datetime | None:
    return _http_date(headers.get("date", ""))


def _http_date(text: str) -> datetime | None:
    try:
        said = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)


def port_of(parts: SplitResult) -> int:
    """The port of an address, also where it does not say it.

    Raises:
        ValueError: it is none.
    """
    return parts.port or (443 if parts.scheme == "https" else 80)
