"""What every event carries, and what its class says of it: where it is sent, and an example.

The envelope is frozen and strict. A quantity is a value with a UCUM unit; it is converted once, where the event enters
the twin (`twin.units.convert`). Times are event times and carry an offset.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from twin.events.bounds import ModelTag
from twin.events.channels import Channel
from twin.events.event_time import EventTime

PatientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="pseudonym, never a name")]
StaffId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="who did something, by pseudonym, never by name"),
]
STAFF_ID_IN_WORDS = (
    "a pseudonym, never a name: 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"
)
EventId = Annotated[str, Field(min_length=1, max_length=128)]
Name = Annotated[str, Field(min_length=1, max_length=64)]
ModelName = Annotated[str, Field(min_length=1, max_length=256)]
MOST_SEQUENCE = 2**53
"""Up to this every reader of JSON keeps whole numbers as they are."""

Status = Literal["preliminary", "final", "corrected", "retracted"]


class Frozen(BaseModel):
    """Base of every wire value: immutable, strict, no unknown fields, no NaN or infinity."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


_NAMES: dict[frozenset[str], set[str]] = {}


def share_names(value: Frozen) -> None:
    """Let a value that is kept for long share with others the names of the fields that were given.

    pydantic keeps them with every value, in half of its memory, and there are few sets of them.
    """
    names = value.model_fields_set
    object.__setattr__(value, "__pydantic_fields_set__", _NAMES.setdefault(frozenset(names), names))
    for part in vars(value).values():
        for each in part if isinstance(part, tuple) else (part,):
            if isinstance(each, Frozen):
                share_names(each)


class Quantity(Frozen):
    """A number with its UCUM unit, e.g. ``{"value": 96, "unit": "mg"}``."""

    value: float
    unit: Annotated[str, Field(min_length=1, max_length=32)]


class Event(Frozen):
    """Whatever is sent by itself.

    A kind of event is a class with a ``kind`` of its own, as in ``kind: Literal["clock"] = "clock"``, found because it
    stands in `twin.events.inputs` or `twin.events.outputs`. The first line of its docstring says what it is.
    """

    sent_on: ClassVar[Channel]

    if TYPE_CHECKING:

        @property
        def kind(self) -> str: ...

    @classmethod
    @abstractmethod
    def example(cls) -> Self:
        """An invented event of this kind, of the patient of `twin.events.story`."""


class Envelope(Event):
    """What an event about a patient carries: who, when, from where, and an id that is the same for the same fact."""

    v: Literal[1] = 1
    event_id: EventId
    patient_id: PatientId
    time: EventTime
    source: Name


class InputEvent(Envelope):
    """What devices, laboratories and people say.

    ``sequence`` is the event's place among what its source says of the patient at the same ``time``, where the source
    has an order: a level with a greater one than a dose was drawn after it. A correction carries it again.
    """

    sequence: Annotated[int, Field(ge=0, le=MOST_SEQUENCE)] | None = None


class ClinicalEnvelope(InputEvent):
    """An input that a later event may correct or retract.

    ``replaces`` names the event that this one corrects (``status="corrected"``) or withdraws (``"retracted"``).
    """

    status: Status = "final"
    replaces: EventId | None = None

    @model_validator(mode="after")
    def _replacement_names_its_target(self) -> ClinicalEnvelope:
        if self.status in ("corrected", "retracted") and self.replaces is None:
            raise ValueError(f"status '{self.status}' needs 'replaces': the event_id that is {self.status}")
        if self.replaces is not None and self.status not in ("corrected", "retracted"):
            raise ValueError("'replaces' needs status 'corrected' or 'retracted'")
        return self


class OutputEvent(Envelope):
    """What the twin says; besides the envelope which model spoke, or which rival ones, ``A,B,C``.

    ``replay_file`` is the file of a replay (`dosetwin replay`) that holds its kind.
    """

    replay_file: ClassVar[str]

    model: ModelTag
    model_hash: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z0-9,._-]+$")]
