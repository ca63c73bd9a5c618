"""Where a search stands, as a file: an interrupted fit goes on from there instead of beginning anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from twin.population.search import State


def keep(path: Path, key: str, state: State) -> None:
    """Write a state down, in one piece or not at all; ``key`` is of what is fitted to what, and how."""
    content = {
        "key": key,
        "vector": [value.hex() for value in state.vector.tolist()],
        "curvature": None if state.curvature is None else [[v.hex() for v in row] for row in state.curvature.tolist()],
        "step": state.step,
        "near": state.near,
    }
    beside = path.with_suffix(".part")
    beside.write_text(json.dumps(content))
    os.replace(beside, path)


def kept(path: Path, key: str) -> State | None:
    """The state of a search for the same; ``None`` where there is none."""
    try:
        content = json.loads(path.read_text())
        if content["key"] != key:
            return None
        vector = np.array([float.fromhex(value) for value in content["vector"]])
        rows = content["curvature"]
        curvature = None if rows is None else np.array([[float.fromhex(v) for v in row] for row in rows])
        return State(vector, curvature, int(content["step"]), bool(content["near"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
