"""Which server is asked, and that a memory is never that of another one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.facts.memory import Memory
from connectors.facts.profile import ProfileError
from connectors.listeners.fhir.asked import Asked, as_read
from connectors.listeners.fhir.entries import read_until
from connectors.protocols.fhir_servers.server import Unusable
from tests.connectors.facts import sources

EHR = "https://ehr.example/fhir"


def test_the_servers_address_is_that_of_the_command_or_of_the_profile() -> None:
    for asked, servers, reached, names in (
        (Asked(EHR + "/"), ("",), EHR, (EHR,)),
        (Asked(), (EHR,), EHR, (EHR,)),
        (
            Asked("http://127.0.0.1:8080/fhir"),
            (EHR,),
            "http://127.0.0.1:8080/fhir",
            (EHR, "http://127.0.0.1:8080/fhir"),
        ),
    ):
        known, profile = asked.of(sources.profile("fhir", servers=servers))
        assert (known.server, profile.servers) == (reached, names)
    assert Asked(EHR).address == "ehr.example:443"


def test_what_cannot_be_asked_is_named() -> None:
    with pytest.raises(ProfileError, match="speaks hl7"):
        Asked(EHR).of(sources.profile("hl7"))
    with pytest.raises(ProfileError, match="resources"):
        Asked(EHR).of(sources.profile("fhir", resources=("Encounter",)))
    with pytest.raises(ProfileError, match="give --server"):
        Asked().of(sources.profile("fhir"))
    with pytest.raises(Unusable, match="in the clear"):
        Asked("http://ehr.example/fhir").of(sources.profile("fhir"))
    assert Asked("http://ehr.example/fhir", plain=True).of(sources.profile("fhir"))


def test_a_memory_is_of_one_server() -> None:
    memory, profile = Memory(), sources.profile("fhir", servers=(EHR,))
    Asked(EHR).remember(memory, profile)
    Asked("https://proxy.example").remember(memory, profile)
    with pytest.raises(Unusable, match="is of the server https"):
        Asked("https://other.example").remember(memory, sources.profile("fhir", servers=("https://other.example",)))
    assert as_read(sources.profile("fhir"), memory).server == EHR
    assert as_read(profile, Memory()) == profile


def test_reading_begins_again_where_that_is_wanted() -> None:
    memory, profile = Memory(), sources.profile("fhir", servers=(EHR,))
    memory.note(read_until("Observation"), "2026-03-02T08:00:00+00:00")
    Asked(EHR, since=datetime(2026, 1, 1, tzinfo=UTC)).remember(memory, profile)
    assert memory.noted(read_until("Observation")) == "2026-03-02T08:00:00+00:00"
    Asked(EHR, since=datetime(2026, 1, 1, tzinfo=UTC), again=True).remember(memory, profile)
    assert memory.noted(read_until("Observation")) == "2026-01-01T00:00:00+00:00"
    Asked(EHR, again=True).remember(memory, profile)
    assert memory.noted(read_until("Observation")) == ""
