"""A real Prometheus Alertmanager: Debian's package in the cache of this user, with a receiver that the tests listen as.

The program looks for its templates at one place of the whole machine. It is told another by exchanging that path in the
copy for one of the same length, so that nothing need be installed.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from connectors.services.cache import cached
from connectors.services.ports import free_ports
from connectors.services.progress import Say
from tests import debian

KEY = "alertmanager-debian"
SHARED = b"/usr/share/prometheus/alertmanager"
PATIENCE = 120.0


def program(say: Say = print) -> Path:
    """The folder with the program and its templates, fetched when first asked for.

    Raises:
        RuntimeError: it cannot be had here.
    """

    def make(folder: Path) -> None:
        debian.fetch(folder, "Alertmanager", ("prometheus-alertmanager",), say)
        tree = folder / "tree" / "usr"
        code = (tree / "bin/prometheus-alertmanager").read_bytes()
        (folder / "alertmanager").write_bytes(code.replace(SHARED, b"./" * (len(SHARED) // 2)))
        (folder / "alertmanager").chmod(0o755)
        for template in (tree / "share/prometheus/alertmanager").glob("*.tmpl"):
            shutil.copy(template, folder)
        shutil.rmtree(folder / "tree")

    return cached(KEY, make, say)


@dataclass
class Receiver:
    """Whom Alertmanager tells: each notification's alerts, in the order in which they came."""

    told: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    def of(self, alert_id: str) -> list[tuple[str, str, str]]:
        """What was told of one alert: firing or resolved, its state, its text."""
        mine = (one for one in self.told if one["labels"].get("alert_id") == alert_id)
        return [(one["status"], one["annotations"]["state"], one["annotations"]["summary"]) for one in mine]


@dataclass
class Alertmanager:
    """A running one: its address, and whom it tells."""

    url: str
    receiver: Receiver

    def standing(self) -> dict[str, dict[str, Any]]:
        """What stands there now, by ``alert_id``, or by its name where it has none."""
        found = httpx2.get(f"{self.url}/api/v2/alerts", timeout=PATIENCE).json()
        return {one["labels"].get("alert_id", one["labels"]["alertname"]): one for one in found}


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Alertmanager]:
    """One whose files are in ``folder``."""
    receiver = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["content-length"])))
            receiver.told += said["alerts"]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with _process(folder, receiver.port) as url:
                yield Alertmanager(url, receiver)
        finally:
            server.shutdown()


@contextlib.contextmanager
def _process(folder: Path, receiver: int) -> Iterator[str]:
    library = program()
    (port,) = free_ports(1)
    hook = f'{{url: "http://127.0.0.1:{receiver}/", send_resolved: true}}'
    route = "{receiver: tests, group_wait: 0s, group_interval: 1s, repeat_interval: 1h, group_by: [alert_id]}"
    (folder / "config.yml").write_text(f"route: {route}\nreceivers: [{{name: tests, webhook_configs: [{hook}]}}]\n")
    command = [library / "alertmanager", f"--config.file={folder / 'config.yml'}", f"--storage.path={folder / 'kept'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=library, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
        while not _ready(url):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, "Alertmanager does not start"
            time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(60)


def _ready(url: str) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return httpx2.get(f"{url}/-/ready", timeout=10).status_code == 200
    return False
