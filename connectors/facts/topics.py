"""Where a source publishes over MQTT: templates of topics, and which level of them names whom.

    [mqtt]
    topic = "dosetwin/v1/ingest/{user}/{device}"             # also {patient}; + is a level that says nothing
    status = "dosetwin/v1/ingest/{user}/{device}/status"     # births and last wills of devices

    [mqtt.users]                                             # who may publish, and of whom; anybody without
    "gateway-3" = ["*"]
    "phone-12" = ["P-12"]                                    # patients by the ids that topic or payload have

A level proves somebody's name only where the broker lets nobody else write there (``pattern write
dosetwin/v1/ingest/%u/#`` in mosquitto's list of rights).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

NAMES = ("user", "patient", "device")
"""What a level may name."""

_LEVEL = re.compile(r"\{(user|patient|device)\}|\+|[^+#{}$\x00]+")


class Origin(NamedTuple):
    """Whom a topic names; empty where it does not say.

    A device is ``USER/DEVICE`` where its topic names both: two users may call theirs alike, and none speaks for the
    device of another.
    """

    user: str = ""
    patient: str = ""
    device: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """The levels of a topic: words, ``+``, or one of `NAMES` in braces."""

    levels: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Template:
        """Read a template.

        Raises:
            ValueError: naming the level that cannot be used.
        """
        levels = tuple(text.split("/"))
        for level in levels:
            if not _LEVEL.fullmatch(level):
                raise ValueError(f"{text!r}: level {level!r}: use a word, +, or {{user}}, {{patient}} or {{device}}")
        named = [level for level in levels if level.startswith("{")]
        if len(set(named)) != len(named):
            raise ValueError(f"{text!r}: a name stands at two levels; name each once")
        if _is_open(levels[0]):
            raise ValueError(f"{text!r}: the first level is a word, or everything on the broker would be listened to")
        return cls(levels)

    @property
    def filter(self) -> str:
        """What to subscribe to."""
        return "/".join("+" if _is_open(level) else level for level in self.levels)

    def names(self, name: str) -> bool:
        """Whether a level of it names a ``user``, ``patient`` or ``device``."""
        return f"{{{name}}}" in self.levels

    def origin(self, topic: str) -> Origin | None:
        """Whom a topic names; None where it is none of these."""
        said = topic.split("/")
        if len(said) != len(self.levels):
            return None
        named: dict[str, str] = {}
        for level, word in zip(self.levels, said, strict=True):
            if level.startswith("{"):
                if not word.strip():
                    return None
                named[level[1:-1]] = word
            elif level not in ("+", word):
                return None
        if "user" in named and "device" in named:
            named["device"] = f"{named['user']}/{named['device']}"
        return Origin(**named)

    def meets(self, other: Template) -> bool:
        """Whether some topic is of both."""
        pairs = zip(self.levels, other.levels, strict=False)
        return len(self.levels) == len(other.levels) and all(a == b or _is_open(a) or _is_open(b) for a, b in pairs)


def _is_open(level: str) -> bool:
    return level == "+" or level.startswith("{")


class MqttPart(BaseModel):
    """``[mqtt]`` of a profile, as its file has it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    topic: str
    status: str = ""
    users: dict[str, list[str]] = {}


@dataclass(frozen=True, slots=True)
class Topics:
    """Where a source publishes its facts and the births and deaths of its devices, and who may.

    Attributes:
        users: patterns of the patients of each; anybody may publish of anybody where it is empty.
    """

    facts: Template
    status: Template | None
    users: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, part: MqttPart) -> Topics:
        """Check what a profile says.

        Raises:
            ValueError: naming field, value and mend.
        """
        try:
            facts = Template.of(part.topic)
        except ValueError as error:
            raise ValueError(f"field 'mqtt.topic' {error}") from None
        try:
            status = Template.of(part.status) if part.status else None
        except ValueError as error:
            raise ValueError(f"field 'mqtt.status' {error}") from None
        if status is not None and not status.names("device"):
            raise ValueError(f"field 'mqtt.status' {part.status!r}: a level names the device: {{device}}")
        if part.users and not all(one.names("user") for one in (facts, status) if one is not None):
            raise ValueError("field 'mqtt.users': topic and status need a level {user}, or nobody knows who published")
        return cls(facts, status, {user: tuple(patients) for user, patients in part.users.items()})

    def templates(self) -> Iterator[Template]:
        """All there are."""
        yield self.facts
        if self.status is not None:
            yield self.status

    def is_status(self, topic: str) -> bool:
        """Whether births and deaths are published there; that goes before what its template for facts says."""
        return self.status is not None and self.status.origin(topic) is not None

    def origin(self, topic: str) -> Origin | None:
        """Whom a topic of this source names; None where it is none of it."""
        if self.status is not None and (found := self.status.origin(topic)) is not None:
            return found
        return self.facts.origin(topic)

    def takes(self, user: str) -> bool:
        """Whether this user publishes for this source."""
        return not self.users or user in self.users

    def may(self, user: str, patient: str) -> bool:
        """Whether a user may say something of a patient, by the id that topic or payload has."""
        return not self.users or any(fnmatchcase(patient, one) for one in self.users.get(user, ()))

    def meets(self, other: Topics) -> bool:
        """Whether some publication would be of both sources."""
        if self.users and other.users and not self.users.keys() & other.users.keys():
            return False
        return any(one.meets(another) for one in self.templates() for another in other.templates())
