"""Ports on this machine only: finding free ones, and asking whether somebody answers."""

from __future__ import annotations

import contextlib
import socket

LOOPBACK = "127.0.0.1"

LOCAL_HOSTS = (LOOPBACK, "localhost", "::1")
"""Names of this machine for itself."""


def free_ports(count: int, preferred: tuple[int, ...] = ()) -> tuple[int, ...]:
    """``count`` different ports of the loopback address that nobody uses now, ``preferred`` ones where possible."""
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for port in (*preferred, *[0] * count):
            if len(found) == count:
                break
            listener = held.enter_context(socket.socket())
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                listener.bind((LOOPBACK, port))
                found.append(listener.getsockname()[1])
        return tuple(found)


def joined(host: str, port: int) -> str:
    """``host:port``, an address of IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parted(address: str) -> tuple[str, int]:
    """Host and port of ``host:port``: `joined` taken apart.

    Raises:
        ValueError: it is none.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is not host:port")
    return host, int(port)


def answers(address: str, timeout: float = 1.0) -> bool:
    """Whether a connection to ``address`` (``host:port``) is accepted within ``timeout`` seconds."""
    try:
        with socket.create_connection(parted(address), timeout=timeout):
            return True
    except OSError:
        return False
