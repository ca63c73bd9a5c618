"""``dosetwin`` in processes forked from one that has imported everything: a start costs a fork, not seconds of imports.

The server is started by the first `Forked` of a run of tests, is there for all its processes, and ends with the last of
those that asked it for a command. It imports, has one thread alone, and then only forks: for each command a keeper,
which forks the command itself and tells of its end. A command runs with the environment that it is given, its log as
stderr and what it answers where somebody listens, and ends as any interpreter does.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from streams.terminal.one_thread import ONE_THREAD
from tests.places import ROOT

IMPORTED = (
    "aiokafka.producer",
    "connectors.listeners.fhir.asked",
    "connectors.protocols.fhir_servers.authorization",
    "connectors.listeners.fhir.hooks",
    "connectors.listeners.fhir.poller",
    "faust.app.base",
    "faust.transport.drivers.aiokafka",
    "scipy.stats",
    "connectors.sinks.subscribers.mail",
    "connectors.sinks.subscribers.mqtt_publish",
    "connectors.sinks.subscribers.webhook",
    "connectors.console.server",
    "connectors.feeds.ward.ward",
    "connectors.console.metrics",
    "connectors.console.patient.parameter_words",
    "streams.cli",
    "streams.commands.live.console",
    "streams.commands.live.devices",
    "streams.commands.live.worker",
    "streams.commands.live.listen",
    "streams.commands.live.sink",
    "streams.devices.stage",
    "streams.fleet",
    "streams.listening",
    "streams.terminal.logs",
    "streams.terminal.metrics_page",
    "streams.worker.app",
    "tests.streams.worker.fake_twin",
    "twin",
    "twin.alerts.rules",
    "twin.kernel.compiling.sealed",
    "twin.modelfile.library",
    "twin.observation.kinds",
    "twin.patient.twin",
)
"""What the commands come to import before they are ready."""

REQUEST_BYTES = 1 << 20


class Forked:
    """A running ``dosetwin ARGUMENTS``, with what tests use of `subprocess.Popen`."""

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], stderr: int, stdout: int | None = None
    ) -> None:
        self._ends, told = os.pipe()
        request = json.dumps([list(arguments), dict(environment)]).encode()
        socket.send_fds(_server(), [request], [stderr, told, *([] if stdout is None else [stdout])])
        os.close(told)
        self._heard = b""
        while b"\n" not in self._heard:
            self._heard += os.read(self._ends, 64) or b"0\n-1\n"  # the server has ended
        self.pid = int(self._heard.split(b"\n")[0])
        assert self.pid, "the process that forks workers has ended"
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, minus the signal's number where it was one; None while it runs."""
        return self._look(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code; raises `subprocess.TimeoutExpired`."""
        until = None if timeout is None else time.monotonic() + timeout
        while self._look(None if until is None else max(until - time.monotonic(), 0.0)) is None:
            if until is not None and time.monotonic() >= until:
                raise subprocess.TimeoutExpired(["dosetwin"], timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def _look(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._ends], [], [], seconds)[0]:
            self._heard += os.read(self._ends, 64)
            code = self._heard.split(b"\n")[1:-1]
            if code:
                self.returncode = int(code[0])
                os.close(self._ends)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """To the command, if it runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended, and its keeper has not told yet
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


@functools.cache
def _server() -> socket.socket:
    """A connection to the server of this run; whoever is first to take its name starts it."""
    name = f"\0dosetwin-forks-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    with _unix_socket() as listener:
        try:
            listener.bind(name)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            listener.listen()
            listener.set_inheritable(True)
            # No library has threads of its own that a fork would lose.
            seen = {**os.environ, "PYTHONPATH": str(ROOT), **ONE_THREAD}
            command = (sys.executable, "-m", __name__, str(listener.fileno()))
            nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1)]
            os.posix_spawn(command[0], command, seen, file_actions=nothing)  # nobody waits for its end
    ours, until = _unix_socket(), time.monotonic() + 10
    while True:
        try:
            ours.connect(name)
        except ConnectionRefusedError:  # its name is taken, and it does not listen yet
            assert time.monotonic() < until, "the process that forks commands does not listen"
            time.sleep(0.01)
        else:
            return ours


def _unix_socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def serve(listener: socket.socket) -> int:
    """Fork what is asked for until nobody asks any more; in a command's process, its exit code."""
    os.chdir(ROOT)
    for module in IMPORTED:
        importlib.import_module(module)
    sys.modules["streams.commands.live.console"].library_notes()  # reads units and models
    _follow_a_ward()
    gc.freeze()  # what is there stays: no command looks through it again
    alone = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
    assert alone == 1, "a process with threads must not fork"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are waited for by nobody
    askers = [listener.accept()[0]]
    while askers:
        for ready in select.select([listener, *askers], [], [])[0]:
            if ready is listener:
                askers.append(listener.accept()[0])
                continue
            request, descriptors, _, _ = socket.recv_fds(ready, REQUEST_BYTES, 3)
            if not request:
                askers.remove(ready)
                ready.close()
                continue
            if not os.fork():
                for each in (listener, *askers):
                    each.close()
                return _keep(*json.loads(request), *descriptors)
            for each in descriptors:
                os.close(each)
    return 0


def _follow_a_ward() -> None:
    """A day of a twin of each model that most wards of tests are of: machine code and tables are there once for all."""
    feed, twin = sys.modules["connectors.feeds.ward.ward"], sys.modules["twin"]
    models = feed.named_models(feed.WARD_MODELS)
    ward = feed.SimulatedWard(models, len(models), datetime(2026, 1, 5, tzinfo=UTC), seed=1, days=1.0,
                              vitals_every=1800, pump_every=300)  # fmt: skip
    told: dict[str, list[Any]] = {}
    for arrival in ward.arrivals():
        told.setdefault(arrival.event.patient_id, []).append(arrival.event)
    for patient, events in told.items():
        (model,) = (event.model for event in events if event.kind == "enrolment")
        twin.PatientTwin(patient, twin.load_model(model), 50).observe(events)


def _keep(arguments: list[str], environment: dict[str, str], log: int, told: int, answers: int | None = None) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid:
        os.write(told, b"%d\n" % pid)
        os.close(log)
        if answers is not None:
            os.close(answers)
        _, status = os.waitpid(pid, 0)
        os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.close(told)
    for descriptor, place in ((log, 2), (answers, 1)):
        if descriptor is not None:
            os.dup2(descriptor, place)
            os.close(descriptor)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["dosetwin", *arguments]
    code: object = 1
    try:
        importlib.import_module("streams.cli").main()
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]  # as an interpreter ends, but for taking itself to pieces
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    sys.exit(serve(socket.socket(fileno=int(sys.argv[1]))))
