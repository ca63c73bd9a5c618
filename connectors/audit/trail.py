"""The trail of a console: what its door tells goes to Kafka by a thread of its own; nobody waits for that but who acts.

The rule where Kafka is away: what is read is kept (`Spool`) and told when Kafka is back; when `MOST_WAITING` wait,
nothing more is shown. Who acts is refused, for an action that is not told of first is not done. Refusals leave room for
what is read, and are only counted where they would not.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from connectors.audit.access import Access, encode
from connectors.audit.repeats import Repeats
from connectors.audit.spool import Spool
from connectors.kafka.clients import KafkaUnreachable, NotConfirmed
from connectors.kafka.publish import CONFIRM_SECONDS, Sender
from connectors.kafka.topics import ACCESSES, TopicError, ensure_topics
from connectors.settings import Settings

MOST_WAITING = 50_000
"""Accesses that may wait for Kafka, some 300 bytes each: a busy ward's of a week."""

ROOM_OF_REFUSALS = 0.8
"""The part of that which refusals may fill."""

BATCH = 500
"""Accesses that are sent at one time."""

PAUSE_SECONDS = 2.0
"""Time to the next attempt where Kafka is away; who acts is not kept waiting for it."""

LOOK_SECONDS = 5.0
"""Time between looks whether repeated refusals are to be told."""

log = structlog.get_logger(__name__)


class NoRoom(RuntimeError):
    """So much waits to be recorded that nothing more may be shown."""


class Trail:
    """Of one console that runs.

    Args:
        settings: of Kafka.
        path: a file that keeps what waits; None: memory does.
        now: the time; ``clock``: seconds that never go back.
        most: accesses that may wait.
    """

    def __init__(
        self,
        settings: Settings,
        path: Path | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        most: int = MOST_WAITING,
    ) -> None:
        self.seat = secrets.token_hex(6)
        self._settings, self._now, self._clock, self._most = settings, now, clock, most
        self._spool, self._repeats, self._sender = Spool(path), Repeats(), Sender(settings)
        self._changed = threading.Condition()
        self._number = self._failures = self.left_out = 0
        self._confirmed = -1
        self._wanted = self._ending = self._ready = False
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="audit-trail", daemon=True)

    @property
    def waiting(self) -> int:
        """Accesses that Kafka does not have yet."""
        return len(self._spool)

    def start(self) -> None:
        """Tell that the console begins, and go on telling."""
        with contextlib.suppress(NoRoom), self._changed:
            self._put(Access("console", "begins"))
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Tell that it ends, and wait a while for Kafka to have all."""
        with self._changed:
            with contextlib.suppress(NoRoom):
                for access in (*self._repeats.ended(float("inf")), Access("console", "done")):
                    self._put(access)
            self._ending = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)
        self._sender.close()
        self._spool.close()

    def tell(self, access: Access) -> None:
        """Have it told; nobody waits for that. Raises `NoRoom` where it cannot be, of refusals never."""
        with self._changed:
            if access.outcome == "refused":
                told = self._repeats.taken(access, self._clock())
                if told is None:
                    return
                access = told
                if len(self._spool) >= ROOM_OF_REFUSALS * self._most:
                    self.left_out += 1
                    return
            self._put(access)
            self._changed.notify_all()

    def confirm(self, access: Access) -> None:
        """Done when Kafka has it; whoever calls this waits.

        Raises:
            NotConfirmed: Kafka does not say that it has it in `CONFIRM_SECONDS`, or an attempt failed.
            NoRoom: it cannot even wait.
        """
        with self._changed:
            number, failures = self._put(access), self._failures
            self._wanted = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._confirmed >= number or self._failures > failures, timeout=CONFIRM_SECONDS
            )
            if self._confirmed < number:
                raise NotConfirmed(f"it cannot be recorded who does it ({self._trouble or 'Kafka is slow'})")

    def _put(self, access: Access) -> int:
        """Let it wait, numbered; the number."""
        if len(self._spool) >= self._most:
            raise NoRoom(f"{self._most} accesses wait to be recorded")
        number = self._number
        try:
            self._spool.put(access.stamped(self._now(), self.seat, number))
        except OSError as error:
            raise NoRoom(f"the file of accesses takes no more: {error.strerror or error}") from None
        self._number += 1
        return number

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: len(self._spool) or self._ending, LOOK_SECONDS)
                with contextlib.suppress(NoRoom):
                    for again in self._repeats.ended(self._clock()):
                        self._put(again)
                batch = self._spool.oldest(BATCH)
                self._wanted = False
            if batch:
                self._send(batch)
            with self._changed:
                if self._ending and (self._trouble or not len(self._spool)):
                    return
                if self._trouble:
                    self._changed.wait_for(lambda: self._wanted or self._ending, PAUSE_SECONDS)

    def _send(self, batch: list[Access]) -> None:
        trouble = self._failed(batch)
        with self._changed:
            if trouble:
                if not self._trouble:
                    log.warning("accesses_wait", cause=trouble, waiting=len(self._spool))
                self._failures += 1
            else:
                if self._trouble:
                    log.info("accesses_told_again")
                self._spool.sent(len(batch))
                if batch[-1].seat == self.seat:
                    self._confirmed = batch[-1].number
            self._trouble = trouble
            self._changed.notify_all()

    def _failed(self, batch: list[Access]) -> str:
        """Send them; why that failed, empty where it did not."""
        settings = self._settings
        try:
            if not self._ready:
                ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions, (ACCESSES,))
            self._sender.put(ACCESSES, batch[0].seat.encode(), [encode(access) for access in batch])
        except KafkaUnreachable as error:
            why = error.summary
        except (NotConfirmed, TopicError) as error:
            why = str(error)
        except Exception as error:  # whatever it is, the next attempt may do better
            why = type(error).__name__
        else:
            why = ""
        self._ready = not why
        return why
