"""Metrics for Prometheus, on a page that only this machine can read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import CollectorRegistry, start_http_server


@contextmanager
def metrics_page(registry: CollectorRegistry, port: int | None) -> Iterator[str | None]:
    """Serve ``/metrics`` on localhost as long as the context lasts, and log its address, which is also given.

    Port 0 takes any free one; without a port nothing is served.

    Raises:
        OSError: the port is taken.
    """
    if port is None:
        yield None
        return
    server, _ = start_http_server(port, addr="127.0.0.1", registry=registry)
    address = f"http://127.0.0.1:{server.server_port}/metrics"
    structlog.get_logger("dosetwin").info("metrics", address=address)
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
