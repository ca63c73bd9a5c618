"""Entries of histories and searches, as the version that each is and the message that is made of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.facts.fact import NotAFact
from connectors.listeners.fhir.entries import in_groups, version_of
from connectors.protocols.fhir.resource import loaded
from tests.connectors.protocols.spoken import observation

AT = datetime(2026, 3, 2, 8, tzinfo=UTC)
META = {"versionId": "3", "lastUpdated": AT.isoformat()}
PATIENT = b'{"search":{"mode":"include"},"resource":{"resourceType":"Patient","id":"p"}}'


def raw(**parts: Any) -> bytes:
    return json.dumps(parts).encode()


def test_a_version_is_known_by_kind_id_and_number() -> None:
    version = version_of(raw(resource=observation(meta=META)), "Observation", after=None)
    assert version is not None
    assert (version.key, version.at, version.deleted) == (("Observation", "obs-1", "3"), AT, False)
    said = loaded(version.message([PATIENT]))
    assert [one["resource"]["resourceType"] for one in said["entry"]] == ["Observation", "Patient"]


def test_a_server_may_say_number_and_time_beside_the_resource() -> None:
    response = {"etag": 'W/"3"', "lastModified": AT.isoformat()}
    version = version_of(raw(resource=observation(), response=response), "Observation", after=None)
    assert version is not None
    assert (version.version, version.at) == ("3", AT)


def test_a_deletion_was_after_the_version_before_it() -> None:
    deleted = raw(request={"method": "DELETE", "url": "Observation/obs-1/_history/4"}, response={"etag": 'W/"4"'})
    version = version_of(deleted, "Observation", after=AT)
    assert version is not None
    assert version.key == ("Observation", "obs-1", "4")
    assert version.at is not None
    assert AT < version.at < AT + timedelta(milliseconds=1)
    (entry,) = loaded(version.message([]))["entry"]
    assert entry["request"] == {"method": "DELETE", "url": "Observation/obs-1"}
    assert datetime.fromisoformat(entry["response"]["lastModified"]) == version.at
    said = raw(request={"method": "DELETE", "url": "Observation/obs-1"}, response={"lastModified": AT.isoformat()})
    version = version_of(said, "Observation", after=AT + timedelta(days=1))
    assert version is not None
    assert version.at == AT
    version = version_of(deleted, "Observation", after=None)
    assert version is not None
    assert "lastModified" not in loaded(version.message([]))["entry"][0]["response"]


def test_what_is_of_another_kind_is_none() -> None:
    for entry in (
        raw(resource={"resourceType": "OperationOutcome"}), raw(), b"[]", b"7", raw(resource=7),
        raw(request={"method": "DELETE", "url": "Patient/1"}), raw(request={"method": "DELETE"}),
    ):  # fmt: skip
        assert version_of(entry, "Observation", after=None) is None


def test_what_cannot_be_read_is_left_for_the_reading_to_refuse() -> None:
    version = version_of(b'{"resource":{"resourceType":"Observation","id":"\xff"}}', "Observation", after=None)
    assert version is not None
    assert version.body == {}
    with pytest.raises(NotAFact):
        loaded(version.message([]))


def test_groups_are_in_order_and_the_last_may_be_smaller() -> None:
    assert list(in_groups(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(in_groups([], 2)) == []
