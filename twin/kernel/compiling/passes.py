"""Numba's passes over a function in its own language, without work that comes to nothing.

After each pass Numba finds out which variables live where, which only the last one asks; for each variable that is
assigned to more than once it rewrites every statement, of which a few name it; and whenever it looks for how an
operator is lowered it goes through all of its registries, to which nothing was added. What each of the passes hands on
is the same here as there, so that the same instructions come of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from numba.core import base, ir, postproc, ssa, transforms, untyped_passes
from numba.core.typing import context as typing_context

Blocks = dict[int, Any]


@contextlib.contextmanager
def without_detours() -> Iterator[None]:
    """While something is compiled; one thread at a time."""
    usual = [(owner, name, getattr(owner, name)) for owner, name, _ in _SHORTER]
    for owner, name, shorter in _SHORTER:
        setattr(owner, name, shorter)
    try:
        yield
    finally:
        for owner, name, function in usual:
            setattr(owner, name, function)


# --- lives of variables ----------------------------------------------------------------------------------------------

_processed = postproc.PostProcessor.run


def _processed_when_asked(self: Any, emit_dels: bool = False, extend_lifetimes: bool = False) -> None:
    """Lives of variables are found when they are asked for; what is alive at a block's entry only generators ask."""
    function = self.func_ir
    if function.is_generator:
        _processed(self, emit_dels, extend_lifetimes)
        return
    function.blocks = transforms.canonicalize_cfg(function.blocks)
    function.variable_lifetime = postproc.VariableLifetime(function.blocks)
    function.generator_info = None
    if emit_dels:
        self._insert_var_dels(extend_lifetimes=extend_lifetimes)


def _defined_in_each_scope(blocks: Blocks) -> None:
    """As Numba does, but once for each scope: usually all blocks share one."""
    statements = (each for block in blocks.values() for each in block.body)
    used = {variable.name: variable for each in statements for variable in each.list_vars()}
    for scope in {id(block.scope): block.scope for block in blocks.values()}.values():
        for name, variable in used.items():
            if name not in scope.localvars:
                scope.localvars.define(name, variable)


# --- what a statement names ------------------------------------------------------------------------------------------

_PLAIN = {str, int, float, bool, type(None), ir.Loc, ir.Const, ir.Global, ir.FreeVar, ir.Arg, type(ir.UNDEFINED)}
"""Types of what names no variable."""


def _variables_of(statement: Any, value: Any) -> list[Any]:
    found: list[Any] = []
    _gather(statement, value, found)
    return found


def _gather(statement: Any, value: Any, found: list[Any]) -> None:
    """Numba's way through a statement, in the same order, but without asking twice what kind of thing something is."""
    kind = type(value)
    if kind is ir.Var:
        found.append(value)
    elif kind in _PLAIN:
        pass
    elif kind is dict:
        for each in value.values():
            _gather(statement, each, found)
    elif kind is list or kind is tuple:
        for each in value:
            _gather(statement, each, found)
    elif isinstance(value, ir.Inst):
        found += value.list_vars()
    else:
        found += _listed(statement, value)


_listed = ir.Inst._rec_list_vars


# --- one assignment to each variable ---------------------------------------------------------------------------------

_NAMED: dict[int, tuple[Any, frozenset[str]]] = {}
"""Variables that a statement names, by its identity, and the statement, so that no other gets the same one."""


def _named_in(statement: Any) -> frozenset[str]:
    kept = _NAMED.get(id(statement))
    if kept is None:
        names = frozenset(variable.name for variable in statement.list_vars())
        kept = _NAMED[id(statement)] = statement, names
    return kept[1]


_in_single_assignments: Callable[[Blocks], Blocks] = ssa._run_ssa


def _to_single_assignments(blocks: Blocks) -> Blocks:
    try:
        return _in_single_assignments(blocks)
    finally:
        _NAMED.clear()


def _rewritten_where_named(blocks: Blocks, states: dict[str, Any], handler: Any) -> Blocks:
    """Where the variable is named, the statements that ``handler`` makes of a block's; other blocks as they are."""
    variable, rewritten = states["varname"], dict[int, Any]()
    for label, block in blocks.items():
        new = ir.Block(scope=block.scope, loc=block.loc)
        new.body = block.body
        if any(variable in _named_in(each) for each in block.body):
            states["label"], states["block"] = label, block
            new.body = list(_handled(states, block, handler))
        rewritten[label] = new
    return rewritten


def _handled(states: dict[str, Any], block: Any, handler: Any) -> Iterator[Any]:
    """What a handler makes of each statement: Numba's loop, but for what it writes to a log."""
    for each in block.body:
        yield handler.on_assign(states, each) if isinstance(each, ir.Assign) else handler.on_other(states, each)


# --- registries ------------------------------------------------------------------------------------------------------

_refreshed = base.BaseContext.refresh
_refreshed_typing = typing_context.BaseContext.refresh
_SEEN: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
"""How much stood in the registries of a context when they were last gone through."""


def _refreshed_if_more(self: Any) -> None:
    _if_more(self, _refreshed, (self, self.typing_context))


def _refreshed_typing_if_more(self: Any) -> None:
    _if_more(self, _refreshed_typing, (self,))


def _if_more(context: Any, refresh: Any, contexts: tuple[Any, ...]) -> None:
    if _SEEN.get(context) == _registered(contexts):
        return
    refresh(context)
    _SEEN[context] = _registered(contexts)


def _registered(contexts: tuple[Any, ...]) -> int:
    """How much stands in all the registries that these contexts know."""
    return sum(
        len(getattr(registry, kind))
        for context in contexts
        for registry, loader in context._registries.items()
        for kind in loader.registry_items
    )


_SHORTER: tuple[tuple[Any, str, Any], ...] = (
    (postproc.PostProcessor, "run", _processed_when_asked),
    (untyped_passes, "fixup_var_define_in_scope", _defined_in_each_scope),
    (ir.Inst, "_rec_list_vars", _variables_of),
    (ssa, "_run_ssa", _to_single_assignments),
    (ssa, "_run_block_rewrite", _rewritten_where_named),
    (ssa, "_run_ssa_block_pass", _handled),
    (base.BaseContext, "refresh", _refreshed_if_more),
    (typing_context.BaseContext, "refresh", _refreshed_typing_if_more),
)
