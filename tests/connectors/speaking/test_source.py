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
from connectors.speaking.source import SECRETS, write_source
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
    assert (grant.source, read_profile(grant.profile, b"").source) == ("ward-fhir", "ward-fhir")
