"""What decides the last digit of a result: the code, the libraries that compute, and the processor they compute on.

Machine code is made for the processor at hand, and libraries of linear algebra choose by it too: so a worker takes
part where it is like the process that asks, and says otherwise what differs.
"""

from __future__ import annotations

import hashlib
import platform
from functools import lru_cache
from importlib.metadata import version as installed
from pathlib import Path

from streams.terminal.version import version

LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "threadpoolctl")

PROCESSOR = "processor"

Likeness = dict[str, str]
"""What decides results, by name."""


class WorkerUnlike(RuntimeError):
    """A worker would give other results than this process."""


@lru_cache(maxsize=1)
def likeness() -> Likeness:
    """Of this process."""
    from llvmlite.binding import get_host_cpu_features, get_host_cpu_name

    features = hashlib.sha256(get_host_cpu_features().flatten().encode()).hexdigest()[:8]
    return {
        "dosetwin": f"{version()} (sources {_sources()})",
        "Python": platform.python_version(),
        **{name: installed(name) for name in LIBRARIES},
        PROCESSOR: f"{platform.machine()} {get_host_cpu_name()} (features {features})",
    }


def check(wanted: Likeness) -> None:
    """Is this process like the one that asks?

    Args:
        wanted: what counts, of the one that asks.

    Raises:
        WorkerUnlike: naming what differs.
    """
    own = likeness()
    differing = [
        f"{name} {own.get(name, 'is missing')}, not {value}" for name, value in wanted.items() if own.get(name) != value
    ]
    if differing:
        raise WorkerUnlike("; ".join(differing))


def _sources() -> str:
    """A hash of all code and model files that tasks are made of: two clones may both call themselves 0.1.0."""
    found = hashlib.sha256()
    root = Path(__file__).parents[3]
    for package in ("twin", "connectors", "streams"):
        for path in sorted((root / package).rglob("*")):
            if path.suffix in (".py", ".toml") and "node_modules" not in path.parts:
                found.update(f"{path.relative_to(root).as_posix()}\n".encode())
                found.update(path.read_bytes())
    return found.hexdigest()[:12]
