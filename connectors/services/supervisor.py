"""The keeper: a small process that runs one command and ends it, with all its children, when nobody claims it any more.

``python -P -m connectors.services.supervisor --claims DIR [--lock FILE --record FILE] [--afterwards JSON]
[--remove DIR] -- COMMAND…``

A *claim* is an empty file in DIR named after a process, ``PID-STARTED``: while that process lives, the command runs.
The claim named ``up`` holds until it is removed. So a server started for a test or a demo ends with it, also when that
is killed with SIGKILL and can clean up nothing, while ``dosetwin services up`` leaves one running. Should the keeper
itself be killed, the kernel ends the command (Linux: parent-death signal).

The decision to stop is taken under the lock that starters hold too, and the record is removed first: a starter
therefore either adds its claim in time or finds no server and starts one.

Only the standard library, psutil and filelock are imported: a keeper stays at a few megabytes.

What any child of ours is started with stands here too: `python_module`, so that nothing is imported from the folder
that somebody happens to be in, and `environment`, so that no child learns a secret that is not its own; `start_part`
is both for a command of this program.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

DETACHED = "up"
"""The claim of ``dosetwin services up``: holds until ``down`` removes it."""

POLL_SECONDS = 0.2
"""How often claims are looked at; a claimant's death is noticed within this time."""

STOP_SECONDS = 15.0
"""How long a command may take over its own end before it is killed."""

_PR_SET_PDEATHSIG = 1

_SEEN = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "TMP", "TEMP"}
    | {"LD_LIBRARY_PATH", "VIRTUAL_ENV", "CC", "CXX", "AR", "CPATH", "LIBRARY_PATH", "CFLAGS", "CXXFLAGS", "LDFLAGS"}
    | {"http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"}
    | {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "DOSETWIN_STATE_DIR", "DOSETWIN_SERVICES"}
)
_SEEN_AS = ("LC_", "XDG_", "SSL_", "PYTHON", "GO", "CGO_", "CARGO", "RUST", "PKG_CONFIG", "JAVA_", "JDK_", "M2_",
            "MAVEN_", "DOCKER_", "COMPOSE_", "GIT_SSL_", "npm_config_", "NPM_CONFIG_")  # fmt: skip
"""Variables that a child may see, by name and by how the name begins: what programs need to be found and to run."""

_OURS_AS = ("DOSETWIN_", "NUMBA_", "OMP_", "OPENBLAS_", "MKL_")
_SECRET = ("TOKEN", "PASSWORD", "SECRET", "CREDENTIAL")


@dataclass(frozen=True)
class ProcessId:
    """A process, not to be mistaken for a later one with the same pid: ``started`` tells when it began (in ticks)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """The process that has ``pid`` now; raises `psutil.NoSuchProcess`."""
        return cls(pid, _started(pid))

    @classmethod
    def parse(cls, text: str) -> ProcessId:
        """Inverse of ``str()``; raises `ValueError`."""
        pid, started = text.split("-")
        return cls(int(pid), int(started))

    def __str__(self) -> str:
        return f"{self.pid}-{self.started}"

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        try:
            return _started(self.pid) == self.started and psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def _started(pid: int) -> int:
    """Start time of ``pid`` in ticks; from /proc where it exists, as that does not move when the clock is set."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except ProcessLookupError:
        raise psutil.NoSuchProcess(pid) from None
    except FileNotFoundError:
        return round(psutil.Process(pid).create_time())
    return int(stat.rpartition(")")[2].split()[19])


def python_module(name: str, *arguments: object) -> list[str]:
    """The command that runs a module of ours; nothing is imported from the current folder."""
    return [sys.executable, "-P", "-m", name, *map(str, arguments)]


def environment(inherited: Mapping[str, str], *, ours: bool = False) -> dict[str, str]:
    """What a child may see of our environment: no setting of ours and no secret.

    ``ours`` is a child that is a part of this program: it sees our settings too, also which file has a password, but
    secrets must be given to it.

    >>> environment({"PATH": "/bin", "DOSETWIN_INFLUX_TOKEN": "x", "AWS_KEY": "y"})
    {'PATH': '/bin'}
    """

    def seen(name: str) -> bool:
        wanted = name in _SEEN or name.startswith(_SEEN_AS) or (ours and name.startswith(_OURS_AS))
        return wanted and (name.endswith("_FILE") or not any(word in name.upper() for word in _SECRET))

    return {name: value for name, value in inherited.items() if seen(name)}


def start_part(
    *arguments: object, log: IO[bytes] | None = None, secrets: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a command of this program as a child that ends with the thread that starts it; ``secrets`` it alone sees.

    What it says goes to ``log``, by default where ours goes.
    """
    return subprocess.Popen(
        python_module("streams", *arguments),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=None if log is None else subprocess.STDOUT,
        env={**environment(os.environ, ours=True), **(secrets or {})},
        start_new_session=True,
        preexec_fn=die_with_parent(),
    )


def add_claim(claims: Path, claim: str) -> None:
    """Let ``claim`` (``str(ProcessId)`` or `DETACHED`) hold the command of ``claims``."""
    claims.mkdir(parents=True, exist_ok=True, mode=0o700)
    (claims / claim).touch()


def remove_claim(claims: Path, claim: str) -> None:
    """Release what `add_claim` holds."""
    (claims / claim).unlink(missing_ok=True)


def held(claims: Path) -> bool:
    """Whether any claim in ``claims`` still holds."""
    try:
        names = os.listdir(claims)
    except FileNotFoundError:
        return False
    return any(_holds(name) for name in names)


def _holds(name: str) -> bool:
    if name == DETACHED:
        return True
    try:
        return ProcessId.parse(name).alive()
    except ValueError:
        return False


@contextlib.contextmanager
def locked(path: Path | None) -> Iterator[None]:
    """Hold the lock file ``path``; the kernel releases it if this process dies."""
    if path is None:
        yield
        return
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(path):
        yield


def main(arguments: list[str] | None = None) -> int:
    """Run the command until it ends or is no longer claimed; returns its exit code (0 when it was stopped)."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    asked_to_stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: asked_to_stop.append(caught))
    command = subprocess.Popen(options.command, start_new_session=True, preexec_fn=die_with_parent())
    try:
        while command.poll() is None:
            if asked_to_stop or not held(options.claims):
                with _deciding(options):
                    if asked_to_stop or not held(options.claims):
                        _forget(options.record)
                        stop_group(command)
                        _clean_up(options, remove=True)
                        return 0
            time.sleep(POLL_SECONDS)
    finally:
        stop_group(command)
    with _deciding(options):
        _forget(options.record)
        _clean_up(options, remove=False)
    return command.returncode


def _deciding(options: argparse.Namespace) -> contextlib.AbstractContextManager[None]:
    """The lock, if starters can know of this keeper; before it is on record, its own starter holds the lock."""
    return locked(options.lock if _on_record(options.record) else None)


def stop_group(command: subprocess.Popen[bytes]) -> None:
    """End ``command`` and its process group: SIGTERM, and after `STOP_SECONDS` SIGKILL."""
    if command.poll() is None:
        _signal_group(command.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            command.wait(STOP_SECONDS)
    _signal_group(command.pid, signal.SIGKILL)
    command.wait()


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _on_record(record: Path | None) -> bool:
    """Whether ``record`` is this keeper's own (a starter may already have written the next one)."""
    if record is None:
        return False
    try:
        keeper = json.loads(record.read_text(encoding="utf-8"))["keeper"]
    except (OSError, ValueError, KeyError):
        return False
    return bool(keeper == str(ProcessId.of(os.getpid())))


def _forget(record: Path | None) -> None:
    if record is not None and _on_record(record):
        record.unlink(missing_ok=True)


def _clean_up(options: argparse.Namespace, remove: bool) -> None:
    if options.afterwards:
        subprocess.run(json.loads(options.afterwards), check=False, stdin=subprocess.DEVNULL, timeout=120)
    if options.remove and remove:
        shutil.rmtree(options.remove, ignore_errors=True)


def die_with_parent() -> Callable[[], None] | None:
    """What a child runs before its program so that the kernel kills it when its parent dies (None but on Linux).

    The parent is the *thread* that starts the child: start children that are to outlive a thread from the main one.
    """
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None, use_errno=True)

    def arrange() -> None:
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return arrange


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="keeper", description="run a command while somebody claims it")
    parser.add_argument("--claims", type=Path, required=True)
    parser.add_argument("--lock", type=Path)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--afterwards", help="a command as a JSON list, run when the first one has ended")
    parser.add_argument("--remove", type=Path, help="a folder to delete when the command was stopped")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
