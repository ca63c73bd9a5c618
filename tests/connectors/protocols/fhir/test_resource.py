"""A resource, what it refers to, and whose it is; bundles, and which of them say what is so."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.facts.fact import NotAFact, Subject
from connectors.facts.patients import Pseudonyms
from connectors.protocols.fhir.resource import (
    Deleted,
    Resource,
    each,
    finite,
    listed,
    loaded,
    local,
    member,
    only_known,
    placed,
    text_of,
)
from tests.connectors.facts import sources
from tests.connectors.facts.sources import KEY
from tests.connectors.protocols.spoken import bundle, observation, raw

ANY = Pseudonyms(KEY)
OWN = "https://fhir.example"
PROFILE = sources.profile("fhir", servers=(OWN,))
MRN = "https://ward.example/mrn"


def resources(said: dict[str, Any]) -> list[Resource]:
    return [one for one in each(raw(said), PROFILE) if isinstance(one, Resource)]


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


def test_a_resource_of_another_server_is_never_taken_for_that_of_its_name_here() -> None:
    patient = {"resourceType": "Patient", "id": "4711"}
    report = {"resourceType": "DiagnosticReport", "id": "r", "effectiveDateTime": "2026-03-02T08:00:00Z",
              "result": [{"reference": "https://other.example/Observation/obs-1"}]}  # fmt: skip
    said = observation(subject={"reference": "https://other.example/Patient/4711"})
    one = next(one for one in resources(bundle(patient, report, said)) if one.type == "Observation")
    assert one.refer(one.body["subject"]) is None
    assert one.report is None
    assert one.subject(ANY) == Subject("Patient/4711", "https://other.example")


@pytest.mark.parametrize(
    ("reference", "wanted"),
    [
        ("Patient/1", (OWN, "Patient/1")), ("Patient/1/_history/2", (OWN, "Patient/1")),
        (f"{OWN}/Patient/1", (OWN, "Patient/1")), ("http://proxy/fhir/Patient/1/_history/2", (OWN, "Patient/1")),
        ("https://other.example/Patient/1", ("https://other.example", "Patient/1")),
    ],
)  # fmt: skip
def test_a_reference_is_of_a_server(reference: str, wanted: tuple[str, str]) -> None:
    assert placed(reference, (OWN, "http://proxy/fhir")) == wanted


def test_a_device_is_known_by_its_identifier_where_the_profile_says_whose_counts() -> None:
    device = {"resourceType": "Device", "id": "d", "identifier": [
        {"system": "urn:serial", "value": "S-9"}, {"system": "urn:eui", "value": "0012210000000002"},
    ]}  # fmt: skip
    metric = {"resourceType": "DeviceMetric", "id": "m", "source": {"reference": "Device/d"}}
    for reference in ("Device/d", "DeviceMetric/m"):
        document = bundle(device, metric, observation(device={"reference": reference}))
        for systems, wanted in (((), "Device/d"), (("urn:eui",), "0012210000000002"), (("urn:x",), "Device/d")):
            profile = sources.profile("fhir", servers=(OWN,), devices=systems)
            one = [one for one in each(raw(document), profile) if isinstance(one, Resource)][-1]
            assert one.device_id() == wanted


def test_what_is_there_only_to_be_referred_to_is_not_read_itself_but_in_a_search() -> None:
    patient = {"resourceType": "Patient", "id": "4711"}
    entries = [{"resource": observation()}, {"search": {"mode": "include"}, "resource": patient}]
    for kind, read in (("history", ["Observation"]), ("searchset", ["Observation", "Patient"])):
        found = resources({"resourceType": "Bundle", "type": kind, "entry": entries})
        assert sorted(one.type for one in found) == read
        assert found[0].refer({"reference": "Patient/4711"}) == patient


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
    assert list(each(raw(history), PROFILE)) == [Deleted("entry[1]", "Observation", "obs-1", "", "")]
    assert list(each(raw(history | {"type": "batch"}), "")) == []


def test_too_many_entries_are_refused() -> None:
    said = {"resourceType": "Bundle", "type": "collection", "entry": [{}] * 10_001}
    with pytest.raises(NotAFact, match="unsupported"):
        list(each(raw(said), PROFILE))


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
