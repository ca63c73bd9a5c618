"""Reading HL7 v2 (chapter 2 of the standard): delimiters, segments, fields, repetitions, components, escapes.

It reads and does not validate: unknown segments are kept, empty lines and a byte order mark passed over, segments may
end with CR, LF or both. Two messages in one frame are refused, since their sender could not learn which of them was
taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from connectors.facts.fact import NotAFact

NULL = '""'
"""What a field holds that is to be emptied, which is not the same as an empty field."""

_LINE_ENDS = re.compile(r"[\r\n]+")


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The characters of MSH-1 and MSH-2; ``truncation`` is the fifth of v2.7 on."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    def plain(self, text: str) -> str:
        """Text without its escapes; what they say of looks is left out."""
        if not self.escape or self.escape not in text:
            return text
        marks = {"F": self.field, "S": self.component, "T": self.subcomponent, "R": self.repetition, "E": self.escape}
        marks |= {"P": self.truncation, ".br": "\n", "H": "", "N": ""}
        escape = re.escape(self.escape)
        return re.sub(f"{escape}([^{escape}]*){escape}", lambda found: _unescaped(found, marks), text)


def _unescaped(found: re.Match[str], marks: dict[str, str]) -> str:
    said = found[1]
    if said in marks:
        return marks[said]
    if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", said):
        return bytes.fromhex(said[1:]).decode("latin-1")
    return "" if re.fullmatch(r"[CMZ.].*", said) else found[0]


@dataclass(frozen=True)
class Segment:
    """A segment; fields count from 1 as in the standard, MSH-1 being the delimiter itself."""

    name: str
    fields: tuple[str, ...]
    delimiters: Delimiters
    _parted: dict[int, list[list[str]]] = field(default_factory=dict, compare=False, repr=False)

    def raw(self, field: int) -> str:
        """A field as it stands, empty where there is none."""
        return self.fields[field] if field < len(self.fields) else ""

    def repetitions(self, field: int) -> list[list[str]]:
        """The components of each repetition of a field, without escapes; none of an empty one. Not to be changed."""
        found = self._parted.get(field)  # a field is asked for by several readers, some many times
        if found is None:
            raw = self.raw(field)
            parts = raw.split(self.delimiters.repetition or "\0") if raw else []
            found = self._parted[field] = [self._components(part) for part in parts]
        return found

    def components(self, field: int) -> list[str]:
        """The components of the first repetition of a field."""
        found = self.repetitions(field)
        return found[0] if found else []

    def __call__(self, field: int, component: int = 1) -> str:
        """A component of a field without escapes and blanks around it; empty where there is none, or an explicit
        null.
        """
        parts = self.components(field)
        text = parts[component - 1].strip() if component <= len(parts) else ""
        return "" if text == NULL else text

    def _components(self, part: str) -> list[str]:
        return [self.delimiters.plain(text) for text in part.split(self.delimiters.component)]

    def sub(self, text: str) -> list[str]:
        """The subcomponents of a component."""
        return text.split(self.delimiters.subcomponent) if self.delimiters.subcomponent else [text]


@dataclass(frozen=True)
class Message:
    """A message, its first segment MSH."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """MSH."""
        return self.segments[0]

    @cached_property
    def type(self) -> str:
        """Message and event, as ``ORU^R01``."""
        return "^".join(part for part in (self.header(9, 1), self.header(9, 2)) if part)

    def of(self, name: str) -> Iterator[Segment]:
        """The segments of a name, in order."""
        return (segment for segment in self.segments if segment.name == name)


def parse(text: str) -> Message:
    """The message in a frame's text.

    Raises:
        NotAFact: ``malformed`` where it does not begin with MSH or has two, ``unsupported`` where it is a batch.
    """
    lines = [line for line in _LINE_ENDS.split(text.removeprefix("\ufeff")) if line.strip()]
    if not lines:
        raise NotAFact("malformed", "an empty frame; a message begins with MSH")
    if lines[0][:3] in ("FHS", "BHS"):
        raise NotAFact("unsupported", "a batch (FHS, BHS); send its messages one by one")
    if lines[0][:3] != "MSH" or len(lines[0]) < 8:
        raise NotAFact("malformed", "a message begins with MSH and its delimiters, as MSH|^~\\&|")
    delimiters = _delimiters(lines[0])
    segments = tuple(_segment(line, delimiters) for line in lines)
    if sum(segment.name == "MSH" for segment in segments) > 1:
        raise NotAFact("malformed", "two MSH in one frame; send each message in a frame of its own")
    return Message(segments)


def header_of(frame: bytes) -> Message | None:
    """The MSH of a frame that cannot be read as a whole, so that its sender still learns which message is meant."""
    begin = frame.lstrip(b"\xef\xbb\xbf\r\n")
    first = _LINE_ENDS.split(begin.decode("latin-1"), maxsplit=1)[0]
    try:
        return parse(first)
    except NotAFact:
        return None


def _delimiters(header: str) -> Delimiters:
    field, marks = header[3], header[4:].split(header[3], 1)[0]
    if field.isalnum() or not marks or marks[0].isalnum() or len({field, *marks}) != 1 + len(marks):
        raise NotAFact("malformed", "MSH-1 and MSH-2 are different marks, as |^~\\&")
    component, repetition, escape, subcomponent, truncation = list(marks.ljust(5))[:5]
    return Delimiters(field, component, repetition.strip(), escape.strip(), subcomponent.strip(), truncation.strip())


def _segment(line: str, delimiters: Delimiters) -> Segment:
    parts = line.split(delimiters.field)
    if parts[0] == "MSH":
        parts.insert(1, delimiters.field)
    return Segment(parts[0].strip(), tuple(parts), delimiters)
