"""Numba's disk cache with a seal: what was compiled is used again only for the very source that it was compiled from.

Numba keeps an index (``.nbi``) and one file of machine code for each signature (``.nbc``), both pickles, and believes
them. Here each is read and written by `twin.kernel.cache`, sealed with the generated source: a file with one changed
byte, or of another kernel, counts as missing, and nothing in it is unpickled. What is missing is compiled by one
process at a time (`twin.kernel.compiling.turns`).
"""

from __future__ import annotations

import pickle
from types import FunctionType, ModuleType
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, _CacheLocator
from numba.core.dispatcher import Dispatcher

from twin.kernel.cache import folder, keep, recalled
from twin.kernel.compiling import front_end  # noqa: F401 (which makes compiling quick)
from twin.kernel.compiling.turns import in_turn


def seal(module: ModuleType, source: str) -> None:
    """Give every compiled function of a generated module its place in the cache, bound to ``source``."""
    for function in vars(module).values():
        if isinstance(function, Dispatcher) and function.py_func.__module__ == module.__name__:
            function._cache = cache = _SealedCache(function.py_func, source.encode())  # type: ignore[attr-defined]
            function.compile = in_turn(cache, function.compile)  # type: ignore[method-assign, assignment]


class _Locator(_CacheLocator):
    """Where the files of a function are, and what they go stale with."""

    def __init__(self, function: FunctionType, source: bytes) -> None:
        self._py_file = function.__code__.co_filename  # numba names it in a warning
        self._line = function.__code__.co_firstlineno
        self._source = source

    def ensure_cache_path(self) -> None:
        folder()

    def get_cache_path(self) -> str:
        return str(folder())

    def get_source_stamp(self) -> bytes:
        return self._source

    def get_disambiguator(self) -> str:
        return str(self._line)


class _SealedImpl(CompileResultCacheImpl):
    """Numba's way to take compiled code apart and put it together, with our place for it."""

    def __init__(self, function: FunctionType, source: bytes) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = _Locator(function, source)
        self._filename_base = self.get_filename_base(f"{function.__module__}.{function.__qualname__}", "")


class _SealedFiles(IndexDataCacheFile):
    """Index and machine code, of which nothing is unpickled whose seal does not hold."""

    def __init__(self, base: str, source: bytes) -> None:
        super().__init__(cache_path=str(folder()), filename_base=base, source_stamp=None)
        # Machine code also depends on who made it.
        self._made_of = source + f"\0numba {numba.__version__}".encode()

    def _load_index(self) -> dict[Any, str]:
        found = self._unsealed(self._index_name)
        return {} if found is None else found

    def _save_index(self, overloads: dict[Any, str]) -> None:
        keep(self._index_name, self._made_of, self._dump(overloads))

    def _load_data(self, name: str) -> Any:
        found = self._unsealed(name)
        if found is None:
            raise FileNotFoundError(name)  # which numba takes for a file that was deleted, and compiles anew
        return found

    def _save_data(self, name: str, data: Any) -> None:
        keep(name, self._made_of, self._dump(data))

    def _unsealed(self, name: str) -> Any:
        content = recalled(name, self._made_of)
        return None if content is None else pickle.loads(content)


class _SealedCache(FunctionCache):
    """The cache of one function."""

    def __init__(self, function: FunctionType, source: bytes) -> None:
        self._name = repr(function)
        self._py_func = function
        self._impl = _SealedImpl(function, source)
        self._cache_path = self._impl.locator.get_cache_path()
        self._cache_file = _SealedFiles(self._impl.filename_base, source)
        self.enable()
