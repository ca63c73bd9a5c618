"""A source's own JSON, read by the map of its profile (`connectors.facts.field_map`).

An entry of the map says nothing of a document that has none of its quantities: a payload holds what was measured.
What is there must be whole: a value without its time, or in words where a number stands, is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from connectors.facts.codes import Coding, Quantified, known_quantities
from connectors.facts.fact import Fact, Found, Moment, NotAFact, Passed, Refusal, Subject
from connectors.facts.field_map import At, Mapped, TimeAt
from connectors.facts.profile import Profile
from connectors.facts.units_of_sources import quantity
from connectors.protocols.items import decoded
from twin.events import Quantity

_MISSING = object()

EPOCH_YEAR = 2000
"""Numbers of before are of another unit: a time in seconds that is read as milliseconds is one of January 1970."""

_NAMES = {"vital_sample": "channel", "lab_result": "analyte", "drug_level": "analyte", "covariate": "name"}
"""The field that says what is measured."""


def read_fields(
    raw: bytes, profile: Profile, subject: Subject | None = None, device: str = "", place: str = "body"
) -> Iterator[Found]:
    """The facts in a document.

    Args:
        raw: its JSON.
        profile: of its source, with the map.
        subject: whose it is, where the topic says.
        device: that said it, likewise.
        place: where it stands.
    """
    try:
        told = decoded(raw)
    except NotAFact as error:
        yield Refusal(place, error.reason, error.detail)
        return
    nothing = True
    for number, mapped in enumerate(profile.maps):
        for where, said in _each(told, mapped):
            if not _speaks(said, mapped):
                continue
            nothing, here = False, f"{place}{where} map[{number}]"
            try:
                yield _fact(said, mapped, number, profile, subject, device, here)
            except NotAFact as error:
                yield Refusal(here, error.reason, error.detail)
    if nothing:
        yield Passed(place, "a document without anything that the map names")


def resolve(document: object, pointer: str) -> object:
    """What a JSON pointer leads to (RFC 6901); a mark of its own where it leads nowhere."""
    found = document
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif (
            isinstance(found, list) and name.isascii() and name.isdecimal() and len(name) < 8 and int(name) < len(found)
        ):
            found = found[int(name)]
        else:
            return _MISSING
    return _MISSING if found is None else found


def _each(document: object, mapped: Mapped) -> list[tuple[str, object]]:
    if mapped.each is None:
        return [("", document)]
    found = resolve(document, mapped.each)
    return [(f"{mapped.each}/{n}", one) for n, one in enumerate(found)] if isinstance(found, list) else []


def _speaks(said: object, mapped: Mapped) -> bool:
    """Whether any of the entry's quantities stands there; any of its pointers where it has none."""
    pointed = {name: told.at for name, told in mapped.fields.items() if isinstance(told, At) and told.at is not None}
    wanted = [at for name, at in pointed.items() if mapped.is_quantity(name)] or list(pointed.values())
    return any(resolve(said, at) is not _MISSING for at in wanted)


def _fact(
    said: object, mapped: Mapped, number: int, profile: Profile, subject: Subject | None, device: str, place: str
) -> Fact:
    subject = _subject(said, mapped, subject, profile)
    moment = _moment(said, mapped.time)
    fields: dict[str, object] = {}
    for name, told in mapped.fields.items():
        if mapped.is_time(name):
            fields |= _told_at(said, told, name, mapped)
        elif not mapped.is_quantity(name) and (text := _text(said, told, name, mapped)) is not None:
            fields[name] = _drug(text, told, profile) if name == "drug" else text
    named = str(fields.get(_NAMES.get(mapped.kind, "drug"), ""))
    measured = known_quantities().get(named)
    measured = measured if measured is not None and measured.kind == mapped.kind else None
    if mapped.kind == "covariate" and measured is not None:
        fields["name"] = profile.named(named)
    for name, told in mapped.fields.items():
        if isinstance(told, At) and mapped.is_quantity(name):
            found = _quantity(said, told, name, mapped, measured if name == "value" else None, profile)
            if found is not None:
                fields[name] = found
    if "device_id" in mapped.event.model_fields and "device_id" not in fields:
        if device:
            fields["device_id"] = device
        elif mapped.required("device_id"):
            raise NotAFact("unknown_device", "no device: neither the map (device_id) nor a level of the topic says it")
    key = ("fields", *_identity(said, mapped, number, subject, str(fields.get("device_id", "")), moment), named)
    return Fact(key, mapped.kind, fields, subject, moment, place)


def _identity(
    said: object, mapped: Mapped, number: int, subject: Subject | None, device: str, moment: Moment
) -> tuple[str, ...]:
    """What makes it this fact: the sender's id and which entry of the map it is of, or who, what and when."""
    known = resolve(said, mapped.id) if mapped.id is not None else _MISSING
    if isinstance(known, str | int):
        return (mapped.kind, str(number), str(known))
    whose = (subject.authority, subject.id) if subject is not None else ("", "")
    return (mapped.kind, *whose, device, moment.at.isoformat())


def _subject(said: object, mapped: Mapped, subject: Subject | None, profile: Profile) -> Subject | None:
    found = resolve(said, mapped.patient) if mapped.patient is not None else _MISSING
    if found is _MISSING:
        return subject
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise NotAFact("no_patient", f"field {mapped.patient!r}: no id of a patient")
    if subject is not None and subject.id != str(found):
        raise NotAFact("forbidden", f"field {mapped.patient!r}: its topic is another patient's")
    return Subject(str(found), profile.pseudonyms.authority)


def _moment(said: object, time: TimeAt) -> Moment:
    found = resolve(said, time.at)
    if found is _MISSING:
        raise NotAFact("no_time", f"field {time.at!r} is missing; when a message came does not stand for it")
    if time.epoch is None:
        try:
            assert isinstance(found, str)
            return Moment(datetime.fromisoformat(found), "instant" if len(found) > 10 else "day")
        except (ValueError, AssertionError):
            mend = "; say epoch = 's' or 'ms' in the map" if isinstance(found, int | float) else ""
            raise NotAFact("malformed", f"field {time.at!r}: no time of ISO 8601{mend}") from None
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise NotAFact("malformed", f"field {time.at!r}: no number of {time.epoch} since 1970")
    try:
        at = datetime.fromtimestamp(found / (1000 if time.epoch == "ms" else 1), UTC)
    except (OverflowError, ValueError, OSError):
        at = None
    if at is None or not EPOCH_YEAR <= at.year <= EPOCH_YEAR + 200:
        mend = f"is it in {'s' if time.epoch == 'ms' else 'ms'}? set 'epoch' in the map, or the device's clock"
        raise NotAFact("malformed", f"field {time.at!r}: no year that it can be read as {time.epoch}; {mend}")
    return Moment(at)


def _told_at(said: object, told: str | At, name: str, mapped: Mapped) -> dict[str, object]:
    """A field that is a moment, where it stands there and is one."""
    assert isinstance(told, At)
    assert told.at is not None
    try:
        return {name: _moment(said, TimeAt(at=told.at, epoch=mapped.time.epoch))}
    except NotAFact:
        return {}


def _text(said: object, told: str | At, name: str, mapped: Mapped) -> str | None:
    """A word of the event; None where it may be missing and is."""
    if isinstance(told, str):
        return told
    assert told.at is not None
    found = resolve(said, told.at)
    if found is _MISSING:
        if mapped.required(name):
            raise NotAFact("incomplete", f"field {told.at!r} ({name}) is missing")
        return None
    if isinstance(found, bool):
        found = "true" if found else "false"
    if not isinstance(found, str | int):
        raise NotAFact("incomplete", f"field {told.at!r} ({name}): no word")
    return told.words.get(str(found).strip(), str(found).strip())[:64]


def _drug(text: str, told: str | At, profile: Profile) -> str:
    """The drug that the map names, or that the sender's word stands for."""
    if isinstance(told, str) or text in told.words.values():
        return text
    found = profile.codes.drug([Coding(text, "", text)])
    if found is None:
        mend = "add it to the profile: [drugs] '|label' = the drug"
        raise NotAFact("unknown_drug", f"a drug that neither the formulary nor the profile has; {mend}")
    return found


def _quantity(
    said: object, told: At, name: str, mapped: Mapped, measured: Quantified | None, profile: Profile
) -> Quantity | None:
    """A number with its unit; None where it may be missing and is."""
    number = told.value if told.at is None else resolve(said, told.at)
    if number is _MISSING:
        if mapped.required(name):
            raise NotAFact("incomplete", f"field {told.at!r} ({name}) is missing")
        return None
    if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) < 1e300:
        raise NotAFact("incomplete", f"field {told.at!r} ({name}): no number")
    text = told.unit or resolve(said, told.unit_at or "/")
    if not isinstance(text, str) or not text:
        raise NotAFact("no_unit", f"field {told.unit_at!r} (unit of {name}) is missing")
    if measured is None:
        return quantity(float(number), text, profile.means.get(text, text), means=profile.means)
    bounds = {"low": measured.low, "high": measured.high, "molar_mass": measured.molar_mass}
    return quantity(float(number), text, measured.unit, means=profile.means, **bounds)
