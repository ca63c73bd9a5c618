"""How far a fit has come, as files: an interrupted one goes on from there instead of beginning anew.

A file says by its key what is fitted to what, and how; that of anything else is as if it were not there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from twin.arrays import Floats
from twin.population.search import State

T = TypeVar("T")


def write_down(path: Path, key: str, content: Mapping[str, object]) -> None:
    """Write a file in one piece or not at all; ``key`` is of what is fitted to what, and how."""
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps({"key": key, **content}))
    os.replace(beside, path)


def written_down(path: Path, key: str) -> Mapping[str, Any] | None:
    """What a file holds; ``None`` where there is none of the same key."""
    try:
        content: Mapping[str, Any] = json.loads(path.read_text())
        return content if content["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep_each(path: Path, key: str, each: Mapping[int, object]) -> None:
    """Write down what there is of some numbered parts."""
    write_down(path, key, {"each": {str(number): said for number, said in each.items()}})


def kept_each(path: Path, key: str, read: Callable[..., T]) -> dict[int, T]:
    """The parts of the same by their numbers, of what was said of each as ``read`` takes it; none where there are
    none."""
    content = written_down(path, key)
    try:
        return {} if content is None else {int(number): read(*said) for number, said in content["each"].items()}
    except (ValueError, KeyError, TypeError):
        return {}


def as_hexes(vector: Floats) -> list[str]:
    """Numbers (K,) to the last bit."""
    return [value.hex() for value in vector.tolist()]


def of_hexes(hexes: list[str]) -> Floats:
    """The numbers (K,) again."""
    return np.array([float.fromhex(one) for one in hexes])


def keep(path: Path, key: str, state: State) -> None:
    """Write down where a search stands."""
    curvature = None if state.curvature is None else [as_hexes(row) for row in state.curvature]
    content = {"vector": as_hexes(state.vector), "curvature": curvature, "step": state.step, "near": state.near}
    write_down(path, key, content)


def kept(path: Path, key: str) -> State | None:
    """The state of a search for the same; ``None`` where there is none."""
    content = written_down(path, key)
    try:
        if content is None:
            return None
        rows = content["curvature"]
        curvature = None if rows is None else np.array([of_hexes(row) for row in rows])
        return State(of_hexes(content["vector"]), curvature, int(content["step"]), bool(content["near"]))
    except (ValueError, KeyError, TypeError):
        return None
