"""Keys that come twice in one JSON object, of which every reader keeps another.

``{"amount": 100, "amount": 500}`` is well-formed JSON (RFC 8259, section 4: the behaviour is unpredictable). Which of
the two was meant, nobody can tell.
"""

from __future__ import annotations

import functools
import json
from typing import Any, get_args

from pydantic import BaseModel

from twin.events.envelope import Quantity


class _Twice(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def keys_of(value: BaseModel) -> int:
    """How many keys the JSON of a wire value had, objects within it included, if none came twice."""
    count = len(value.__pydantic_fields_set__)
    held = value.__dict__
    for name in _holding(type(value)):
        inner = held[name]
        if type(inner) is Quantity:
            count += len(inner.__pydantic_fields_set__)
        elif type(inner) is tuple:
            count += sum(map(keys_of, inner))
        elif inner is not None:
            count += keys_of(inner)
    return count


@functools.cache
def _holding(kind: type[BaseModel]) -> tuple[str, ...]:
    """Fields that hold wire values themselves, alone or in a tuple."""
    return tuple(name for name, field in kind.model_fields.items() if _models_in(field.annotation))


def _models_in(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return any(_models_in(argument) for argument in get_args(annotation))


def repeated_key(raw: bytes) -> str | None:
    """The first key that comes twice in an object of well-formed JSON; ``None`` if none does."""
    try:
        json.loads(raw, object_pairs_hook=_each_once)
    except _Twice as twice:
        return twice.key
    return None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        raise _Twice(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return found
