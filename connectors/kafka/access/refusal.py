"""Why a broker does not let us in: nobody there, no TLS, another authority, no such user, a wrong password.

Clients say only that they could not begin, and that after their whole patience. So one connection is made as they would
make it, and what ends it is put into words.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from connectors.kafka.access.entry import KafkaAccess
from connectors.services.ports import answers, parted
from connectors.tls import certificate_refused

KNOCK_SECONDS = 5.0
"""How long a broker may need to let somebody in."""

CLOSE_SECONDS = 1.0
"""How long a connection may need to end."""

CONNECT_SECONDS = 3.0
"""How long a broker may need to take a connection."""


@dataclass(frozen=True)
class Refusal:
    """What was seen, and what to do about it; ``absent`` where there is nobody who could refuse."""

    seen: str
    mend: str
    absent: bool = False


def refusal(bootstrap: str, access: KafkaAccess) -> Refusal | None:
    """Why none of these brokers lets us in; `None` where one does.

    Args:
        bootstrap: ``host:port``, separated by commas.
        access: how we enter.

    Raises:
        SettingsError: a file of ``access`` cannot be used.
    """
    options = access.options()
    found = None
    for address in bootstrap.split(","):
        if not answers(address, timeout=CONNECT_SECONDS):
            continue
        found = _knock(address, access, options)
        if found is None:
            return None
    return found or Refusal("no connection", "", absent=True)


def _knock(address: str, access: KafkaAccess, options: Mapping[str, Any]) -> Refusal | None:
    with ThreadPoolExecutor(1) as apart:  # whoever asks may be in a loop of its own
        try:
            apart.submit(asyncio.run, _enter(address, options)).result()
        except Exception as error:  # whatever ends it is what there is to say
            return explained(error, access)
    return None


async def _enter(address: str, options: Mapping[str, Any]) -> None:
    from aiokafka.conn import AIOKafkaConnection
    from aiokafka.protocol.metadata import MetadataRequest

    host, port = parted(address)
    connection = AIOKafkaConnection(host, port, client_id="dosetwin-knock", **options)
    try:
        async with asyncio.timeout(KNOCK_SECONDS):
            await connection.connect()
            await connection.send(MetadataRequest([]))  # a stranger is told of versions, and of nothing else
    finally:
        closed = connection.close()
        if connection._protocol is not None:  # there was a connection, which ends a moment after it is told to
            with suppress(TimeoutError):
                await asyncio.wait_for(closed, CLOSE_SECONDS)


def explained(error: BaseException, access: KafkaAccess) -> Refusal:
    """What ended a connection, in words for people."""
    from aiokafka import errors

    if isinstance(error, ssl.SSLCertVerificationError):
        return Refusal(*certificate_refused(error, access.ca, "DOSETWIN_KAFKA", "DOSETWIN_KAFKA_CA"))
    if isinstance(error, errors.SaslAuthenticationFailed):
        seen = f"{access.who} or the password in {access.password_file} is not known there"
        return Refusal(seen, f"mend {access.named('user')}, or what stands in {access.named('password_file')}")
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        seen = f"it takes no password by {access.mechanism}"
        return Refusal(
            seen, "set DOSETWIN_KAFKA_MECHANISM to what the broker has, or enter by DOSETWIN_KAFKA_PROTOCOL=SSL"
        )
    if isinstance(error, errors.IllegalSaslStateError):
        return Refusal(
            "it asks for no password there", "set DOSETWIN_KAFKA_PROTOCOL=SSL, or name its port for passwords"
        )
    if isinstance(error, TimeoutError):
        return Refusal(f"it said nothing in {KNOCK_SECONDS:.0f} s", _MEND_PROTOCOL[access.protocol])
    return Refusal(f"it ended the connection ({type(error).__name__})", _MEND_PROTOCOL[access.protocol])


_MEND_PROTOCOL = {
    "PLAINTEXT": "if it wants TLS, set DOSETWIN_KAFKA_PROTOCOL=SASL_SSL with user, password file and CA",
    "SSL": "it may want a certificate (DOSETWIN_KAFKA_CERTIFICATE, _KEY) or another one, a password "
    "(DOSETWIN_KAFKA_PROTOCOL=SASL_SSL), or no TLS at all",
    "SASL_SSL": "this port may want a certificate (DOSETWIN_KAFKA_CERTIFICATE, _KEY), or have no TLS 1.3 or no "
    "passwords: look at the listeners of the broker",
}
