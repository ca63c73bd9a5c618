"""A page for machines: metrics for Prometheus, and whether the process lives and is ready.

``/metrics`` has the figures, ``/healthz`` says whether the process still works (if not, it must be started again) and
``/readyz`` whether it does its work now (if not, wait, or mend what it waits for); both answer 200 or 503 with a line
of JSON that says why. Only this machine can read it unless another address is given.
"""

from __future__ import annotations

import json
import platform
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors.services.ports import joined
from streams.terminal.version import version

Trouble = Callable[[], str]
"""What is wrong, in a few words; empty where nothing is."""


def _none() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Health:
    """What a process says of itself: ``dead`` why it must be started again, ``waiting`` why it does not work now."""

    dead: Trouble = _none
    waiting: Trouble = _none


@contextmanager
def metrics_page(
    registry: CollectorRegistry, port: int | None, host: str = "127.0.0.1", health: Health | None = None
) -> Iterator[str | None]:
    """Serve the page as long as the context lasts, and log its address, which is also given.

    Port 0 takes any free one; without a port nothing is served.

    Raises:
        OSError: the port is taken, or the address is not of this machine.
    """
    if port is None:
        yield None
        return
    try:
        server = make_server(
            host, port, _page(registry, health or Health()), _Server6 if ":" in host else _Server, _Quiet
        )
    except OSError as error:
        mend = "choose another --metrics-port, or 0 for any, and an address of this machine for --metrics-host"
        raise OSError(
            error.errno, f"cannot serve metrics on {host}:{port} ({error.strerror or error}): {mend}"
        ) from None
    address = f"http://{joined(host, server.server_port)}/metrics"
    structlog.get_logger("dosetwin").info("metrics", address=address)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = 5.0
    """Seconds that somebody who asks may take over it."""

    def log_message(self, format: str, *args: Any) -> None:
        """Who asked is no news."""


class _WithBuild(Collector):
    """A registry's figures, and which build has them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """Every figure, and `dosetwin_build_info`."""
        yield from self._registry.collect()
        build = GaugeMetricFamily("dosetwin_build_info", "Which program this is", labels=["version", "python"])
        build.add_metric([version(), platform.python_version()], 1)
        yield build


def _page(registry: CollectorRegistry, health: Health) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    shown = CollectorRegistry()
    shown.register(_WithBuild(registry))
    metrics = make_wsgi_app(shown)
    asked = {"/healthz": health.dead, "/readyz": health.waiting}

    def page(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in asked:
            wrong = asked[path]()
            body = json.dumps({"status": "failing", "detail": wrong} if wrong else {"status": "ok"}).encode()
            start_response("503 Service Unavailable" if wrong else "200 OK", [("Content-Type", "application/json")])
            return [body]
        if path == "/metrics":
            found: Iterable[bytes] = metrics(environ, start_response)
            return found
        start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"there are /metrics, /healthz and /readyz\n"]

    return page
