"""One process at a time compiles what several lack, which takes seconds: those who wait find it done.

Numba looks into its cache before it compiles and writes there what it compiled. Processes that begin together, on a
machine where nothing was compiled yet, would all find nothing and all compile the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba.core.caching import FunctionCache
from numba.core.registry import cpu_target

from twin.kernel.cache import alone


def in_turn(cache: FunctionCache, compiled: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Numba's way to get a function for a signature, but not while another process compiles it.

    Args:
        cache: where its machine code is kept.
        compiled: `numba.core.dispatcher.Dispatcher.compile` of the function, which looks into the cache itself.
    """
    had: set[Any] = set()

    def compiled_in_turn(signature: Any) -> Any:
        if signature in had or _is_kept(cache, signature):
            found = compiled(signature)
        else:
            with alone(cache._impl.filename_base):
                found = compiled(signature)
        had.add(signature)
        return found

    return compiled_in_turn


def _is_kept(cache: FunctionCache, signature: Any) -> bool:
    """Whether the index names machine code for this."""
    key = cache._index_key(signature, cpu_target.target_context.codegen())
    return key in cache._cache_file._load_index()
