"""A resource, what it refers to, and whose it is; bundles, and which of them say what is so."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.facts.fact import NotAFact, Subject
from connectors.facts.patients import Pseudonyms
from connectors.protocols.fhir.resource import (
    Resource,
    each,
    finite,
    listed,
    loaded,
    local,
    member,
    only_known,
    text_of,
)
from tests.connectors.facts.sources import KEY
from tests.connectors.protocols.spoken import bundle, observation, raw

ANY = Pseudonyms(KEY)
MRN = "https://ward.example/mrn"


def resources(said: dict[str, Any]) -> list[Resource]:
    return [one for one in each(raw(said), "https://fhir.example") if isinstance(one, Resource)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [(b"", "malformed"), (b"[]", "malformed"), (b"{}", "malformed"), (b'{"resourceType": 7}', "malformed"),
     (b" <Observation/>", "unsupported"), (b'{"resourceType": "\xe4"}', "charset"), (b"[" * 5000, "malformed")],
)  # fmt: skip
def test_what_is_no_resource_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(NotAFact, match=reason):
        loaded(text)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert loaded(b"\xef\xbb\xbf" + raw(observation()))["id"] == "obs-1"


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("Patient/1", "Patient/1"),
        ("https://fhir.example/base/Patient/1", "Patient/1"),
        ("Patient/1/_history/7", "Patient/1"),
        ("urn:uuid:1", "urn:uuid:1"),
        ("", ""),
    ],
)
def test_a_reference_is_of_a_thing_wherever_its_server_and_whichever_its_version(reference: str, wanted: str) -> None:
    assert local(reference) == wanted


def test_a_reference_is_looked_for_in_the_bundle_and_in_the_resource() -> None:
    patient = {"resourceType": "Patient", "id": "1"}
    said = {"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": "urn:uuid:9", "resource": patient},
        {"resource": observation(contained=[{"resourceType": "Device", "id": "d"}])},
    ]}  # fmt: skip
    one = resources(said)[1]
    for reference in ("urn:uuid:9", "Patient/1", "https://fhir.example/Patient/1/_history/2"):
        assert one.refer({"reference": reference}) == patient
    assert one.refer({"reference": "#d"}) == {"resourceType": "Device", "id": "d"}
    for nothing in ({"reference": "#x"}, {"reference": "Patient/2"}, {}, None, "Patient/1"):
        assert one.refer(nothing) is None


def test_a_patient_is_one_person_with_or_without_their_resource_in_the_bundle() -> None:
    patient = {"resourceType": "Patient", "id": "4711", "identifier": [
        {"system": MRN, "value": "A-17"}, {"system": "https://other.example", "value": "B-1"},
    ]}  # fmt: skip
    alone = resources(observation())[0].subject(ANY)
    beside = resources(bundle(patient, observation()))[1].subject(ANY)
    assert alone == beside == Subject("Patient/4711", "https://fhir.example")
    hospital = Pseudonyms(KEY, authorities=(MRN,))
    assert resources(bundle(patient, observation()))[1].subject(hospital) == Subject("A-17", MRN)
    with pytest.raises(NotAFact, match="unknown_patient_id"):
        resources(observation())[0].subject(hospital)


@pytest.mark.parametrize(
    "subject",
    [None, {}, {"reference": "Group/1"}, {"reference": "Device/1"}, {"display": "Eva"}, {"reference": "#p"}, [], "x"],
)
def test_what_is_of_no_patient_is_refused(subject: object) -> None:
    with pytest.raises(NotAFact, match="no_patient"):
        resources(observation(subject=subject))[0].subject(ANY)


@pytest.mark.parametrize("what", [{"active": False}, {"link": [{"other": {"reference": "Patient/2"}}]}])
def test_a_patient_that_was_merged_is_not_guessed(what: dict[str, Any]) -> None:
    patient = {"resourceType": "Patient", "id": "4711"} | what
    with pytest.raises(NotAFact, match="no_patient"):
        resources(bundle(patient, observation()))[1].subject(ANY)


def test_a_subject_by_identifier_alone_is_one() -> None:
    said = observation(subject={"type": "Patient", "identifier": {"system": MRN, "value": "A-17"}})
    assert resources(said)[0].subject(ANY) == Subject("A-17", MRN)


def test_a_key_is_the_id_or_a_business_identifier() -> None:
    one = resources(observation())[0]
    assert one.key("x") == ("fhir", "https://fhir.example", "Observation", "obs-1", "x")
    named = resources(observation(id=None, identifier=[{"system": "s", "value": "6323"}]))[0]
    assert named.key("x")[3] == "s|6323"
    with pytest.raises(NotAFact, match="incomplete"):
        resources(observation(id=None))[0].key("x")


@pytest.mark.parametrize("kind", ["searchset", "history", "message", "collection", "batch", None])
def test_bundles_that_say_what_is_so_are_read(kind: str | None) -> None:
    assert len(resources(bundle(observation(), type=kind))) == 1


@pytest.mark.parametrize("kind", ["transaction", "transaction-response", "unheard-of"])
def test_a_transaction_is_refused_whole(kind: str) -> None:
    with pytest.raises(NotAFact, match="unsupported"):
        resources(bundle(observation(), kind=kind))


def test_a_history_is_read_from_its_oldest_version_on() -> None:
    newer, older = observation(2.0), observation(1.0)
    said = resources(bundle(newer, older, kind="history"))
    assert [one.body["valueQuantity"]["value"] for one in said] == [1.0, 2.0]
    assert [one.place for one in said] == ["entry[2]", "entry[1]"]
    assert [one.place for one in resources(bundle(newer, older))] == ["entry[1]", "entry[2]"]


def test_what_a_history_says_was_deleted_is() -> None:
    entry = {"request": {"method": "DELETE", "url": "Observation/obs-1"}}
    history = {"resourceType": "Bundle", "type": "history", "entry": [entry]}
    assert list(each(raw(history), "")) == [("entry[1]", "Observation/obs-1", "")]
    assert list(each(raw(history | {"type": "batch"}), "")) == []


def test_too_many_entries_are_refused() -> None:
    said = {"resourceType": "Bundle", "type": "collection", "entry": [{}] * 10_001}
    with pytest.raises(NotAFact, match="unsupported"):
        list(each(raw(said), ""))


@pytest.mark.parametrize("label", [{"code": "HTEST"}, {"code": "test"}, {"system": "x", "code": "demo"}])
def test_a_label_of_a_test_makes_one_of_a_resource_and_of_all_in_a_bundle(label: dict[str, str]) -> None:
    for kind in ("tag", "security"):
        meta = {"meta": {kind: [label]}}
        assert resources(observation(**meta))[0].is_test
        assert resources(bundle(observation()) | meta)[0].is_test
    assert not resources(observation(meta={"tag": [{"code": "actionable"}]}))[0].is_test


@pytest.mark.parametrize(
    "body",
    [
        {"modifierExtension": [{"url": "x"}]},
        {"dosage": {"modifierExtension": [{"url": "x"}]}},
        {"component": [{"modifierExtension": [{"url": "x"}]}]},
        {"implicitRules": "https://rules.example"},
    ],
)
def test_what_must_not_be_overlooked_is_not(body: dict[str, Any]) -> None:
    with pytest.raises(NotAFact, match="unsupported"):
        only_known(body)
    only_known({"modifierExtension": [], "extension": [{"url": "x"}]})


def test_what_is_of_another_type_than_it_should_be_is_nothing() -> None:
    assert listed({"x": 1}) == listed(None) == []
    assert listed([{}, 1, None]) == [{}]
    assert text_of(3) == text_of(None) == ""
    assert member({"a": [1]}, "a", "b") is None
    assert finite(True) is finite("3") is finite(10**400) is finite(None) is None
    assert (finite(3), finite(-1.5)) == (3.0, -1.5)
