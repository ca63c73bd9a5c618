"""What is compiled in less time is the same code, to the instruction."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import ModuleType
from typing import Any

import pytest
from numba import float64, int64, njit
from numba.core import event
from numba.core.errors import TypingError
from numba.core.types.functions import BaseFunction

from tests.twin import toys
from twin.kernel.codegen import generate
from twin.kernel.compiling import front_end
from twin.kernel.compiling.front_end import ALWAYS, COMPILES, ROOMY, quick
from twin.model.structure import analyse

MODEL = toys.bolus()


@pytest.fixture
def usual() -> Iterator[tuple[int, int, int]]:
    """Python's own thresholds, whatever others have set."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield gc.get_threshold()
    gc.set_threshold(*before)


@contextmanager
def module_of(source: str) -> Iterator[ModuleType]:
    module = ModuleType("dosetwin_front_end")
    sys.modules[module.__name__] = module
    exec(source, vars(module))
    yield module
    del sys.modules[module.__name__]


def instructions(source: str, name: str, signature: tuple[Any, ...], within: AbstractContextManager[None]) -> str:
    """Machine code of a function, without what Numba counts up in its names."""
    with module_of(source) as module, within:
        function = getattr(module, name)
        function.compile(signature)
        (code,) = function.inspect_asm().values()
    counted = re.sub(r"B\d+v\d+|v\d+B\d+\w*|_\d+_\d+|\.LBB\w+|\.Ltmp\d+|\d{6,}", "", code)
    return re.sub(r"_ZN?\w+|\.[LQ]\w+|\$[\w.]+|\t\.size\t.*", "", counted)


@contextmanager
def unheard() -> Iterator[None]:
    """Numba compiles as it does by itself."""
    event.unregister(COMPILES, ALWAYS)
    yield
    event.register(COMPILES, ALWAYS)


ROW, TABLE, BLOCK, NUMBERS = float64[::1], float64[:, ::1], float64[:, :, ::1], int64[::1]
SYSTEM = (TABLE, TABLE, BLOCK, BLOCK, BLOCK, TABLE, BLOCK)
STEPS = (ROW, ROW, NUMBERS, TABLE, NUMBERS, NUMBERS, NUMBERS, ROW)
SIGNATURES = {
    "individual": (TABLE, ROW, TABLE),
    "initial": (TABLE, ROW, TABLE, TABLE),
    "_advance": (TABLE, TABLE, ROW, *SYSTEM, *STEPS, BLOCK),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_what_is_left_out_and_remembered_changes_no_instruction(name: str) -> None:
    source, signature = generate(MODEL, analyse(MODEL))[name.strip("_")], SIGNATURES[name]
    as_numba_does = instructions(source, name, signature, unheard())
    for _ in range(1 if name == "_advance" else 2):  # nothing is remembered yet, then all is
        assert instructions(source, name, signature, nullcontext()) == as_numba_does
    assert front_end._SIGNATURES


def test_whatever_numba_compiles_is_compiled_quickly_and_then_nothing_of_it_stays() -> None:
    resolved, heard = BaseFunction.get_call_type, []

    @njit
    def inner(x):  # type: ignore[no-untyped-def]
        return x + 1

    class Asks(event.Listener):
        def on_start(self, _: event.Event) -> None:
            heard.append(BaseFunction.get_call_type is not resolved)

        def on_end(self, _: event.Event) -> None: ...

    with event.install_listener(COMPILES, Asks()):
        assert njit(lambda x: 2 * inner(x))(3) == 8
        with pytest.raises(TypingError):
            njit(lambda x: inner(x) + "")(3)
    assert heard == [True, True, True]
    assert BaseFunction.get_call_type is resolved


def test_nothing_of_it_stays_when_it_ends_or_fails(usual: tuple[int, int, int]) -> None:
    resolved = BaseFunction.get_call_type

    def compiles() -> None:
        assert gc.get_threshold() == ROOMY
        assert BaseFunction.get_call_type is not resolved
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), quick():
        compiles()
    assert gc.get_threshold() == usual
    assert BaseFunction.get_call_type is resolved


@pytest.mark.parametrize("own", [(0, 10, 10), (500_000, 50, 50)])
@pytest.mark.usefixtures("usual")
def test_who_collects_nothing_or_seldom_is_let_be(own: tuple[int, int, int]) -> None:
    gc.set_threshold(*own)
    with quick():
        assert gc.get_threshold() == own
    assert gc.get_threshold() == own
