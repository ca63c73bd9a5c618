"""The files for a listener are what it reads, and the same each time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.facts.fact import Subject
from connectors.facts.profile import read_profile
from connectors.feeds.stream import Measured, Spoken
from connectors.listeners.tokens import read_grants
from connectors.speaking.mqtt import TOPIC
from connectors.speaking.source import SECRETS, listens, write_source
from connectors.speaking.words import OWN

SOURCES = ("ward-chart", "ward-pump")


@pytest.fixture
def spoken(tmp_path: Path) -> Spoken:
    measured = (Measured("covariate", "creatinine", "umol/L"), Measured("drug_level", 'odd "name"', "mg/L"))
    return Spoken("hl7", "127.0.0.1:2575", tmp_path / "new", ("W-001", "W-002"), SOURCES, ("docetaxel",), measured)


def test_the_profile_knows_patients_drugs_and_what_is_measured(spoken: Spoken) -> None:
    profile = read_profile(write_source(spoken), b"")
    assert (profile.source, profile.protocol) == ("ward-hl7", "hl7")
    assert profile.pseudonyms.pseudonym(Subject("002/W", OWN)) == "W-002"
    assert profile.codes.of('odd "name"').kind == "drug_level"
    assert profile.named("covariate.creatinine") == "creatinine"


def test_each_source_has_a_token_that_stays_and_is_the_users_alone(spoken: Spoken) -> None:
    given = write_source(replace(spoken, protocol="http"))
    tokens = json.loads((given.parent / SECRETS).read_text())
    assert (given.parent / SECRETS).stat().st_mode & 0o077 == 0
    grants = read_grants(given, lambda: 0.0)
    for source in SOURCES:
        grant = grants.of(f"Bearer {tokens[source]}")
        assert grant is not None
        assert (grant.source, grant.patients, grant.profile) == (source, ("W-*",), None)
    assert all(token not in given.read_text() for token in tokens.values())
    write_source(replace(spoken, protocol="http"))
    assert json.loads((given.parent / SECRETS).read_text()) == tokens


def test_a_protocol_over_http_has_a_token_with_its_profile(spoken: Spoken) -> None:
    (grant,) = read_grants(write_source(replace(spoken, protocol="fhir")), lambda: 0.0).each
    assert grant.profile is not None
    profile = read_profile(grant.profile, b"")
    assert (grant.source, profile.source, profile.devices) == ("ward-fhir", "ward-fhir", (OWN,))


def test_over_mqtt_the_topic_names_a_patient_of_the_ward(spoken: Spoken) -> None:
    topics = read_profile(write_source(replace(spoken, protocol="mqtt")), b"").topics
    assert topics is not None
    origin = topics.origin(f"{TOPIC}W-002")
    assert origin is not None
    assert origin.patient == "W-002"
    assert topics.may(origin.user, "W-002")
    assert not topics.may(origin.user, "X-001")


@pytest.mark.parametrize(
    ("protocol", "to", "command"),
    [
        ("hl7", "127.0.0.1:2575", "mllp F/given --port 2575"),
        ("http", "http://127.0.0.1:8502", "http F/given --port 8502"),
        ("fhir", "http://127.0.0.1:8502", "http F/given --port 8502"),
        ("fhir", "http://127.0.0.1:8080/fhir", "fhir F/profile.toml --server http://127.0.0.1:8080/fhir"),
        ("mqtt", "127.0.0.1:1883", "mqtt F/given --broker 127.0.0.1:1883"),
    ],
)
def test_whoever_speaks_says_how_to_listen(spoken: Spoken, protocol: str, to: str, command: str) -> None:
    assert listens(replace(spoken, protocol=protocol, to=to), Path("F/given")) == f"dosetwin listen {command}"
