"""Sets of options that several commands share: a command names the set as one parameter, people see its options.

A set is a `NamedTuple` whose fields are annotated for typer; a field may be a set itself.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints


def with_sets(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` as typer can read it: in the place of each parameter that is a set stand the set's options."""
    parameters = inspect.signature(command, eval_str=True).parameters.values()

    @functools.wraps(command)
    def run(**given: Any) -> None:
        taken = {p.name: _taken(p.annotation, given) for p in parameters if _is_set(p.annotation)}
        command(**taken, **given)

    seen = [one for p in parameters for one in (_options(p.annotation) if _is_set(p.annotation) else [p])]
    # By name alone, so that one without a default may stand behind one that has it.
    keywords = [one if one.kind is one.VAR_KEYWORD else one.replace(kind=one.KEYWORD_ONLY) for one in seen]
    run.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    run.__annotations__ = {}  # all of them stand in the signature
    return run


def _is_set(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_field_defaults")


def _fields(of: Any) -> Mapping[str, Any]:
    """Annotations of a set's fields by name."""
    return get_type_hints(of, include_extras=True)


def _options(of: Any) -> Iterator[inspect.Parameter]:
    for name, annotation in _fields(of).items():
        if _is_set(annotation):
            yield from _options(annotation)
            continue
        default = of._field_defaults.get(name, inspect.Parameter.empty)
        yield inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _taken(of: Any, given: dict[str, Any]) -> Any:
    """The set, of its options among those that were given, which are taken from there."""
    return of(*(_taken(kind, given) if _is_set(kind) else given.pop(name) for name, kind in _fields(of).items()))
