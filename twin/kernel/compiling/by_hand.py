"""Functions that are written by hand and compiled: Numba keeps their machine code beside their source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, overload

from numba import njit

from twin.kernel.compiling import front_end  # noqa: F401 (which makes compiling quick)
from twin.kernel.compiling.turns import in_turn


@overload
def compiled(function: Callable[..., Any], /) -> Any: ...
@overload
def compiled(*, error_model: Literal["python", "numpy"]) -> Callable[[Callable[..., Any]], Any]: ...
def compiled(
    function: Callable[..., Any] | None = None, /, *, error_model: Literal["python", "numpy"] = "python"
) -> Any:
    """A decorator: compiled when it is first called with arguments of some types, by one process at a time; other
    threads go on while it runs.

    Args:
        error_model: what a division by nothing is, as ``numba.njit`` has it.
    """

    def made(function: Callable[..., Any]) -> Any:
        dispatcher = njit(function, nogil=True, cache=True, error_model=error_model)
        dispatcher.compile = in_turn(dispatcher._cache, dispatcher.compile)
        return dispatcher

    return made if function is None else made(function)
