"""Releases of models: who reviewed a model file, when, and a signature (Ed25519) that proves it.

A folder of releases has ``reviewers.toml``, the public keys of those who may release, and one ``ID.release.toml`` for
each model that one of them reviewed. A release is of the file's very text: with one byte changed it is another file,
which nobody reviewed. A worker in clinical mode runs released models alone. A release may say that its model replaces
another: then twins that run by that one go on by it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import stat
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import NamedTuple

import structlog
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from twin.learning.messages.structure import require_version
from twin.model.spec import Model
from twin.modelfile.library import library_ids, load_model
from twin.names import is_name, shown

REVIEWERS = "reviewers.toml"
ENDING = ".release.toml"

EVIDENCE = ".evidence.toml"
"""Of a file beside a release: what later patients said of a version that was learnt."""

SHORTEST_PASSPHRASE = 12

_log = structlog.get_logger("dosetwin.releases")


class NotReleased(ValueError):
    """A model that may not be used, or a folder or key that cannot be; the message says why and what to do."""


@dataclass(frozen=True)
class Release:
    """That somebody reviewed a model file.

    Attributes:
        model: its id.
        sha256: of the file's text in UTF-8, 64 hex digits.
        reviewer: as in `REVIEWERS`.
        reviewed: the day.
        note: what was looked at.
        signature: of `message`, 64 bytes.
        replaces: id of the model whose running twins go on by this one, ``""`` where they do not.
        evidence: SHA-256 of the text of the `EVIDENCE` that it rests on, ``""`` without any.
    """

    model: str
    sha256: str
    reviewer: str
    reviewed: date
    note: str
    signature: bytes = b""
    replaces: str = ""
    evidence: str = ""

    @property
    def message(self) -> bytes:
        """What is signed: every field but the signature, as JSON."""
        fields = [self.model, self.sha256, self.reviewer, self.reviewed.isoformat(), self.note]
        fields += [self.replaces, self.evidence] if self.evidence else [self.replaces] if self.replaces else []
        return b"dosetwin model release 1\n" + json.dumps(fields, ensure_ascii=True).encode()

    def as_toml(self) -> str:
        """For its file."""
        said = {"model": self.model, "sha256": self.sha256, "reviewer": self.reviewer, "note": self.note}
        further = {"replaces": self.replaces, "evidence": self.evidence}
        said |= {name: text for name, text in further.items() if text}
        lines = [f"{name} = {json.dumps(value, ensure_ascii=True)}" for name, value in said.items()]
        signature = base64.b64encode(self.signature).decode()
        return "\n".join([*lines, f"reviewed = {self.reviewed}", f'signature = "{signature}"']) + "\n"


@dataclass(frozen=True)
class Releases:
    """A folder of releases as it was when it was read: what is taken back counts from the next start."""

    folder: Path
    reviewers: dict[str, Ed25519PublicKey]

    def file_of(self, model: str) -> Path | None:
        """The file of a model of this id that stands beside its release, if there is one."""
        path = self.folder / f"{model}.toml"
        return path if path.is_file() else None

    def replacing(self) -> tuple[dict[str, Release], tuple[str, ...]]:
        """Releases of models that replace others, by what they replace, whoever signed them (see `check`), and what is
        wrong with those that cannot count."""
        found: dict[str, list[Release]] = {}
        releases, wrong = _read_all(self.folder)
        for release in releases:
            if release.replaces:
                found.setdefault(release.replaces, []).append(release)
        for replaced, several in found.items():
            if len(several) > 1:
                names = ", ".join(one.model for one in several)
                wrong.append(f"{names}: all replace {replaced}; leave one of these releases in {self.folder}")
        return {replaced: several[0] for replaced, several in found.items() if len(several) == 1}, tuple(wrong)

    def check(self, model: Model) -> Release:
        """The release of a model.

        Raises:
            NotReleased: there is none, or it is of another text, by nobody who may, or not signed by who it names.
        """
        release = read_release(self.folder / f"{model.id}{ENDING}", model.id)
        if release.sha256 != digest(model):
            raise NotReleased(
                f"{model.id}: the file is not the one that {shown(release.reviewer)} reviewed on {release.reviewed}; "
                "put that one back, or have this one reviewed ('dosetwin models sign')"
            )
        key = self.reviewers.get(release.reviewer)
        if key is None:
            raise NotReleased(
                f"{model.id}: {shown(release.reviewer)}, who released it, is not in {self.folder / REVIEWERS}"
            )
        try:
            key.verify(release.signature, release.message)
        except InvalidSignature:
            raise NotReleased(
                f"{model.id}: its release was not signed with the key of {shown(release.reviewer)}; "
                "have it reviewed again"
            ) from None
        beside = self.folder / f"{model.id}{EVIDENCE}"
        if release.evidence and beside.is_file() and sha256_of(beside.read_text(encoding="utf-8")) != release.evidence:
            raise NotReleased(f"{model.id}: {beside} is not what its release rests on; put back what was signed")
        return release


class Version(NamedTuple):
    """A released model that twins of another go on by."""

    model: str
    model_hash: str


class ReleasedVersions:
    """Which released models replace others whose twins run, as a folder of releases has it now.

    A release counts where its signature does, both models load, and they are of one structure: the same equations,
    outputs, units and covariates, so that what was taken in for one is what the other would have taken. Anything else
    is named in the log once, and moves no twin.

    Args:
        load: gives the released model of an id, or raises `LookupError` or `ValueError`.
    """

    def __init__(self, releases: Releases, load: Callable[[str], Model]) -> None:
        self._releases = releases
        self._load = load
        self._told: set[str] = set()

    def now(self) -> dict[str, Version]:
        """The versions by the models that they replace."""
        found = {}
        releases, wrong = self._releases.replacing()
        for said in wrong:
            self._tell(said)
        for replaced, release in releases.items():
            try:
                found[replaced] = self._version(replaced, release)
            except (LookupError, ValueError, OSError) as error:
                self._tell(str(error))
        return found

    def _version(self, replaced: str, release: Release) -> Version:
        new, old = self._load(release.model), self._load(replaced)
        self._releases.check(new)
        require_version(old, new)
        return Version(new.id, new.hash)

    def _tell(self, said: str) -> None:
        if said not in self._told:
            self._told.add(said)
            _log.warning("a release moves no twin", reason=said)


def digest(model: Model) -> str:
    """SHA-256 of the text of a model's file."""
    return sha256_of(model.text)


def sha256_of(text: str) -> str:
    """SHA-256 of a text in UTF-8: 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def open_releases(folder: Path) -> Releases:
    """The releases of a folder.

    Raises:
        NotReleased: no folder, no reviewers, or others than its owner may write to it.
    """
    file = folder / REVIEWERS
    for path in (folder, file):
        try:
            found = path.stat()
        except OSError as error:
            mend = "'dosetwin models key' makes a reviewer's key"
            raise NotReleased(f"{path}: {error.strerror}; name the folder of releases, {mend}") from None
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise NotReleased(f"{path}: others may write to it, and so release models; chmod go-w {path}")
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8"))["reviewers"]
        keys = {
            name: Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True)) for name, key in said.items()
        }
    except (OSError, ValueError, KeyError, AttributeError, TypeError, binascii.Error) as error:
        raise NotReleased(f'{file}: {error}; write [reviewers] and lines of "NAME" = "KEY"') from None
    if not keys:
        raise NotReleased(f"{file}: nobody may release a model; add a reviewer's line ('dosetwin models key')")
    return Releases(folder, keys)


def read_release(path: Path, model: str) -> Release:
    """The release in a file, whoever signed it.

    Raises:
        NotReleased: it is missing, has not these fields, or is another model's.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotReleased(f"{model}: nobody reviewed it: no {path}; 'dosetwin models sign' writes it") from None
    except (OSError, ValueError) as error:
        raise NotReleased(f"{path}: cannot be read ({error})") from None
    fields = {"model": str, "sha256": str, "reviewer": str, "reviewed": date, "note": str, "signature": str}
    for name, kind in fields.items():
        if type(said.get(name)) is not kind:
            raise NotReleased(f"{path}: {name} is {said.get(name)!r}, not a {'day' if kind is date else 'text'}")
    for name, what in (("replaces", "the id of a model"), ("evidence", "a SHA-256")):
        if not isinstance(said.setdefault(name, ""), str):
            raise NotReleased(f"{path}: {name} is {said[name]!r}, not {what}")
    if said["model"] != model:
        raise NotReleased(f"{path}: is of the model {shown(said['model'])}")
    try:
        signature = base64.b64decode(said["signature"], validate=True)
    except binascii.Error as error:
        raise NotReleased(f"{path}: signature: {error}") from None
    kept = {name: said[name] for name in (*fields, "replaces", "evidence") if name != "signature"}
    return Release(**kept, signature=signature)


def sign(
    model: Model,
    key: Ed25519PrivateKey,
    reviewer: str,
    reviewed: date,
    note: str,
    replaces: str = "",
    evidence: str = "",
) -> Release:
    """That ``reviewer`` reviewed the model, whose running twins go on by it, and the text that it rests on.

    Raises:
        NotReleased: a reviewer or note that says nothing, or it replaces what is no other model.
    """
    for name, text in (("reviewer", reviewer), ("note", note)):
        if not text.strip() or not text.isprintable():
            raise NotReleased(
                f"{name} {shown(text)!r}: say {'who' if name == 'reviewer' else 'what was looked at'}, in one line"
            )
    if replaces and (not is_name(replaces) or replaces == model.id):
        raise NotReleased(
            f"replaces {shown(replaces)!r}: give the id of another model, whose twins go on by {model.id}"
        )
    proof = sha256_of(evidence) if evidence else ""
    release = Release(model.id, digest(model), reviewer, reviewed, note, replaces=replaces, evidence=proof)
    return replace(release, signature=key.sign(release.message))


def publish(release: Release, model: Model, folder: Path, evidence: str = "") -> None:
    """Write a release into the folder of releases, with the text that it rests on; where it replaces another, with its
    model's file; and the release last: running workers take all from there.

    Raises:
        NotReleased: there is a release of that id already, or of another model that replaces the same, or the model is
            no version of what it replaces.
        OSError: the folder cannot be written.
    """
    file = folder / f"{release.model}{ENDING}"
    if file.exists():
        raise NotReleased(f"{file}: is there already; a release is never written over: move it away first")
    if release.replaces:
        _require_successor(release, model, folder)
        (folder / f"{release.model}.toml").write_text(model.text, encoding="utf-8")
    if evidence:
        (folder / f"{release.model}{EVIDENCE}").write_text(evidence, encoding="utf-8")
    whole = file.with_suffix(".part")
    whole.write_text(release.as_toml(), encoding="utf-8")
    os.replace(whole, file)


def _require_successor(release: Release, model: Model, folder: Path) -> None:
    others = [one.model for one in _read_all(folder)[0] if one.replaces == release.replaces]
    if others:
        raise NotReleased(f"{others[0]} replaces {release.replaces} already; let this one replace {others[0]}")
    beside = folder / f"{release.replaces}.toml"
    if not beside.is_file() and release.replaces not in library_ids():
        return  # workers were told its file by --model, and look themselves
    try:
        require_version(load_model(beside if beside.is_file() else release.replaces, mixtures=True), model)
    except ValueError as error:
        raise NotReleased(f"replaces {shown(release.replaces)}: {error}") from None


def _read_all(folder: Path) -> tuple[list[Release], list[str]]:
    """Every release of a folder, whoever signed it, and what is wrong with those that cannot be read."""
    found, wrong = [], []
    for path in sorted(folder.glob(f"*{ENDING}")):
        try:
            found.append(read_release(path, path.name.removesuffix(ENDING)))
        except NotReleased as error:
            wrong.append(str(error))
    return found, wrong


Passphrase = str | Callable[[], str]
"""A passphrase, or what asks for it once it is known to be needed."""


def new_key(path: Path, passphrase: Passphrase) -> str:
    """Write a reviewer's private key, locked by a passphrase; returns the public one for `REVIEWERS`.

    Raises:
        NotReleased: a passphrase that is too short, or a file that is there already or cannot be written.
    """
    if path.exists():
        raise NotReleased(f"{path}: is there already; a key is never written over: name another file")
    passphrase = passphrase if isinstance(passphrase, str) else passphrase()
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise NotReleased(f"the passphrase is shorter than {SHORTEST_PASSPHRASE} characters")
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
    except OSError as error:
        raise NotReleased(f"{path}: {error.strerror}; a key is never written over: name another file") from None
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def open_key(path: Path, passphrase: Passphrase) -> Ed25519PrivateKey:
    """A reviewer's private key.

    Raises:
        NotReleased: it cannot be read, is locked by another passphrase, or is no Ed25519 key.
    """
    try:
        locked = path.read_bytes()
        passphrase = passphrase if isinstance(passphrase, str) else passphrase()
        key = load_pem_private_key(locked, passphrase.encode())
    except OSError as error:
        raise NotReleased(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise NotReleased(f"{path}: no key that this passphrase opens") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise NotReleased(f"{path}: is not a key of Ed25519; 'dosetwin models key' makes one")
    return key
