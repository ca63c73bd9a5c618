"""Releases of models: only the very text that somebody who may has reviewed and signed is used."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.releases import (
    ENDING,
    EVIDENCE,
    REVIEWERS,
    NotReleased,
    Release,
    new_key,
    open_key,
    open_releases,
    publish,
    sign,
)
from twin import load_model
from twin.modelfile.reader import parse_model

MODEL = load_model("imatinib_widmer2006")
KEY = Ed25519PrivateKey.generate()
DAY = date(2026, 3, 1)
PASSPHRASE = "four words and a number 7"


def line(name: str, key: Ed25519PrivateKey) -> str:
    return f'"{name}" = "{base64.b64encode(key.public_key().public_bytes_raw()).decode()}"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of releases with one reviewer, who released one model."""
    (tmp_path / REVIEWERS).write_text("[reviewers]\n" + line("A. Reviewer", KEY))
    release = sign(MODEL, KEY, "A. Reviewer", DAY, "held against the paper")
    (tmp_path / f"{MODEL.id}{ENDING}").write_text(release.as_toml())
    for path in (tmp_path, tmp_path / REVIEWERS):
        path.chmod(path.stat().st_mode & ~0o022)
    return tmp_path


def rewritten(folder: Path, release: Release) -> None:
    (folder / f"{MODEL.id}{ENDING}").write_text(release.as_toml())


def test_a_model_that_was_reviewed_is_released(folder: Path) -> None:
    release = open_releases(folder).check(MODEL)
    assert (release.reviewer, release.reviewed, release.note) == ("A. Reviewer", DAY, "held against the paper")


def test_what_a_release_rests_on_is_signed_too(folder: Path) -> None:
    (folder / f"{MODEL.id}{ENDING}").unlink()
    publish(sign(MODEL, KEY, "A. Reviewer", DAY, "learnt", evidence="judged = 1\n"), MODEL, folder, "judged = 1\n")
    assert open_releases(folder).check(MODEL).evidence
    beside = folder / f"{MODEL.id}{EVIDENCE}"
    beside.write_text("judged = 2\n")
    with pytest.raises(NotReleased, match="is not what its release rests on; put back what was signed"):
        open_releases(folder).check(MODEL)
    beside.unlink()
    rewritten(folder, replace(open_releases(folder).check(MODEL), evidence="0" * 64))
    with pytest.raises(NotReleased, match="was not signed with the key"):
        open_releases(folder).check(MODEL)


def test_a_model_that_nobody_reviewed_is_not(folder: Path) -> None:
    with pytest.raises(
        NotReleased, match=r"fluorouracil_yamada2025: nobody reviewed it: no .*; 'dosetwin models sign'"
    ):
        open_releases(folder).check(load_model("fluorouracil_yamada2025"))


def test_a_file_with_a_changed_byte_is_another_one(folder: Path) -> None:
    with pytest.raises(
        NotReleased, match=r"is not the one that A\. Reviewer reviewed on 2026-03-01; put that one back"
    ):
        open_releases(folder).check(replace(MODEL, text=MODEL.text + " "))


def test_a_note_that_was_altered_is_noticed_though_the_model_computes_the_same(folder: Path) -> None:
    altered = parse_model(MODEL.text.replace("rate constant of absorption", "rate constant of elimination"), MODEL.id)
    assert altered.text != MODEL.text
    assert altered.hash == MODEL.hash
    with pytest.raises(NotReleased, match="is not the one that"):
        open_releases(folder).check(altered)


@pytest.mark.parametrize(
    "changed",
    [{"reviewed": date(2026, 3, 2)}, {"note": "another note"}, {"signature": bytes(64)}],
)
def test_whatever_is_changed_of_a_release_is_noticed(folder: Path, changed: dict[str, object]) -> None:
    release = open_releases(folder).check(MODEL)
    rewritten(folder, replace(release, **changed))  # type: ignore[arg-type]
    with pytest.raises(NotReleased, match=r"was not signed with the key of A\. Reviewer; have it reviewed again"):
        open_releases(folder).check(MODEL)


def test_a_key_of_nobody_who_may_releases_nothing(folder: Path) -> None:
    stranger = Ed25519PrivateKey.generate()
    rewritten(folder, sign(MODEL, stranger, "A. Reviewer", DAY, "n"))
    with pytest.raises(NotReleased, match="was not signed with the key"):
        open_releases(folder).check(MODEL)
    rewritten(folder, sign(MODEL, stranger, "B. Stranger", DAY, "n"))
    with pytest.raises(NotReleased, match=r"B\. Stranger, who released it, is not in .*reviewers\.toml"):
        open_releases(folder).check(MODEL)


def test_a_release_of_one_model_is_none_of_another(folder: Path) -> None:
    other = load_model("fluorouracil_yamada2025")
    text = (folder / f"{MODEL.id}{ENDING}").read_text()
    (folder / f"{other.id}{ENDING}").write_text(text)
    with pytest.raises(NotReleased, match="is of the model imatinib_widmer2006"):
        open_releases(folder).check(other)
    (folder / f"{other.id}{ENDING}").write_text(text.replace(f'"{MODEL.id}"', f'"{other.id}"'))
    with pytest.raises(NotReleased, match="is not the one that"):
        open_releases(folder).check(other)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("reviewed = 2026-03-01", 'reviewed = "today"', "reviewed is 'today', not a day"),
        ('note = "held', 'nota = "held', "note is None, not a text"),
        ('signature = "', 'signature = "!', "signature: "),
        ("reviewer = ", "reviewer ", "cannot be read"),
    ],
)
def test_a_release_that_cannot_be_read_is_named(folder: Path, old: str, new: str, said: str) -> None:
    path = folder / f"{MODEL.id}{ENDING}"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(NotReleased, match=f"{ENDING}.*{re.escape(said)}"):
        open_releases(folder).check(MODEL)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write [reviewers] and lines"),
        ("[reviewers]\n", "nobody may release a model"),
        ('[reviewers]\n"A" = "c2hvcnQ="\n', "write [reviewers] and lines"),
        ("[reviewers]\nA = 3\n", "write [reviewers] and lines"),
    ],
)
def test_reviewers_that_cannot_be_read_release_nothing(folder: Path, text: str, said: str) -> None:
    (folder / REVIEWERS).write_text(text)
    with pytest.raises(NotReleased, match=re.escape(said)):
        open_releases(folder)


def test_a_folder_that_is_not_there_or_that_others_may_write_to_releases_nothing(folder: Path) -> None:
    with pytest.raises(NotReleased, match="name the folder of releases"):
        open_releases(folder / "gone")
    (folder / REVIEWERS).chmod(0o664)
    with pytest.raises(NotReleased, match="others may write to it, and so release models; chmod go-w"):
        open_releases(folder)


def test_a_key_opens_by_its_passphrase_alone_and_is_its_owners(tmp_path: Path) -> None:
    path = tmp_path / "reviewer.key"
    public = new_key(path, PASSPHRASE)
    assert path.stat().st_mode & 0o077 == 0
    assert b"ENCRYPTED" in path.read_bytes()
    assert base64.b64encode(open_key(path, PASSPHRASE).public_key().public_bytes_raw()).decode() == public
    with pytest.raises(NotReleased, match="no key that this passphrase opens"):
        open_key(path, "another passphrase")
    with pytest.raises(NotReleased, match="a key is never written over"):
        new_key(path, PASSPHRASE)
    with pytest.raises(NotReleased, match="shorter than 12 characters"):
        new_key(tmp_path / "other.key", "short")

    def unasked() -> str:
        raise AssertionError("nobody is asked for the passphrase of a key that is not opened")

    with pytest.raises(NotReleased, match="No such file or directory"):
        open_key(tmp_path / "gone.key", unasked)
    with pytest.raises(NotReleased, match="a key is never written over"):
        new_key(path, unasked)
    assert open_key(path, lambda: PASSPHRASE).public_key() == open_key(path, PASSPHRASE).public_key()
    assert not (tmp_path / "other.key").exists()


@pytest.mark.parametrize(("reviewer", "note"), [(" ", "n"), ("A", ""), ("A", "two\nlines")])
def test_a_reviewer_or_note_that_says_nothing_signs_nothing(reviewer: str, note: str) -> None:
    with pytest.raises(NotReleased, match="in one line"):
        sign(MODEL, KEY, reviewer, DAY, note)


def test_a_release_says_under_its_signature_which_model_it_replaces(folder: Path) -> None:
    version = parse_model(MODEL.text.replace(f'id = "{MODEL.id}"', 'id = "imatinib_ward"'), "imatinib_ward.toml")
    release = sign(version, KEY, "A. Reviewer", DAY, "learnt", MODEL.id)
    publish(release, version, folder)
    releases = open_releases(folder)
    found, wrong = releases.replacing()
    assert (found, wrong) == ({MODEL.id: release}, ())
    assert releases.check(version).replaces == MODEL.id
    assert releases.file_of(version.id) == folder / "imatinib_ward.toml"
    (folder / f"{version.id}{ENDING}").write_text(replace(release, replaces="").as_toml())
    with pytest.raises(NotReleased, match="was not signed with the key of"):
        releases.check(version)


def test_a_release_that_could_move_no_twin_is_not_written(folder: Path) -> None:
    renamed = MODEL.text.replace(f'id = "{MODEL.id}"', 'id = "imatinib_ward"')
    version = parse_model(renamed, "imatinib_ward.toml")
    for replaced, said in (("imatinib_ward", "give the id of another model"), ("../x", "give the id of another")):
        with pytest.raises(NotReleased, match=said):
            sign(version, KEY, "A. Reviewer", DAY, "learnt", replaced)
    other = sign(version, KEY, "A. Reviewer", DAY, "learnt", "fluorouracil_yamada2025")
    with pytest.raises(NotReleased, match="imatinib_ward is no version of fluorouracil_yamada2025: more differs than"):
        publish(other, version, folder)
    publish(sign(version, KEY, "A. Reviewer", DAY, "learnt", MODEL.id), version, folder)
    second = parse_model(renamed.replace("imatinib_ward", "imatinib_ward2"), "imatinib_ward2.toml")
    release = sign(second, KEY, "A. Reviewer", DAY, "learnt", MODEL.id)
    with pytest.raises(NotReleased, match="imatinib_ward replaces imatinib_widmer2006 already; let this one replace"):
        publish(release, second, folder)
    (folder / f"imatinib_ward2{ENDING}").write_text(release.as_toml())
    found, wrong = open_releases(folder).replacing()
    assert (found, wrong) == ({}, (f"imatinib_ward, imatinib_ward2: all replace {MODEL.id}; leave one of these "
                                   f"releases in {folder}",))  # fmt: skip
