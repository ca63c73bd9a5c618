"""The page of metrics: there as long as it is wanted, and only on this machine."""

from __future__ import annotations

from urllib.error import URLError
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter

from streams.terminal.metrics_page import metrics_page


def test_the_page_shows_the_registry_until_the_context_ends() -> None:
    registry = CollectorRegistry()
    Counter("doses", "Doses", registry=registry).inc(3)
    with metrics_page(registry, 0) as address:
        assert address is not None
        assert address.startswith("http://127.0.0.1:")
        with urlopen(address, timeout=5) as answer:
            assert "doses_total 3.0" in answer.read().decode()
    with pytest.raises(URLError):
        urlopen(address, timeout=5)


def test_without_a_port_nothing_is_served() -> None:
    with metrics_page(CollectorRegistry(), None) as address:
        assert address is None


def test_a_port_that_is_taken_is_an_error() -> None:
    with metrics_page(CollectorRegistry(), 0) as address:
        assert address is not None
        port = int(address.removesuffix("/metrics").rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), metrics_page(CollectorRegistry(), port):
            pass
