"""Pseudonyms of patients' numbers, made by keys that are changed, and the way back to the number, apart from all else.

A pseudonym is HMAC-SHA-256 (RFC 2104) of authority and number under the newest key, with that key's id in it
(``p2-3f0a...``; those of the first key have none, as where no store is set). Whoever has a pseudonym keeps it: what was
made once of a number stands in the mapping, encrypted, and is found there whatever the newest key is. Of numbers that
the mapping does not have, as those of before it was there, each older key is tried, and its pseudonym is taken where it
was in use when the keys were changed.

::

    store.json, patients/      a store of keys as that of patients' rows, of its own, with a master key of its own
    ring                       keys of pseudonyms, the newest last, encrypted
    known                      what pseudonyms that were in use are recognised by, encrypted
    pseudonyms/3f/3f0a...      HMAC of authority and number: the pseudonym, and the number under the patient's own key

So a feed that has this store can say who is who and opens no row, and a worker that opens rows knows nobody. Destroying
the patient's key here forgets the number for good; the pseudonym stays, so that what is still said of an erased patient
is recognised as such.
"""

from __future__ import annotations

import functools
import hmac
import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from pathlib import Path
from secrets import token_bytes

from filelock import FileLock

from connectors.privacy.cipher import Cipher, NotOpened
from connectors.privacy.master_key import KeySettings, KeysUnusable
from connectors.privacy.patient_keys import KeyDestroyed, KeyMissing, PatientKeys, create_store, open_store
from connectors.privacy.private_files import make_once, replace
from connectors.services.run_state import private_directory
from connectors.settings import load_settings

IN_MEMORY = 65_536
"""Pseudonyms that are kept in memory."""

MOST_KEYS = 99

_MARK = 16
"""Bytes of the HMAC of a pseudonym that was in use."""


class PseudonymSettings(KeySettings, env_prefix="DOSETWIN_PSEUDONYMS_"):
    """Where the keys of pseudonyms and the mapping are; without ``store`` they are made by ``DOSETWIN_PATIENT_KEY``."""


@dataclass(frozen=True, slots=True)
class PseudonymKey:
    """A key of pseudonyms; ``made`` is when, in ISO 8601."""

    id: int
    made: str
    secret: bytes

    def pseudonym(self, start: str, authority: str, number: str) -> str:
        """Of a patient's number; ``start`` tells those of test sources apart."""
        return pseudonym_by(self.secret, start, authority, number, "" if self.id == 1 else f"{self.id}-")


def fingerprint(pseudonym: str) -> str:
    """What a pseudonym can be recognised by, and not be read from.

    >>> fingerprint("P-0009")
    'd9239dd53fdf2e8f7f69a4c3f8ec8eb7'
    """
    return blake2b(pseudonym.encode(errors="surrogateescape"), digest_size=16, person=b"dosetwin-erased").hexdigest()


def pseudonym_by(secret: bytes, start: str, authority: str, number: str, key_id: str = "") -> str:
    """The pseudonym that a key makes.

    >>> pseudonym_by(b"sixteen bytes and", "", "hospital", "4711")
    'pab169a76e552f1c09766299cc11ac0f2'
    """
    said = "\x1f".join((start, authority, number)).encode()
    return f"{start}p{key_id}{hmac.new(secret, said, sha256).hexdigest()[:32]}"


class PseudonymStore:
    """See the module's docstring; safe to use from several threads and processes.

    Raises:
        KeysUnusable: it is no store of pseudonyms.
    """

    def __init__(self, keys: PatientKeys) -> None:
        self._keys = keys
        self._cipher = Cipher.of(keys.derived("pseudonyms"))
        self._names, self._marks = keys.derived("numbers"), keys.derived("known pseudonyms")
        if not self._folder.is_dir():
            raise KeysUnusable(
                f"store of keys {keys.folder}: is none of pseudonyms; 'dosetwin pseudonyms create' makes one"
            )
        self.ring = self._read_ring()
        self._known = self._read("known")
        self.pseudonym = functools.lru_cache(IN_MEMORY)(self._pseudonym)

    @property
    def _folder(self) -> Path:
        return self._keys.folder / "pseudonyms"

    def _pseudonym(self, start: str, authority: str, number: str) -> str:
        """The patient's pseudonym, which it keeps from then on.

        Args:
            start: of pseudonyms of a test source; empty for real patients.
            authority: whose the number is.
            number: as the hospital has it.

        Raises:
            KeysUnusable: the store cannot be read or written.
        """
        path = self._path(start, authority, number)
        for _ in range(2):
            with suppress(FileNotFoundError):
                return str(self._entry(path)["pseudonym"])
            chosen = self._choice(start, authority, number)
            entry = {"pseudonym": chosen, "number": self._hidden(chosen, authority, number)}
            try:
                make_once(path, self._cipher.encrypted(path.name.encode(), json.dumps(entry).encode()))
            except OSError as error:
                raise self._unusable(path.name, error.strerror or error) from None
        raise self._unusable(path.name, "what was written is gone")

    def number_of(self, pseudonym: str) -> tuple[str, str] | None:
        """Authority and number of a pseudonym; None where the mapping has none, or has forgotten it.

        Raises:
            KeysUnusable: the store cannot be read.
        """
        for path in self._folder.glob("??/*"):
            entry = {} if path.name.startswith(".") else self._entry(path)
            if entry.get("pseudonym") == pseudonym:
                with suppress(KeyDestroyed, KeyMissing):
                    cipher = self._keys.cipher(pseudonym)
                    authority, number = json.loads(cipher.opened(b"number", bytes.fromhex(entry["number"])))
                    return authority, number
        return None

    def forget(self, pseudonym: str) -> datetime:
        """Destroy what leads from a pseudonym back to its number; when that was. Raises `KeysUnusable`."""
        return self._keys.destroy(pseudonym)

    def mapped(self) -> int:
        """How many numbers the mapping has."""
        return sum(not path.name.startswith(".") for path in self._folder.glob("??/*"))

    def rotate(self, known: Iterable[str]) -> PseudonymKey:
        """Make a new key, by which whoever is new gets a pseudonym; those stay whose `fingerprint` is in ``known``.

        Raises:
            KeysUnusable: the store cannot be written, or has had so many keys.
        """
        with self._changing():
            ring = self._read_ring()
            if len(ring) >= MOST_KEYS:
                raise KeysUnusable(f"store of keys {self._keys.folder}: has had {MOST_KEYS} keys of pseudonyms already")
            held = self._read("known")
            marks = {held[at : at + _MARK] for at in range(0, len(held), _MARK)} | {self._mark(one) for one in known}
            self._known = b"".join(sorted(marks))
            self._write("known", self._known)  # first: a key that is old knows its pseudonyms
            self.ring = (*ring, _new_key(len(ring) + 1))
            self._write("ring", _ring_bytes(self.ring))
        self.pseudonym.cache_clear()
        return self.ring[-1]

    def _choice(self, start: str, authority: str, number: str) -> str:
        for key in self.ring[-2::-1]:
            if self._is_known(used := key.pseudonym(start, authority, number)):
                return used
        return self.ring[-1].pseudonym(start, authority, number)

    def _is_known(self, pseudonym: str) -> bool:
        mark, count = self._mark(fingerprint(pseudonym)), len(self._known) // _MARK
        at = bisect_left(range(count), mark, key=lambda n: self._known[n * _MARK : (n + 1) * _MARK])
        return self._known[at * _MARK : (at + 1) * _MARK] == mark

    def _mark(self, seen: str) -> bytes:
        return hmac.digest(self._marks, seen.encode(), "sha256")[:_MARK]

    def _hidden(self, pseudonym: str, authority: str, number: str) -> str:
        try:
            cipher = self._keys.cipher_for(pseudonym)
        except KeyDestroyed:
            return ""
        return cipher.encrypted(b"number", json.dumps([authority, number]).encode()).hex()

    def _path(self, start: str, authority: str, number: str) -> Path:
        name = hmac.new(self._names, "\x1f".join((start, authority, number)).encode(), sha256).hexdigest()[:32]
        return self._folder / name[:2] / name

    def _entry(self, path: Path) -> dict[str, str]:
        try:
            entry: dict[str, str] = json.loads(self._cipher.opened(path.name.encode(), path.read_bytes()))
            return entry
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unusable(path.name, error.strerror or error) from None
        except ValueError:
            raise self._unusable(path.name, "is damaged, or of another store; put it back from the back-up") from None

    def _read_ring(self) -> tuple[PseudonymKey, ...]:
        return tuple(
            PseudonymKey(**{**one, "secret": bytes.fromhex(one["secret"])}) for one in json.loads(self._read("ring"))
        )

    def _read(self, name: str) -> bytes:
        try:
            return self._cipher.opened(name.encode(), (self._keys.folder / name).read_bytes())
        except OSError as error:
            raise self._unusable(name, error.strerror or error) from None
        except NotOpened:
            raise self._unusable(name, "is damaged, or of another store; put it back from the back-up") from None

    def _write(self, name: str, raw: bytes) -> None:
        try:
            replace(self._keys.folder / name, self._cipher.encrypted(name.encode(), raw))
        except OSError as error:
            raise self._unusable(name, error.strerror or error) from None

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            with FileLock(self._keys.folder / ".lock", mode=0o600):
                yield
        except OSError as error:
            raise self._unusable(".lock", error.strerror or error) from None

    def _unusable(self, name: str, why: object) -> KeysUnusable:
        return KeysUnusable(f"store of pseudonyms {self._keys.folder}: {name}: {why}")


def pseudonym_store() -> PseudonymStore | None:
    """The store that the environment names, if it names one.

    Raises:
        SettingsError, KeysUnusable: what it names cannot be used.
    """
    keys = open_store(load_settings(PseudonymSettings))
    return None if keys is None else PseudonymStore(keys)


def create_pseudonym_store(folder: Path, master: bytes, first: bytes = b"") -> None:
    """Make a store whose first key is ``first``, so that pseudonyms stay as they are; without it, a new one.

    Raises:
        KeysUnusable: there is one, or it cannot be written.
    """
    create_store(folder, master)
    keys = PatientKeys(folder, master)
    cipher = Cipher.of(keys.derived("pseudonyms"))
    key = _new_key(1, first)
    try:
        private_directory(folder / "pseudonyms")
        for name, raw in (("ring", _ring_bytes((key,))), ("known", b"")):
            replace(folder / name, cipher.encrypted(name.encode(), raw))
    except OSError as error:
        raise KeysUnusable(f"store of pseudonyms {folder}: {error.strerror or error}") from None


def _new_key(number: int, secret: bytes = b"") -> PseudonymKey:
    return PseudonymKey(number, datetime.now(UTC).isoformat(timespec="seconds"), secret or token_bytes(32))


def _ring_bytes(ring: Iterable[PseudonymKey]) -> bytes:
    return json.dumps([{"id": one.id, "made": one.made, "secret": one.secret.hex()} for one in ring]).encode()
