"""A reader of InfluxDB line protocol, written from its specification, to check what is written against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """One line as the database understands it; integers come as `int`, floats as `float`."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, float | int | str | bool]
    ns: int

    @property
    def identity(self) -> tuple[str, tuple[tuple[str, str], ...], int]:
        """What makes a later write replace an earlier one."""
        return self.measurement, tuple(sorted(self.tags.items())), self.ns


def parse(line: str) -> Point:
    """Read one line; raises `ValueError` where it is not line protocol."""
    if "\n" in line or line.startswith("#"):
        raise ValueError(f"not one point: {line!r}")
    measurement, at = _word(line, 0, ", ")
    tags = {}
    while line[at] == ",":
        name, at = _word(line, at + 1, "=")
        tags[name], at = _word(line, at + 1, ", ")
        if not name or not tags[name]:
            raise ValueError(f"empty tag in {line!r}")
    fields: dict[str, float | int | str | bool] = {}
    while True:
        name, at = _word(line, at + 1, "=")
        fields[name], at = _value(line, at + 1)
        if line[at] == " ":
            return Point(measurement, tags, fields, int(line[at + 1 :]))
        if line[at] != ",":
            raise ValueError(f"expected ',' or ' ' at {at} of {line!r}")


def _word(line: str, at: int, ends: str) -> tuple[str, int]:
    """An unquoted word up to one of ``ends``; a backslash before a separator takes its meaning away."""
    word = ""
    while line[at] not in ends:
        if line[at] == "\\" and line[at + 1] in ",= ":
            at += 1
        word += line[at]
        at += 1
    return word, at


def _value(line: str, at: int) -> tuple[float | int | str | bool, int]:
    if line[at] != '"':
        end = min(index for index in (line.find(",", at), line.find(" ", at)) if index >= 0)
        text = line[at:end]
        if text in ("true", "false"):
            return text == "true", end
        return (int(text[:-1]) if text.endswith("i") else float(text)), end
    text, at = "", at + 1
    while line[at] != '"':
        if line[at] == "\\" and line[at + 1] in '"\\':
            at += 1
        text += line[at]
        at += 1
    return text, at + 1
