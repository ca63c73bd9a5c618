"""What was last told of each fact: so that a repetition is silent, a correction names what stands, and nothing is lost.

An event is put here before it goes to Kafka and marked when Kafka has it. What is unmarked when a feed starts is sent
again, with the same id, so that a feed that was killed in between has told it once. Messages of which something was
refused are kept beside it as they came, so that they can be read again when the profile is mended: here, where nobody
but the feed's own user reads them, and not in Kafka, for they name the patient. The file is SQLite.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from twin.events import InputEvent, Status, decode, encode, event_id

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (
    fact TEXT PRIMARY KEY, family TEXT NOT NULL, key TEXT NOT NULL,
    version INTEGER NOT NULL, status TEXT NOT NULL, content TEXT NOT NULL, told BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS families ON facts (family);
CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, event BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS versions (resource TEXT PRIMARY KEY, as_of TEXT NOT NULL, ids TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (subject TEXT PRIMARY KEY, says TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS originals (number INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, message BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS heard (one INTEGER PRIMARY KEY CHECK (one = 1), newest TEXT NOT NULL);
"""


MOST_ORIGINALS = 10_000
"""Messages that are kept of those of which something was refused; the newest."""


MOST_AT_ONCE = 50
"""Versions of a resource that have one time and are told apart."""


class Told(NamedTuple):
    """What stands of a fact: how often it has been told, as what, a digest of what it says, and the event."""

    version: int
    status: Status
    content: str
    event: InputEvent


class Glance(NamedTuple):
    """A memory seen from outside.

    Attributes:
        newest: when its source was last heard; never if ``None``.
        unsent: events that Kafka may not have.
        refused: messages that are kept, as something of them was refused.
    """

    newest: datetime | None
    unsent: int
    refused: int


def glance(path: Path) -> Glance:
    """What a memory's file holds, while its source may be writing to it.

    Raises:
        sqlite3.Error: it cannot be read, or is none.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as base:
        newest = base.execute("SELECT newest FROM heard").fetchone()
        (unsent,) = base.execute("SELECT count(*) FROM outbox").fetchone()
        (refused,) = base.execute("SELECT count(*) FROM originals").fetchone()
    return Glance(None if newest is None else datetime.fromisoformat(newest[0]), unsent, refused)


class Memory:
    """The memory of one source; not for several threads at once."""

    def __init__(self, path: Path | None = None) -> None:
        """``path`` is its file, made private to the user; without one it ends with the process."""
        if path is not None:
            path.touch(mode=0o600)
        self._base = sqlite3.connect(path or ":memory:", isolation_level=None)
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("PRAGMA synchronous = FULL")
        self._base.executescript(_SCHEMA)

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def last(self, key: Sequence[str]) -> Told | None:
        """What stands of the fact, if it was ever told."""
        row = self._base.execute(
            "SELECT version, status, content, told FROM facts WHERE fact = ?", (_name(key),)
        ).fetchone()
        return None if row is None else Told(row[0], row[1], row[2], decode(row[3]))

    def family(self, key: Sequence[str]) -> list[tuple[str, ...]]:
        """The facts that were told of what ``key`` without its last part names: a resource with its components."""
        rows = self._base.execute("SELECT key FROM facts WHERE family = ? ORDER BY key", (_name(key[:-1]),))
        return [tuple(json.loads(key)) for (key,) in rows.fetchall()]

    def put(self, key: Sequence[str], told: Told, events: Iterable[InputEvent]) -> None:
        """What stands of the fact now, and the events that say so: both, or neither."""
        with self.together():
            self._base.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_name(key), _name(key[:-1]), json.dumps(key), *told[:3], encode(told.event)),
            )
            for event in events:
                self._base.execute(
                    "INSERT OR REPLACE INTO outbox (id, event) VALUES (?, ?)", (event.event_id, encode(event))
                )

    def is_older(self, resource: Sequence[str], as_of: datetime, version: str = "") -> bool:
        """Whether a later version of the resource has been read than that of ``as_of``; what is noted is the latest.

        Of several versions of one time, as clocks of whole seconds make them, the later is the one that came later.
        """
        said = as_of.astimezone(UTC).isoformat(timespec="microseconds")
        row = self._base.execute("SELECT as_of, ids FROM versions WHERE resource = ?", (_name(resource),)).fetchone()
        if row is not None and row[0] > said:
            return True
        ids = json.loads(row[1]) if row is not None and row[0] == said else []
        if version in ids:
            return bool(ids[-1] != version)
        noted = json.dumps([*ids, version][-MOST_AT_ONCE:])
        self._base.execute("INSERT OR REPLACE INTO versions VALUES (?, ?, ?)", (_name(resource), said, noted))
        return False

    def heard(self, at: datetime) -> None:
        """The source said something at ``at``, whatever becomes of it."""
        self._base.execute("INSERT OR REPLACE INTO heard VALUES (1, ?)", (at.isoformat(),))

    def noted(self, subject: Sequence[str]) -> str:
        """What was noted last of something that is no fact, as the state of a device; empty where nothing was."""
        row = self._base.execute("SELECT says FROM notes WHERE subject = ?", (_name(subject),)).fetchone()
        return "" if row is None else str(row[0])

    def note(self, subject: Sequence[str], says: str) -> None:
        """Note it, in place of what was noted before."""
        self._base.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (_name(subject), says))

    def unsent(self) -> Iterator[InputEvent]:
        """Events that Kafka may not have."""
        for (event,) in self._base.execute("SELECT event FROM outbox ORDER BY number").fetchall():
            yield decode(event)

    def sent(self, events: Iterable[InputEvent]) -> None:
        """Kafka has them. What of this a power cut takes away is sent once more, so the disk is not waited for."""
        self._base.execute("PRAGMA synchronous = NORMAL")
        with self.together():
            self._base.executemany("DELETE FROM outbox WHERE id = ?", [(event.event_id,) for event in events])
        self._base.execute("PRAGMA synchronous = FULL")

    def keep(self, message: bytes) -> str:
        """Keep a message of which something was refused; its digest, by which the dead letters name it."""
        digest = event_id(message.hex())
        self._base.execute("INSERT OR IGNORE INTO originals (digest, message) VALUES (?, ?)", (digest, message))
        self._base.execute(
            "DELETE FROM originals WHERE number <= (SELECT max(number) FROM originals) - ?", (MOST_ORIGINALS,)
        )
        return digest

    def originals(self) -> list[bytes]:
        """The messages that are kept, oldest first."""
        return [
            message for (message,) in self._base.execute("SELECT message FROM originals ORDER BY number").fetchall()
        ]

    def forget(self, message: bytes) -> None:
        """A message that was kept has been read."""
        self._base.execute("DELETE FROM originals WHERE digest = ?", (event_id(message.hex()),))

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is done meanwhile is kept, or nothing of it."""
        if self._base.in_transaction:
            yield
            return
        self._base.execute("BEGIN IMMEDIATE")
        with self._base:
            yield


def _name(key: Sequence[str]) -> str:
    """A fact's name in the file's indices, of one length."""
    return event_id("fact", *key)
