"""Whose a fact is: a pseudonym of an id beside its authority, never of a placeholder."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connectors.facts.fact import NotAFact, Subject
from connectors.facts.patients import LEAST_FILL, PLACEHOLDERS, Pseudonyms
from tests.connectors.facts.sources import KEY, SOMEONE

HASHED = Pseudonyms(KEY)


@given(st.text(min_size=1, max_size=80), st.text(max_size=40))
def test_a_pseudonym_is_a_name_that_says_nothing(id_: str, authority: str) -> None:
    assume(id_.strip().strip("?0-") and id_.strip().lower() not in PLACEHOLDERS)
    assume(len(set(id_.strip().lower())) > 1 or len(id_.strip()) < LEAST_FILL)
    assume(id_.strip().strip("?0-*"))
    found = HASHED.pseudonym(Subject(id_, authority))
    assert re.fullmatch(r"p[0-9a-f]{32}", found)
    assert found == HASHED.pseudonym(Subject(id_, authority, "MR"))


def test_an_id_is_another_patient_under_another_authority_key_or_mode() -> None:
    found = {
        HASHED.pseudonym(Subject("17", "EAST")),
        HASHED.pseudonym(Subject("17", "WEST")),
        HASHED.pseudonym(Subject("17", "")),
        Pseudonyms(KEY + b"!").pseudonym(Subject("17", "EAST")),
        Pseudonyms(KEY, test=True).pseudonym(Subject("17", "EAST")),
    }
    assert len(found) == 5
    assert sum(name.startswith("test-") for name in found) == 1


@pytest.mark.parametrize(
    "text", ["", "  ", "???", "0000", "-", "Unknown Patient", "999999", "XXXX", "****", *sorted(PLACEHOLDERS)]
)
def test_a_placeholder_is_nobody(text: str) -> None:
    with pytest.raises(NotAFact, match="no_patient"):
        HASHED.pseudonym(Subject(text, "EAST"))
    with pytest.raises(NotAFact, match="no_patient"):
        HASHED.choose([Subject(text, "EAST")])


def test_what_the_profile_calls_a_placeholder_is_nobody_either() -> None:
    beds = Pseudonyms(KEY, placeholders=frozenset({"BED 7"}))
    with pytest.raises(NotAFact, match="no_patient"):
        beds.choose([Subject(" BED 7", "EAST")])
    assert beds.choose([Subject("BED 8", "EAST")]).id == "BED 8"


def test_the_first_authority_that_counts_is_taken() -> None:
    two = Pseudonyms(KEY, authorities=("WEST", "EAST"))
    east, west = Subject("1", "EAST", "MR"), Subject("2", "WEST", "MR")
    assert two.choose([east, west]) == west
    assert two.choose([east]) == east
    with pytest.raises(NotAFact, match="unknown_patient_id"):
        two.choose([Subject("3", "NORTH", "MR")])
    with pytest.raises(NotAFact, match="unknown_patient_id"):
        two.pseudonym(Subject("3", "NORTH", "MR"))


def test_of_several_ids_none_is_guessed() -> None:
    account = Subject("77", "EAST", "AN")
    assert HASHED.choose([SOMEONE, account, SOMEONE]) == SOMEONE
    with pytest.raises(NotAFact, match="no_patient"):
        HASHED.choose([SOMEONE, Subject("78", "EAST", "MR")])
    with pytest.raises(NotAFact, match="no_patient"):
        HASHED.choose([account])
    with pytest.raises(NotAFact, match="no_patient"):
        HASHED.choose([])


def test_a_table_knows_its_ids_and_no_others() -> None:
    listed = Pseudonyms(table={("EAST", "17"): "P-1"})
    assert listed.pseudonym(Subject("17", "EAST")) == "P-1"
    with pytest.raises(NotAFact, match="unknown_patient_id") as caught:
        listed.pseudonym(Subject("4711", "EAST"))
    assert "4711" not in caught.value.detail
