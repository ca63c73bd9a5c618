"""What a protocol's reader finds in a message: facts, what it refuses, and what is not meant for a twin.

A message may hold any number of facts, and each stands alone: one that is refused harms none of its neighbours. A
``place`` says where in the message something stands (``OBX[7]``, ``component[1]``), never what stands there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from twin.events import InputEvent, Status

Resolution = Literal["instant", "day", "month", "year"]


class NotAFact(ValueError):
    """What stands there cannot be used. ``reason`` is a code of `REASONS`, ``detail`` names field, value and mend."""

    def __init__(self, reason: str, detail: str) -> None:
        assert reason in REASONS, reason
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


REASONS = {
    "time_without_zone": "a time of the wall clock whose offset neither message nor profile tells",
    "time_too_coarse": "a date or month where an instant is needed",
    "no_time": "no time of observation; when a message was sent is none",
    "no_patient": "no patient's id, or a placeholder",
    "unknown_patient_id": "an id that the profile's table does not have, or of an authority that it does not name",
    "unknown_device": "no device's id where one is needed",
    "unknown_code": "no code of a system that is known; a local code belongs into the profile",
    "unknown_drug": "a drug that neither the formulary nor the profile has",
    "code_conflict": "code and name contradict each other",
    "no_unit": "a number without a unit",
    "unknown_unit": "a unit that is no UCUM code, or not of this quantity; a local spelling belongs into the profile",
    "out_of_range": "a number that this quantity cannot have",
    "not_a_reading": "a statistic, setting, calculation, order or share of something else",
    "incomplete": "a part of the fact is missing",
    "contradictory": "times, volumes or rates that cannot all be true",
    "test_message": "a test or training message from a source that is not declared as one, or the reverse",
    "forbidden": "of a patient, source or kind that is not its sender's to tell",
    "malformed": "not of the structure that the protocol has",
    "charset": "bytes that the declared character set does not have",
    "unsupported": "a kind of message that is not read",
}
"""Why something in a message is refused."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A patient as the source knows them: an id means something only beside its authority."""

    id: str
    authority: str = ""
    type: str = ""


_LIKE_A_CODE = re.compile(r"(?!.*\d{4})(?!.*[^\W\d_]{9}).{1,20}$")


def shown(text: str) -> str:
    """A unit or code of a message as a detail may show it; what could be a name or a number of a person is left out.

    Fields are shifted in some messages, and a detail is read by more people than the message.
    """
    return repr(text) if _LIKE_A_CODE.match(text) else "(not shown here, see the message)"


YEARS = range(1900, 2201)
"""Years of facts: beyond them a time is a sentinel, or of another epoch."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as the source wrote it; ``at`` has no offset where it wrote none.

    Raises:
        NotAFact: ``malformed`` where it is of none of `YEARS`.
    """

    at: datetime
    resolution: Resolution = "instant"

    def __post_init__(self) -> None:
        if self.at.year not in YEARS:
            raise NotAFact("malformed", f"a time before {YEARS[0]} or after {YEARS[-1]}; look at the sender's clock")


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact, coded and in UCUM units, of a patient and at a time as the source wrote them.

    Attributes:
        key: what makes it this fact whatever message tells it: never the message's own id.
        kind: the kind of event it becomes.
        fields: that event's own fields; quantities are `twin.events.Quantity`, moments `Moment`.
        status: final and preliminary as the source says, ``corrected`` where it says that it told otherwise before,
            ``retracted`` where it takes back what it told.
        manner: how it was come by, where it is less to be trusted: it stands behind the name of the source.
    """

    key: tuple[str, ...]
    kind: str
    fields: Mapping[str, object]
    subject: Subject | None
    moment: Moment | None
    place: str
    status: Status = "final"
    manner: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was meant as a fact and cannot be used: it goes to the dead letters."""

    place: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Passed:
    """Something that no twin reads; it is counted, by ``what``, and no dead letter."""

    place: str
    what: str


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """An event of ours, as its sender made it: with an id that is its fact's, of a patient as they are known here."""

    event: InputEvent
    place: str


Found = Fact | OwnEvent | Refusal | Passed


@dataclass(frozen=True, slots=True)
class Reading:
    """All that a message says. ``is_test`` is what the message says of itself: a test, or training."""

    found: tuple[Found, ...] = ()
    is_test: bool = False
    version: tuple[tuple[str, ...], datetime, str] | None = None
    """Key of the resource, when its server made this version, and its id, so that an older one does not come after."""
    all_of: tuple[str, ...] = ()
    """Key of a resource all of whose facts are here: what it told before and does not any more is taken back."""
