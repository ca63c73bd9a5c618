"""A source's own JSON, put into words: which of its members is which field of which event.

    [[map]]
    kind = "vital_sample"
    time = { at = "/ts", epoch = "ms" }                  # or "s"; without it a time of ISO 8601
    [map.fields]
    channel = "heart_rate"                               # a word stands for itself
    value = { at = "/hr", unit = "/min" }                # or unit_at = "/unit", a text that [units] may explain
    device_id = { at = "/serial" }                       # without it the device that the topic names

``at`` is a JSON pointer (RFC 6901), within each object of ``each`` where that is given. ``patient`` points to the
patient's id where the topic does not name them, ``id`` to what the sender knows the reading by. ``words`` says what
the sender's words are in the event, and ``{ value = 0.4, unit = "mg/mL" }`` is a quantity that it never sends.
"""

from __future__ import annotations

import types
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

from twin.events import INPUT_EVENTS, ClinicalEnvelope, Quantity, kind_of
from twin.units import UnitError, quantity_of

MappedKind = Literal[
    "vital_sample", "lab_result", "drug_level", "covariate", "dose_given", "pump_delivery", "pump_totals"
]

Pointer = Annotated[str, Field(pattern=r"^(/([^/~]|~[01])*)+$")]

_CLASSES = {kind_of(event): event for event in INPUT_EVENTS}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class At(_Part):
    """Where a field's value stands, or what it always is; ``unit`` is in UCUM."""

    at: Pointer | None = None
    value: float | None = None
    unit: Annotated[str, Field(max_length=32)] = ""
    unit_at: Pointer | None = None
    words: dict[str, str] = {}


class TimeAt(_Part):
    """Where the time stands, and what it is counted in where it is a number since 1970 (UTC)."""

    at: Pointer
    epoch: Literal["s", "ms"] | None = None


class Mapped(_Part):
    """How one kind of event is made of an object."""

    kind: MappedKind
    time: TimeAt
    fields: dict[str, str | At] = Field(min_length=1)
    each: Pointer | None = None
    patient: Pointer | None = None
    id: Pointer | None = None

    @property
    def event(self) -> Any:
        """The class of the event."""
        return _CLASSES[self.kind]

    def required(self, name: str) -> bool:
        """Whether the event cannot be without this field."""
        return bool(self.event.model_fields[name].is_required())

    def is_quantity(self, name: str) -> bool:
        """Whether the field is a number with a unit."""
        return Quantity in _alternatives(self.event.model_fields[name].annotation)

    def is_time(self, name: str) -> bool:
        """Whether the field is a moment; it is counted as ``time`` is."""
        return any(
            part is datetime
            for one in _alternatives(self.event.model_fields[name].annotation)
            for part in (get_args(one)[0] if get_origin(one) is Annotated else one,)
        )


def check(mapped: Mapped) -> None:
    """Whether an event can come of it.

    Raises:
        ValueError: naming field, value and mend.
    """
    own = {name for name in mapped.event.model_fields if name not in ClinicalEnvelope.model_fields} - {"kind"}
    for name, told in mapped.fields.items():
        place = f"field 'map.fields.{name}'"
        if name not in own:
            raise ValueError(f"{place}: a {mapped.kind} has no such field; use one of {', '.join(sorted(own))}")
        if mapped.is_quantity(name):
            _check_quantity(told, place)
        elif mapped.is_time(name) and not (isinstance(told, At) and told.at is not None):
            raise ValueError(f"{place}: it is a time; write {{ at = POINTER }}")
        elif isinstance(told, At) and (told.at is None or told.value is not None or told.unit or told.unit_at):
            raise ValueError(f"{place}: it is no quantity; write a word, or {{ at = POINTER }}")
    for name in sorted(own - mapped.fields.keys() - {"device_id"}):
        if mapped.required(name):
            raise ValueError(f"field 'map.fields.{name}' is missing: a {mapped.kind} needs it")


def _check_quantity(told: str | At, place: str) -> None:
    mend = "write { at = POINTER, unit = UCUM }, or unit_at = POINTER, or { value = NUMBER, unit = UCUM }"
    if not isinstance(told, At) or (told.at is None) == (told.value is None) or bool(told.unit) == bool(told.unit_at):
        raise ValueError(f"{place}: it is a quantity; {mend}")
    if told.unit:
        try:
            quantity_of(told.unit)
        except UnitError as error:
            raise ValueError(f"{place}: {error}") from None


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The types that a field may have."""
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)
