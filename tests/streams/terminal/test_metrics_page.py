"""The page of metrics: there as long as it is wanted, and only on this machine."""

from __future__ import annotations

import platform
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter

from streams.terminal.metrics_page import Health, metrics_page
from streams.terminal.version import version


def test_the_page_shows_the_registry_until_the_context_ends() -> None:
    registry = CollectorRegistry()
    Counter("doses", "Doses", registry=registry).inc(3)
    with metrics_page(registry, 0) as address:
        assert address is not None
        assert address.startswith("http://127.0.0.1:")
        with urlopen(address, timeout=60) as answer:
            text = answer.read().decode()
    assert "doses_total 3.0" in text
    assert f'dosetwin_build_info{{python="{platform.python_version()}",version="{version()}"}} 1.0' in text
    with pytest.raises(URLError):
        urlopen(address, timeout=60)


def test_it_lives_and_is_ready_as_the_process_says() -> None:
    dead, waiting = "", "no partitions yet"
    health = Health(dead=lambda: dead, waiting=lambda: waiting)

    def asked(path: str) -> tuple[int, str]:
        try:
            with urlopen(f"{base}{path}", timeout=60) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    with metrics_page(CollectorRegistry(), 0, health=health) as address:
        assert address is not None
        base = address.removesuffix("/metrics")
        assert asked("/healthz") == (200, '{"status": "ok"}')
        assert asked("/readyz") == (503, '{"status": "failing", "detail": "no partitions yet"}')
        dead, waiting = "it hangs", ""
        assert asked("/healthz")[0] == 503
        assert asked("/readyz")[0] == 200
        assert asked("/")[0] == 404


def test_it_may_be_served_beyond_this_machine_where_that_is_asked_for() -> None:
    with metrics_page(CollectorRegistry(), 0, "0.0.0.0") as address:
        assert address is not None
        assert address.startswith("http://0.0.0.0:")
    with pytest.raises(OSError, match="--metrics-host"), metrics_page(CollectorRegistry(), 0, "192.0.2.1"):
        pass


def test_without_a_port_nothing_is_served() -> None:
    with metrics_page(CollectorRegistry(), None) as address:
        assert address is None


def test_a_port_that_is_taken_is_an_error() -> None:
    with metrics_page(CollectorRegistry(), 0) as address:
        assert address is not None
        port = int(address.removesuffix("/metrics").rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), metrics_page(CollectorRegistry(), port):
            pass
