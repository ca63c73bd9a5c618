"""What the wire accepts, refuses and keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from twin.events import (
    INPUT_EVENTS,
    MAX_EVENT_BYTES,
    OUTPUT_EVENTS,
    AdviceRequested,
    AlertAction,
    AlertHandling,
    BadEvent,
    Band,
    ClinicalEnvelope,
    Covariate,
    DoseGiven,
    Genotype,
    Measurement,
    PumpDelivery,
    Quantity,
    Release,
    Subject,
    decode,
    decode_output,
    encode,
    to_millis,
)

PUMP: dict[str, Any] = {
    "v": 1,
    "kind": "pump_delivery",
    "event_id": "e1",
    "patient_id": "P-1",
    "time": "2026-03-02T09:00:00+01:00",
    "source": "pump",
    "device_id": "pump-4",
    "drug": "docetaxel",
    "phase": "start",
    "delivery_status": "delivering",
    "rate": {"value": 100.0, "unit": "mg/h"},
}


def refusal(change: dict[str, Any] | None = None, raw: str | bytes | None = None) -> BadEvent:
    text = json.dumps(PUMP | (change or {})) if raw is None else raw
    with pytest.raises(BadEvent) as caught:
        decode(text.encode() if isinstance(text, str) else text)
    return caught.value


def test_a_good_event_is_understood() -> None:
    event = decode(json.dumps(PUMP).encode())
    assert isinstance(event, PumpDelivery)
    assert event.status == "final"
    assert to_millis(event.time) == 1772438400000


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_a_number_that_is_none_is_refused(number: str) -> None:
    text = json.dumps(PUMP).replace("100.0", number)
    assert number in text
    error = refusal(raw=text)
    assert error.reason in ("invalid_event", "malformed_json")
    if error.reason == "invalid_event":
        assert "rate.value" in error.detail


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"rate": {"value": "100", "unit": "mg/h"}}, "rate.value"),
        ({"rate": {"value": True, "unit": "mg/h"}}, "rate.value"),
        ({"rate": {"value": 100.0, "unit": ""}}, "rate.unit"),
        ({"rate": {"value": 100.0}}, "rate.unit"),
        ({"rate": 100.0}, "rate"),
        ({"colour": "red"}, "colour"),
        ({"patient_id": "Jane Doe"}, "patient_id"),
        ({"patient_id": ""}, "patient_id"),
        ({"patient_id": "-1"}, "patient_id"),
        ({"patient_id": "p" * 65}, "patient_id"),
        ({"patient_id": "P-1\n"}, "patient_id"),
        ({"event_id": ""}, "event_id"),
        ({"event_id": "e" * 129}, "event_id"),
        ({"drug": ""}, "drug"),
        ({"phase": "pause"}, "phase"),
        ({"v": 2}, "v"),
        ({"status": "amended"}, "status"),
    ],
)
def test_a_bad_field_is_named(change: dict[str, Any], field: str) -> None:
    error = refusal(change)
    assert error.reason == "invalid_event"
    assert error.detail.startswith(f"field 'pump_delivery.{field}'") or error.detail.startswith(f"field '{field}'")


TWICE = [
    ('"drug": "docetaxel"', '"drug": "docetaxel", "drug": "paclitaxel"', "drug"),
    ('"drug": "docetaxel"', '"drug": "docetaxel", "drug" : "docetaxel"', "drug"),
    ('"drug": "docetaxel"', '"drug":\n"docetaxel", "drug"\n:"docetaxel"', "drug"),
    ('"value": 100.0', '"value": 100.0, "v\\u0061lue": 500.0', "value"),
    ('"v": 1', '"v": 1, "v": 1', "v"),
]


@pytest.mark.parametrize(("once", "twice", "key"), TWICE)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_key_that_comes_twice_is_refused(once: str, twice: str, key: str, separators: tuple[str, str]) -> None:
    compact = separators == (",", ":")
    text = json.dumps(PUMP, separators=separators)
    once, twice = (part.replace(": ", ":") if compact else part for part in (once, twice))
    assert once in text
    error = refusal(raw=text.replace(once, twice))
    assert (error.reason, error.event_id) == ("invalid_event", "e1")
    assert error.detail == f"field '{key}': the key comes twice in one object; send it once"


@pytest.mark.parametrize("order", [1, -1])
def test_an_event_that_was_just_decoded_is_encoded_as_any_other(order: int) -> None:
    raw = json.dumps(dict(list(PUMP.items())[::order])).encode()
    event = decode(raw)
    assert encode(event) == encode(event.model_copy()) != raw
    assert encode(decode(encode(event))) == encode(event)


def test_a_text_that_looks_like_a_key_is_none() -> None:
    named = PUMP | {"source": '"drug": x', "device_id": '":":"'}
    assert isinstance(decode(json.dumps(named).encode()), PumpDelivery)


def test_a_missing_field_is_named() -> None:
    without = {key: value for key, value in PUMP.items() if key != "device_id"}
    error = refusal(raw=json.dumps(without))
    assert error.reason == "invalid_event"
    assert "device_id" in error.detail


@pytest.mark.parametrize("status", ["corrected", "retracted"])
def test_a_correction_must_name_its_target(status: str) -> None:
    assert "needs 'replaces'" in refusal({"status": status}).detail
    event = decode(json.dumps(PUMP | {"status": status, "replaces": "e0"}).encode())
    assert isinstance(event, PumpDelivery)
    assert event.replaces == "e0"


@pytest.mark.parametrize("status", ["preliminary", "final"])
def test_only_a_correction_may_replace(status: str) -> None:
    assert "'replaces' needs status" in refusal({"status": status, "replaces": "e0"}).detail


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"pump", b'{"kind": "clock"', b"\xff\xfe", b'{"kind": "clock", "source": "\xc3"}']
)
def test_bytes_that_are_no_json_are_malformed(raw: bytes) -> None:
    assert refusal(raw=raw).reason == "malformed_json"


@pytest.mark.parametrize("raw", ["null", "[]", "7", '"clock"', "[[[]]]"])
def test_json_that_is_no_object_is_refused(raw: str) -> None:
    error = refusal(raw=raw)
    assert error.reason in ("invalid_event", "unknown_kind")
    assert (error.patient_id, error.event_id) == (None, None)


@pytest.mark.parametrize("kind", ["pump", "", None, 7, "estimate", "alert", "rejected"])
def test_only_input_kinds_are_understood(kind: object) -> None:
    error = refusal({"kind": kind})
    assert error.reason == "unknown_kind"
    assert "kind" in error.detail
    assert (error.patient_id, error.event_id) == ("P-1", "e1")


def test_a_refusal_says_whose_event_it_was() -> None:
    error = refusal({"drug": 5})
    assert (error.patient_id, error.event_id) == ("P-1", "e1")
    assert refusal({"drug": 5, "patient_id": 3}).patient_id is None


def test_an_oversized_event_is_refused_unread() -> None:
    padded = json.dumps(PUMP).encode()
    fits = padded + b" " * (MAX_EVENT_BYTES - len(padded))
    assert isinstance(decode(fits), PumpDelivery)
    error = refusal(raw=fits + b" ")
    assert error.reason == "too_large"
    assert error.detail == f"event of {MAX_EVENT_BYTES + 1} bytes; the limit is {MAX_EVENT_BYTES}"
    assert refusal(raw=b"x" * 2 * 1_048_576).reason == "too_large"


def test_a_huge_wrong_value_does_not_fill_the_dead_letter() -> None:
    error = refusal({"phase": "x" * 100_000})
    assert len(error.detail) < 400


def test_deeply_nested_json_is_refused_not_fatal() -> None:
    error = refusal(raw='{"kind": "clock", "source": ' + "[" * 100_000 + "]" * 100_000 + "}")
    assert error.reason in ("malformed_json", "invalid_event")


def test_an_output_cannot_be_read_as_an_input_or_back() -> None:
    with pytest.raises(ValidationError):
        decode_output(json.dumps(PUMP).encode())


# --- round trip ------------------------------------------------------------------------------------------------------

_texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_times = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))
_pseudonyms = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_st_named: dict[str, st.SearchStrategy[Any]] = {
    "patient_id": _pseudonyms,
    "loinc": st.none() | st.from_regex(r"\A[0-9]{1,5}-[0-9]\Z"),
    "day": st.floats(0, 20_000).map(lambda median: Band.around("day", "d", median)),
    "subject": st.builds(Subject, st.just("device"), _texts)
    | st.builds(
        Subject, st.sampled_from(["drug", "target", "output", "model", "patient"]), st.from_regex(r"\A[a-z][a-z.-]*\Z")
    ),
}

_st_named["handled"] = st.none() | st.builds(AlertHandling, st.just("comment"), _pseudonyms, _times, _texts, _texts)


def events_of(model: type[BaseModel]) -> st.SearchStrategy[BaseModel]:
    """Any valid instance of an event model, its nested values included."""
    return st.integers(1, 3).flatmap(lambda length: _events_of(model, length))


def _events_of(model: type[BaseModel], length: int) -> st.SearchStrategy[BaseModel]:
    """Those whose tuples have that length."""
    fields = {name: _field(name, field, length) for name, field in model.model_fields.items() if name != "replaces"}
    if issubclass(model, Measurement):
        fields["above_uloq"] = st.just(value=False)
    if issubclass(model, Covariate):
        fields["value"], fields["level"] = _value(Quantity, length), st.none()
    if issubclass(model, DoseGiven):
        fields["taken"] = st.none() | st.just(1.0)  # less is not for a dose in steady state
    if issubclass(model, Release):
        fields["begins"] = fields["ends"] = st.none()
    if issubclass(model, AlertAction):
        fields["action"], fields["reason"], fields["until"] = st.just("comment"), st.just("why"), st.none()
        fields["seen"] = st.just(_FIRST)
    if issubclass(model, AdviceRequested):
        fields["genotypes"] = st.lists(events_of(Genotype), max_size=length, unique_by=lambda one: one.gene).map(tuple)
    if issubclass(model, ClinicalEnvelope):
        fields.pop("status")
        statuses = st.sampled_from(["preliminary", "final"]).map(lambda s: {"status": s}) | st.builds(
            lambda status, replaces: {"status": status, "replaces": replaces},
            st.sampled_from(["corrected", "retracted"]),
            _texts,
        )
        return st.builds(lambda values, status: model(**values, **status), st.fixed_dictionaries(fields), statuses)
    return st.builds(model, **fields)


def _field(name: str, field: FieldInfo, length: int) -> st.SearchStrategy[Any]:
    return _st_named[name] if name in _st_named else _value(field.annotation, length, field.metadata)


def _bound(metadata: Iterable[Any], name: str) -> Any:
    """The bound of that name, however deep pydantic keeps it."""
    flat = [deep for one in metadata for deep in (one, *getattr(one, "metadata", ()))]
    return next((getattr(one, name) for one in flat if getattr(one, name, None) is not None), None)


def _value(annotation: Any, length: int, metadata: Iterable[Any] = ()) -> st.SearchStrategy[Any]:
    if hasattr(annotation, "__metadata__"):
        return _value(annotation.__origin__, length, annotation.__metadata__)
    origin, arguments = getattr(annotation, "__origin__", None), get_args(annotation)
    if annotation is float:
        low, high = _bound(metadata, "ge"), _bound(metadata, "le")
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    if annotation is int:
        low, high = _bound(metadata, "ge"), _bound(metadata, "le")
        return st.integers(0 if low is None else low, 2**53 - 1 if high is None else high)
    if annotation is str:
        pattern = _bound(metadata, "pattern")
        return _texts if pattern is None else st.from_regex(pattern.replace("^", r"\A", 1)[:-1] + r"\Z")
    if annotation is bool:
        return st.booleans()
    if annotation is type(None):
        return st.none()
    if annotation is datetime or ("AwareDatetime" in repr(annotation) and not arguments):
        return _times
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return st.builds(annotation, **{n: _field(n, f, length) for n, f in annotation.model_fields.items()})
    if origin is tuple:
        return st.lists(_value(arguments[0], length), min_size=length, max_size=length).map(tuple)
    if origin is dict:
        return st.dictionaries(_value(arguments[0], length), _value(arguments[1], length), max_size=3)
    if "Literal" in repr(annotation) and all(isinstance(a, (str, int)) for a in arguments):
        return st.sampled_from(arguments)
    return st.one_of([_value(argument, length) for argument in arguments])


@pytest.mark.parametrize("model", INPUT_EVENTS, ids=lambda model: model.__name__)
def test_every_input_survives_the_wire(model: type[Any]) -> None:
    @given(events_of(model))
    def survives(event: Any) -> None:
        assert decode(encode(event)) == event

    survives()


@pytest.mark.parametrize("model", OUTPUT_EVENTS, ids=lambda model: model.__name__)
def test_every_output_survives_the_wire(model: type[Any]) -> None:
    # One of these holds dozens of nested values, each drawn anew: a dozen try as many as dozens of inputs do.
    @settings(max_examples=min(12, settings.default.max_examples))
    @given(events_of(model))
    def survives(event: Any) -> None:
        assert decode_output(encode(event)) == event

    survives()


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_no_bytes_whatever_do_anything_but_refuse(raw: bytes) -> None:
    with pytest.raises(BadEvent):
        decode(raw)
