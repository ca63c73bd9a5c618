"""Addresses of servers: host and port, put together and taken apart."""

from __future__ import annotations

import pytest

from connectors.services.ports import answers, free_ports, joined, parted


@pytest.mark.parametrize("place", [("127.0.0.1", 9092), ("mqtt.ward", 1), ("::1", 65535)])
def test_an_address_is_taken_apart_as_it_was_put_together(place: tuple[str, int]) -> None:
    assert parted(joined(*place)) == place


@pytest.mark.parametrize(
    "address", ["", "ward", ":9092", "ward:", "ward:x", "ward:0", "ward:65536", "ward:-1", "ward:²"]
)
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(ValueError, match="is not host:port"):
        parted(address)


def test_nobody_answers_at_a_free_port() -> None:
    (port,) = free_ports(1)
    assert not answers(joined("127.0.0.1", port))
