"""The store of patients' keys: a folder apart from the data, which the master key opens.

::

    store.json               the store's own key, wrapped by the master key (AES-256-GCM), and the key of its reports
    patients/3f/3f0a...      a patient's key, wrapped by the store's own; or that it was destroyed, and when

A file is named by an HMAC of the pseudonym under the store's key, so the folder tells nobody whose keys it has. A key
is 32 random bytes, of which nothing else is kept: who destroys it has erased all that it encrypted, in every copy of
Kafka. Another master key wraps the store's own key alone, so that a change of it is one file.

Workers on several machines share the folder, mounted by all. A key is made by ``link``, which is atomic on NFS too: of
two workers that meet a patient at once both go on with the key of whoever came first. What one has read it keeps in
memory; who destroys keys sees to it that workers rest.
"""

from __future__ import annotations

import base64
import functools
import hmac
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from connectors.privacy.cipher import NONCE, Cipher, derived
from connectors.privacy.master_key import KEY_BYTES, KeySettings, KeysUnusable, master_key
from connectors.privacy.private_files import make_once, replace, write_over
from connectors.services.run_state import private_directory
from connectors.settings import load_settings

HEADER, PATIENTS = "store.json", "patients"

IN_MEMORY = 8_192
"""Keys that are kept in memory: some twice as many as there are twins."""

_KEY, _GONE = b"DTK1", b"DTK0"
"""How a file of a key begins, and one of a key that was destroyed."""


class KeyMissing(KeysUnusable):
    """The store has no key of this patient, and none that was destroyed."""


class KeyDestroyed(ValueError):
    """The patient's key was destroyed: nothing that it encrypted can be read again."""


class PatientKeys:
    """See the module's docstring; safe to use from several threads and processes.

    Args:
        folder: of the store.
        master: key of 32 bytes.

    Raises:
        KeysUnusable: there is no store, others may read it, or the master key is another one.
    """

    def __init__(self, folder: Path, master: bytes) -> None:
        self.folder = folder
        self._own = _unwrapped_header(folder, master)
        self._names, self._wrap = derived(self._own, "names"), AESGCM(derived(self._own, "wrap"))
        self.cipher = functools.lru_cache(IN_MEMORY)(self._cipher)

    def _cipher(self, patient: str) -> Cipher:
        """The cipher of a patient whose key is there.

        Raises:
            KeyDestroyed, KeyMissing: it is not.
            KeysUnusable: the store cannot be read.
        """
        try:
            return Cipher.of(self._key(patient))
        except FileNotFoundError:
            raise KeyMissing(
                f"{self._path(patient)}: the patient's key is not in the store; put the file back from its back-up, or "
                "fold the patient anew: 'dosetwin patient repair'"
            ) from None

    def cipher_for(self, patient: str) -> Cipher:
        """The patient's cipher, with a new key where there was none.

        Raises:
            KeyDestroyed: the patient was erased.
            KeysUnusable: the store cannot be read or written.
        """
        try:
            return self.cipher(patient)
        except KeyMissing:
            self._make(patient)
            return self.cipher(patient)

    def destroy(self, patient: str) -> datetime:
        """Destroy the patient's key, so that none is made again; when that was, also where it had been before.

        The file is written over before it is replaced. What a disk, a snapshot or a back-up of the store may still hold
        of it stays wrapped by the store's key.

        Raises:
            KeysUnusable: the store cannot be written.
        """
        path = self._path(patient)
        try:
            if (known := _destroyed(path)) is not None:
                return known
            write_over(path)
            at = datetime.now(UTC)
            replace(path, _GONE + at.isoformat().encode())
        except OSError as error:
            raise self._unusable(path, error) from None
        self.cipher.cache_clear()
        return at

    def destroyed(self, patient: str) -> datetime | None:
        """When the patient's key was destroyed; None where it is there, or never was."""
        return _destroyed(self._path(patient))

    def counted(self) -> tuple[int, int]:
        """How many keys there are, and how many were destroyed."""
        there = gone = 0
        for path in self._files():
            if path.read_bytes()[: len(_GONE)] == _GONE:
                gone += 1
            else:
                there += 1
        return there, gone

    def signer(self) -> Ed25519PrivateKey:
        """What reports of this store are signed with."""
        return Ed25519PrivateKey.from_private_bytes(derived(self._own, "reports"))

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose, the same for as long as the store lives."""
        return derived(self._own, purpose)

    def _files(self) -> Iterator[Path]:
        return (path for path in sorted(self.folder.glob(f"{PATIENTS}/??/*")) if not path.name.startswith("."))

    def _path(self, patient: str) -> Path:
        name = hmac.digest(self._names, patient.encode(), "sha256").hex()[:32]
        return self.folder / PATIENTS / name[:2] / name

    def _key(self, patient: str) -> bytes:
        path = self._path(patient)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise self._unusable(path, error) from None
        if raw[: len(_GONE)] == _GONE:
            raise KeyDestroyed(f"the patient's key was destroyed on {raw[len(_GONE) :].decode(errors='replace')}")
        try:
            return _unwrapped(self._wrap, raw.removeprefix(_KEY), path.name.encode())
        except InvalidTag:
            raise KeysUnusable(f"{path}: is damaged, or of another store; put it back from the back-up") from None

    def _make(self, patient: str) -> None:
        path = self._path(patient)
        wrapped = _wrapped(self._wrap, secrets.token_bytes(KEY_BYTES), path.name.encode())
        try:
            make_once(path, _KEY + wrapped)  # of two workers the first one's key is the patient's
        except OSError as error:
            raise self._unusable(path, error) from None

    def _unusable(self, path: Path, error: OSError) -> KeysUnusable:
        mend = "it must be a folder that this user may write, on a file system with links"
        return KeysUnusable(f"store of keys {self.folder}: {path.name}: {error.strerror or error}; {mend}")


def patient_keys() -> PatientKeys | None:
    """The store that the environment names; None where it names none, and nothing is encrypted.

    Raises:
        SettingsError, KeysUnusable: what it names cannot be used.
    """
    return open_store(load_settings(KeySettings))


def open_store(settings: KeySettings) -> PatientKeys | None:
    """The store that these settings name, if they name one; raises `KeysUnusable`."""
    if settings.store is None:
        if settings.master or settings.master_file is not None:
            raise KeysUnusable(
                f"a master key is set without {settings.variable('store')}: name the folder of the store"
            )
        return None
    return PatientKeys(settings.store, master_key(settings))


def create_store(folder: Path, master: bytes) -> None:
    """Make a store of no keys; raises `KeysUnusable` where there is one, or it cannot be written."""
    try:
        private_directory(folder)
        if any(folder.iterdir()):
            raise KeysUnusable(f"{folder}: is not empty; name a new folder for the store of keys")
        private_directory(folder / PATIENTS)
        _write_header(folder, master, secrets.token_bytes(KEY_BYTES))
    except OSError as error:
        raise KeysUnusable(f"{folder}: {error.strerror or error}; name a folder that this user may write") from None


def change_master(folder: Path, old: bytes, new: bytes) -> None:
    """Let another master key open the store, and the old one no more; raises `KeysUnusable`."""
    own = _unwrapped_header(folder, old)
    try:
        _write_header(folder, new, own)
    except OSError as error:
        raise KeysUnusable(f"{folder}: {error.strerror or error}; nothing was changed") from None


def _write_header(folder: Path, master: bytes, own: bytes) -> None:
    wrapped = base64.b64encode(_wrapped(AESGCM(master), own, b"dosetwin store 1")).decode()
    replace(folder / HEADER, json.dumps({"store": 1, "key": wrapped}).encode() + b"\n")


def _unwrapped_header(folder: Path, master: bytes) -> bytes:
    """The store's own key."""
    path = folder / HEADER
    named = f"store of keys {folder}"
    try:
        found = folder.stat()
        if found.st_mode & 0o077 or found.st_uid != os.geteuid():
            seen = f"may be read by others (mode {stat.S_IMODE(found.st_mode):o}), or is another user's"
            raise KeysUnusable(f"{named}: {seen}; chown it to who runs this, and chmod 700")
        header = json.loads(path.read_text(encoding="ascii"))
        return _unwrapped(AESGCM(master), base64.b64decode(header["key"]), b"dosetwin store 1")
    except InvalidTag:
        raise KeysUnusable(f"{named}: another master key opens this store; give the one it was made with") from None
    except FileNotFoundError:
        raise KeysUnusable(f"{named}: has no {HEADER}; 'dosetwin keys create' makes a store") from None
    except OSError as error:
        raise KeysUnusable(f"{named}: {error.strerror or error}; name a folder that this user may read") from None
    except (ValueError, KeyError, TypeError):
        raise KeysUnusable(f"{named}: {HEADER} is damaged; put it back from its back-up") from None


def _wrapped(wrap: AESGCM, key: bytes, name: bytes) -> bytes:
    nonce = secrets.token_bytes(NONCE)
    return nonce + wrap.encrypt(nonce, key, name)


def _unwrapped(wrap: AESGCM, raw: bytes, name: bytes) -> bytes:
    if len(raw) < NONCE:
        raise InvalidTag
    return wrap.decrypt(raw[:NONCE], raw[NONCE:], name)


def _destroyed(path: Path) -> datetime | None:
    with suppress(FileNotFoundError):
        raw = path.read_bytes()
        if raw[: len(_GONE)] == _GONE:
            return datetime.fromisoformat(raw[len(_GONE) :].decode())
    return None
