"""Apple Health's export (export.zip or the export.xml in it): readings of phone, watch and whatever writes to them.

Read are heart rate, body temperature, oxygen saturation, both pressures of a cuff, respiratory rate, steps and weight.
The file is read as a stream, however large, and without its document type, which some versions of the app write wrong.
A pressure that stands alone is passed over: the two of a cuff stand together once more (``Correlation``). A value of an
interval of more than `LONGEST_READING` is an average and no reading; steps are of the end of theirs. Phone and watch
are two devices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple
from xml.parsers import expat

from connectors.facts.fact import NotAFact, shown
from connectors.feeds.bad_lines import BadLine
from connectors.feeds.exports import Part, Wearer, opened, refused, wearer
from connectors.feeds.stream import Note, Said, Stream, TimedEvent

LONGEST_READING = timedelta(minutes=5)
"""A reading's own interval; a longer one is an average (assumed)."""

CHUNK = 1 << 16
LONGEST_ELEMENT = 1 << 20
"""Bytes of one tag."""

LONGEST_HEAD = 1 << 18
"""Bytes in which the document type ends."""

DEEPEST = 32

HAND = "HKWasUserEntered"
PRESSURES = "HKCorrelationTypeIdentifierBloodPressure"
_QUANTITY = "HKQuantityTypeIdentifier"


class Type(NamedTuple):
    """A quantity type of HealthKit: the channel that it is, and its units in UCUM."""

    channel: str
    units: dict[str, str]


TYPES = {
    f"{_QUANTITY}HeartRate": Type("heart_rate", {"count/min": "/min"}),
    f"{_QUANTITY}BodyTemperature": Type("body_temperature", {"degC": "Cel", "degF": "[degF]", "K": "K"}),
    f"{_QUANTITY}OxygenSaturation": Type("spo2", {"%": "%"}),
    f"{_QUANTITY}RespiratoryRate": Type("respiratory_rate", {"count/min": "/min"}),
    f"{_QUANTITY}StepCount": Type("steps", {"count": "{steps}"}),
    f"{_QUANTITY}BodyMass": Type("weight", {"kg": "kg", "g": "g", "lb": "[lb_av]", "st": "[stone_av]"}),
}

OF_A_CUFF = {
    f"{_QUANTITY}BloodPressureSystolic": Type("systolic_bp", {"mmHg": "mm[Hg]", "kPa": "kPa"}),
    f"{_QUANTITY}BloodPressureDiastolic": Type("diastolic_bp", {"mmHg": "mm[Hg]", "kPa": "kPa"}),
}


def open_feed(
    export: Annotated[Path, "export.zip, or the export.xml in it"],
    *,
    patient: Annotated[str, "whose it is, as the ward's models know them"],
    weight: Annotated[str, "what those models call a body's weight; without it a weight is a scale's reading"] = "",
    source: Annotated[str, "source of the events"] = "apple-health",
) -> Stream:
    """The readings of an export."""
    return Stream(_said(export, wearer(patient, source, weight)))


def _said(export: Path, person: Wearer) -> Iterator[Said]:
    with opened(export) as parts:
        found = [part for part in parts if part.name.lower().endswith(".xml") and b"<HealthData" in _head(part)]
        for part in found:
            yield from _Reader(person, part.name).read(part)
    if not found:
        raise ValueError(f"{export}: no export of Apple Health (an XML file of HealthData) is in it")


def _head(part: Part) -> bytes:
    with part.open() as stream:
        return stream.read(LONGEST_HEAD)


class _Reader:
    """Reads one file; the parser calls it for each tag."""

    def __init__(self, person: Wearer, name: str) -> None:
        self._person = person
        self._file = Path(name)
        self._path: list[str] = []
        self._record: dict[str, str] | None = None
        self._cuff: list[dict[str, str]] | None = None
        self._by_hand = False
        self._found: list[Said] = []
        self._passed: Counter[str] = Counter()
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.EntityDeclHandler = self._entity

    def read(self, part: Part) -> Iterator[Said]:
        """What the file says, while it is read."""
        fed = 0
        with part.open() as stream:
            try:
                for chunk in _without_document_type(stream):
                    self._parser.Parse(chunk, False)
                    fed += len(chunk)
                    if fed - max(self._parser.CurrentByteIndex, 0) > LONGEST_ELEMENT:
                        raise ValueError(f"a tag of more than {LONGEST_ELEMENT} bytes; that is no export")
                    yield from self._found
                    self._found.clear()
                self._parser.Parse(b"", True)
            except expat.ExpatError as error:
                why = expat.ErrorString(error.code)
                text = f"no XML any more ({why}); what stands before it was read; export it again"
                self._found.append(BadLine(error.lineno, text, self._file))
        yield from self._found
        for what, count in sorted(self._passed.items()):
            yield Note(f"{count} passed over: {what}")

    @staticmethod
    def _entity(*_: object) -> None:
        raise ValueError("the file declares entities; that is no export")

    def _start(self, name: str, said: dict[str, str]) -> None:
        self._path.append(name)
        if len(self._path) > DEEPEST:
            raise ValueError(f"elements within one another, more than {DEEPEST} deep; that is no export")
        if name == "Record":
            self._record = said
        elif name == "Correlation":
            self._cuff = [] if said.get("type") == PRESSURES else None
        elif name == "MetadataEntry" and said.get("key") == HAND and said.get("value") not in ("0", "false"):
            self._by_hand = True

    def _end(self, name: str) -> None:
        self._path.pop()
        record, inside = self._record, "Correlation" in self._path
        if name == "Record" and record is not None:
            if inside and self._cuff is not None:
                self._cuff += [record][: len(OF_A_CUFF) + 1 - len(self._cuff)]
            elif not inside:
                self._tell([record])
            self._record = None
        elif name == "Correlation" and self._cuff is not None:
            self._tell(self._cuff)
            self._cuff = None
        if not inside and name in ("Record", "Correlation"):
            self._by_hand = False

    def _tell(self, records: list[dict[str, str]]) -> None:
        """One reading: a record, or the records of a cuff, of which half is none."""
        cuff = len(records) > 1
        pressures = [record for record in records if record.get("type") in OF_A_CUFF]
        try:
            if cuff and len({record["type"] for record in pressures}) < len(OF_A_CUFF):
                raise NotAFact("incomplete", "a cuff's reading has both pressures")
            of = [(one, OF_A_CUFF) for one in pressures] if cuff else [(one, TYPES) for one in records]
            told = [self._reading(record, known) for record, known in of]
        except NotAFact as error:
            self._found.append(BadLine(self._parser.CurrentLineNumber, refused(error), self._file))
            return
        self._found += [one for one in told if one is not None]

    def _reading(self, said: dict[str, str], known: dict[str, Type]) -> TimedEvent | None:
        type_ = known.get(said.get("type", ""))
        if type_ is None:
            alone = said.get("type", "") in OF_A_CUFF
            self._passed[
                "a pressure by itself, which stands with the other one once more"
                if alone
                else "a type that no twin reads"
            ] += 1
            return None
        start, end = _moment(said, "startDate"), _moment(said, "endDate")
        if end < start:
            raise NotAFact("contradictory", "a record that ends before it starts")
        if type_.channel != "steps" and end - start > LONGEST_READING:
            self._passed["an average of an interval"] += 1
            return None
        unit = type_.units.get(said.get("unit", ""))
        if unit is None:
            detail = f"{type_.channel} in {shown(said.get('unit', ''))}; known are {', '.join(type_.units)}"
            raise NotAFact("unknown_unit", detail)
        try:
            value = float(said.get("value", ""))
        except ValueError:
            raise NotAFact("incomplete", f"{type_.channel} without a number") from None
        if type_.channel == "spo2":  # HealthKit writes a fraction beside its percent sign
            value = round(value * 100.0, 9)
        device = self._person.device(_model(said.get("device", "")), said.get("sourceName", ""))
        return self._person.told(type_.channel, value, unit, end, device, by_hand=self._by_hand)


def _without_document_type(stream: BinaryIO) -> Iterator[bytes]:
    """The file without what stands in its document type, in chunks; lines are counted as before.

    Raises:
        ValueError: it has no end, or declares entities.
    """
    head = stream.read(LONGEST_HEAD)
    begin = head.find(b"<!DOCTYPE")
    if begin >= 0:
        end = head.find(b"]>", begin)
        if end < 0 or b"<!ENTITY" in head[begin:end]:
            raise ValueError("the document type of the file has no end, or declares entities; that is no export")
        head = head[:begin] + b"\n" * head.count(b"\n", begin, end) + head[end + 2 :]
    yield head
    while chunk := stream.read(CHUNK):
        yield chunk


def _moment(said: dict[str, str], name: str) -> datetime:
    """A time as ``2026-03-02 09:00:00 +0100``."""
    text = said.get(name, "")
    try:
        found = datetime.fromisoformat(text[:19] + text[20:])
    except ValueError:
        raise NotAFact("no_time" if not text else "malformed", f"field '{name}' is no time") from None
    if found.tzinfo is None:
        raise NotAFact("time_without_zone", f"field '{name}' has no offset")
    return found


def _model(text: str) -> str:
    """The hardware of a device as HealthKit writes it (``<<HKDevice: 0x28>, name:…, hardware:Watch6,2, …>``)."""
    found = text.partition("hardware:")[2].partition(", ")[0].rstrip(">").strip()
    return "".join(letter for letter in found if letter.isascii() and (letter.isalnum() or letter in ",._-"))
