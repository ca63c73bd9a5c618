"""A real cluster of Dask on this machine: a scheduler and workers, each a process, that speak TLS or in the clear."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trustme

ROOT = Path(__file__).parents[4]


class Machines:
    """A scheduler and the workers that were started for it."""

    def __init__(self, folder: Path, *, tls: bool, failures: int = 3) -> None:
        """
        Args:
            failures: so many workers may end with a task before it is given up.
        """
        self._folder, self._tls = folder, tls
        self._running: list[subprocess.Popen[bytes]] = []
        if tls:
            authority = trustme.CA()
            authority.cert_pem.write_to_path(folder / "ca.pem")
            authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "own.pem")
        at = folder / "scheduler.json"
        self.scheduler = self._start(
            ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(at)],
            {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(failures)},
        )
        until = time.monotonic() + 60
        while not at.exists() or not at.read_text().endswith("}"):
            assert self.scheduler.poll() is None, "the scheduler ended"
            assert time.monotonic() < until, "no scheduler within a minute"
            time.sleep(0.05)
        self.address: str = json.loads(at.read_text())["address"]

    @property
    def settings(self) -> dict[str, str]:
        """With which a command enters it."""
        own = self._folder / "own.pem"
        tls = {"DOSETWIN_CLUSTER_CA": str(self._folder / "ca.pem"), "DOSETWIN_CLUSTER_CERTIFICATE": str(own)}
        return tls if self._tls else {}

    def worker(self, **environment: str) -> subprocess.Popen[bytes]:
        """Start one more; it is not waited for."""
        number = len(self._running)
        options = [
            "--no-nanny",
            "--nthreads",
            "1",
            "--no-dashboard",
            "--local-directory",
            str(self._folder / "workers"),
        ]
        return self._start(["worker", self.address, *options, "--name", f"w{number}"], environment)

    def _start(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        own = str(self._folder / "own.pem")
        tls = ["--tls-ca-file", str(self._folder / "ca.pem"), "--tls-cert", own, "--tls-key", own]
        arguments = [command[0], *(tls if self._tls else []), *(["--protocol", "tls"] if self._tls else [])]
        with (self._folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, *command[1:]],
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        self._running.append(process)
        return process

    def close(self) -> None:
        """End all of it."""
        for process in reversed(self._running):
            process.kill()
            process.wait()


@contextmanager
def machines(folder: Path, *, tls: bool = False, failures: int = 3) -> Iterator[Machines]:
    """A scheduler without workers, as long as it is asked for."""
    found = Machines(folder, tls=tls, failures=failures)
    try:
        yield found
    finally:
        found.close()
