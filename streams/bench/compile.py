"""How long a model takes until its first patient can be served: compiled anew, and loaded from the cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

_READY = """
import json, sys, time
from twin import load_model
from twin.kernel.kernel import compile_model
from twin.solver.step_control import step_sizes_for

def seconds(name):
    model = load_model(name)
    begin = time.perf_counter()
    step_sizes_for(compile_model(model))
    return time.perf_counter() - begin

print(json.dumps([seconds(name) for name in sys.argv[1:]]))
"""


def compile_seconds(model_id: str, beside: str) -> dict[str, float]:
    """``compile_s`` with an empty cache, ``compile_cached_s`` from it; ``beside`` is loaded before.

    What a process needs once for any model (the compiler's own start) is so left out of both.
    """
    with tempfile.TemporaryDirectory() as cache:
        cold = _taken(cache, beside, model_id)
        warm = _taken(cache, beside, model_id)
    return {"compile_s": round(cold, 2), "compile_cached_s": round(warm, 3)}


def _taken(cache: str, *models: str) -> float:
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", _READY, *models], env=environment, check=True, capture_output=True, text=True
    )
    return float(json.loads(ran.stdout)[-1])
