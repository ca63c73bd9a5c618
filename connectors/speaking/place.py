"""Where messages are said: ``--to`` as host and port."""

from __future__ import annotations

from connectors.services.ports import parted


def place_of(address: str, usual: int) -> tuple[str, int]:
    """Host and port of an address; ``usual`` is the port that such listeners have.

    Raises:
        ValueError: it is none, with how to write one.
    """
    try:
        return parted(address)
    except ValueError:
        raise ValueError(f"--to {address}: write host:port, as 127.0.0.1:{usual}") from None
