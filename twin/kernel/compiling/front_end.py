"""Numba's front end, made quicker without another instruction in what comes of it, wherever this is imported.

Nearly all of the time that a kernel takes to compile goes into Numba's own Python, little into LLVM. Three habits of it
cost a third of it. To find the type of ``a + b`` it tries every way in which anything may be added, anew for each
plus sign; here the answer for an operator and its operands' types is remembered. It makes so many small objects
that the garbage collector walks through all of the process again and again; here it waits for more of them. And its
passes do much that comes to nothing: `twin.kernel.compiling.passes`.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator
from typing import Any

from numba.core import event
from numba.core.compiler_lock import global_compiler_lock
from numba.core.types import functions

from twin.kernel.compiling.passes import without_detours

ROOMY = (100_000, 20, 20)
"""Thresholds of the garbage collector while a kernel is compiled: Python's own are (700, 10, 10)."""

REMEMBERED = {"_operator", "builtins", "math"}
"""Modules of the functions whose types depend on those of their arguments alone."""

_SIGNATURES: dict[tuple[Any, tuple[Any, ...]], tuple[Any, Any]] = {}


@contextlib.contextmanager
def quick() -> Iterator[None]:
    """While something is compiled; one thread at a time, as Numba has it."""
    with global_compiler_lock, _roomy(), _remembering(), without_detours():
        yield


class Quickly(event.Listener):
    """Hears when Numba begins and ends to compile, which one thread does at a time: functions of models, those that are
    written by hand, and in the midst of one another."""

    def __init__(self) -> None:
        self._begun: list[contextlib.ExitStack] = []

    def on_start(self, _: event.Event) -> None:
        """All is quick while the outermost function is compiled."""
        usual = contextlib.ExitStack()
        if not self._begun:
            usual.enter_context(quick())
        self._begun.append(usual)

    def on_end(self, _: event.Event) -> None:
        """As it was, also after an error."""
        self._begun.pop().close()


ALWAYS = Quickly()

COMPILES = "numba:compile"
"""Numba's name of the event: something is compiled that was not found in a cache."""


@contextlib.contextmanager
def _roomy() -> Iterator[None]:
    usual = gc.get_threshold()
    if usual[0]:  # else nothing is collected at all
        gc.set_threshold(*map(max, usual, ROOMY))
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@contextlib.contextmanager
def _remembering() -> Iterator[None]:
    typed: Any = functions.BaseFunction
    resolved = typed.get_call_type

    def remembered(function: Any, context: Any, args: Any, kws: Any) -> Any:
        if kws or getattr(function.typing_key, "__module__", None) not in REMEMBERED:
            return resolved(function, context, args, kws)
        key = (function, tuple(args))
        if key not in _SIGNATURES:
            signature = resolved(function, context, args, kws)
            _SIGNATURES[key] = signature, function._impl_keys[signature.args]
        signature, implementation = _SIGNATURES[key]
        function._impl_keys[signature.args] = implementation  # equal functions are not always the same one
        return signature

    typed.get_call_type = remembered
    try:
        yield
    finally:
        typed.get_call_type = resolved


event.register(COMPILES, ALWAYS)
