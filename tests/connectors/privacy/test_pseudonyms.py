"""Pseudonyms of a store: who has one keeps it whatever the newest key is; the number is found until forgotten."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from connectors.facts.fact import Subject
from connectors.facts.patients import Pseudonyms
from connectors.privacy.master_key import KeysUnusable
from connectors.privacy.patient_keys import PatientKeys
from connectors.privacy.pseudonyms import (
    PseudonymStore,
    create_pseudonym_store,
    fingerprint,
    pseudonym_store,
)
from tests.connectors.privacy.conftest import MASTER

ENVIRONMENT = b"a secret of the environment"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    create_pseudonym_store(tmp_path / "pseudonyms", MASTER, ENVIRONMENT)
    return tmp_path / "pseudonyms"


def opened(place: Path) -> PseudonymStore:
    return PseudonymStore(PatientKeys(place, MASTER))


def test_the_first_key_makes_the_pseudonyms_that_the_environments_secret_made(place: Path) -> None:
    subject, before = Subject("4711", "hospital"), Pseudonyms(ENVIRONMENT)
    now = Pseudonyms(opened(place))
    assert now.pseudonym(subject) == before.pseudonym(subject)
    test = Pseudonyms(opened(place), test=True)
    assert test.pseudonym(subject) == Pseudonyms(ENVIRONMENT, test=True).pseudonym(subject) != now.pseudonym(subject)


def test_after_a_change_of_keys_the_new_have_another_keys_and_all_others_keep_theirs(place: Path) -> None:
    store, before = opened(place), Pseudonyms(ENVIRONMENT)
    mapped = store.pseudonym("", "hospital", "1")
    in_use = before.pseudonym(Subject("2", "hospital"))
    assert store.rotate({fingerprint(in_use)}).id == 2
    for now in (store, opened(place)):
        assert now.pseudonym("", "hospital", "1") == mapped, "the mapping has it"
        assert now.pseudonym("", "hospital", "2") == in_use, "an old key's is recognised"
        third = now.pseudonym("", "hospital", "3")
        assert re.fullmatch(r"p2-[0-9a-f]{32}", third)
    store.rotate({fingerprint(third)})
    again = opened(place)
    assert [again.pseudonym("", "hospital", number) for number in "123"] == [mapped, in_use, third]
    assert again.pseudonym("", "hospital", "4").startswith("p3-")
    assert [key.id for key in again.ring] == [1, 2, 3]
    assert again.mapped() == 4
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", again.pseudonym("test-", "hospital", "5"))


def test_an_old_keys_pseudonym_that_was_in_use_is_found_among_very_many(place: Path) -> None:
    before = Pseudonyms(ENVIRONMENT)
    used = {number: before.pseudonym(Subject(str(number), "h")) for number in range(12000, 12500)}
    store = opened(place)
    store.rotate(fingerprint(one) for one in used.values())
    assert {number: store.pseudonym("", "h", str(number)) for number in range(12000, 12500, 25)} == {
        number: used[number] for number in range(12000, 12500, 25)
    }
    assert store.pseudonym("", "h", "12500").startswith("p2-")


def test_feeds_that_meet_a_number_at_once_under_different_keys_give_it_one_pseudonym(place: Path) -> None:
    old = [opened(place) for _ in range(4)]
    old[0].rotate(())
    feeds = [*old[1:], opened(place)]  # some have not read the new key yet
    for number in range(10):
        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(lambda one, at=str(number): one.pseudonym("", "h", at), feeds))) == 1


def test_a_number_is_found_by_its_pseudonym_until_it_is_forgotten(place: Path) -> None:
    store = opened(place)
    one, other = store.pseudonym("", "hospital", "4711"), store.pseudonym("", "", "4712")
    assert (store.number_of(one), store.number_of(other)) == (("hospital", "4711"), ("", "4712"))
    assert store.number_of("p-none") is None
    store.forget(one)
    for now in (store, opened(place)):
        assert (now.number_of(one), now.number_of(other)) == (None, ("", "4712"))
        assert now.pseudonym("", "hospital", "4711") == one, "what still comes is recognised, and refused as erased"


def test_neither_number_nor_pseudonym_stands_in_the_store_in_clear(place: Path) -> None:
    store = opened(place)
    pseudonym = store.pseudonym("", "hospital", "number-4711")
    store.rotate({fingerprint(pseudonym)})
    for path in place.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
        for word in ("4711", "hospital", pseudonym, ENVIRONMENT.decode()):
            assert word not in path.name
            assert not (path.is_file() and word.encode() in path.read_bytes())


def test_a_store_that_cannot_be_used_says_why(place: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeysUnusable, match="is none of pseudonyms; 'dosetwin pseudonyms create' makes one"):
        PseudonymStore(PatientKeys(folder, MASTER))
    with pytest.raises(KeysUnusable, match="is not empty"):
        create_pseudonym_store(place, MASTER)
    opened(place).pseudonym("", "h", "1")
    (entry,) = place.glob("pseudonyms/??/*")
    for path, says in ((entry, "is damaged, or of another store"), (place / "ring", "ring: is damaged")):
        sound = path.read_bytes()
        path.write_bytes(sound[:-1])
        with pytest.raises(KeysUnusable, match=says):
            opened(place).pseudonym("", "h", "1")
        path.write_bytes(sound)
    (place / "known").unlink()
    with pytest.raises(KeysUnusable, match="known: No such file or directory"):
        opened(place)
    assert pseudonym_store() is None
    monkeypatch.setenv("DOSETWIN_PSEUDONYMS_STORE", str(place))
    with pytest.raises(KeysUnusable, match="name its file in DOSETWIN_PSEUDONYMS_MASTER_FILE"):
        pseudonym_store()
