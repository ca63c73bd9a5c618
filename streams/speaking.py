"""What a feed says, in a hospital's protocol and through real senders: a few lanes side by side, each in order.

A patient's events go by one lane, one after another, each acknowledged before the next is said; so nothing overtakes
anything, whichever way it goes. What the protocol cannot say goes onto the topics as our own JSON, in its turn.
"""

from __future__ import annotations

import queue
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

from connectors.feeds.stream import Spoken, TimedEvent
from connectors.kafka.feed_metrics import FeedMetrics
from connectors.kafka.publish import Published, Sending, Throttle
from connectors.kafka.topics import ensure_topics, topic_of
from connectors.settings import Settings
from connectors.speaking.counts import Counts
from connectors.speaking.source import listens, write_source
from connectors.speaking.speakers import Speaker, speaker_of
from twin.events import Enrolment, InputEvent

LANES = 8
"""Connections side by side: an answer takes some ms, and a patient's next message waits for it."""

WAITING = 200
"""Events that wait in a lane, and are said together where the protocol can."""

LOOK_SECONDS = 0.2


class Lane:
    """A thread that says its events one after another."""

    def __init__(self, speaker: Speaker, stop: threading.Event) -> None:
        self._speaker, self._stop = speaker, stop
        self._queue: queue.Queue[TimedEvent | None] = queue.Queue(WAITING)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, told: TimedEvent | None) -> None:
        """Say it in its turn; None says that it was the last.

        Raises:
            Exception: whatever ended the lane.
        """
        while not self._stop.is_set() or told is None:
            if self._error is not None:
                raise self._error
            try:
                self._queue.put(told, timeout=LOOK_SECONDS)
            except queue.Full:
                if self._stop.is_set():
                    return
                continue
            return

    def join(self) -> None:
        """Until all is said, or it was told to stop.

        Raises:
            Exception: whatever ended the lane.
        """
        while self._thread.is_alive():
            self._thread.join(LOOK_SECONDS)
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                together, last = self._together()
                if together:
                    self._speaker.say(together)
                if last:
                    return
        except Exception as error:
            self._error = error

    def _together(self) -> tuple[list[TimedEvent], bool]:
        """What waits now, and whether nothing comes after it."""
        found: list[TimedEvent] = []
        try:
            told = self._queue.get(timeout=LOOK_SECONDS)
            while told is not None:
                found.append(told)
                told = self._queue.get_nowait()
        except queue.Empty:
            return found, False
        return found, True


class _Plainly:
    """Our own JSON on the topics, from any lane. An enrolment is waited for: nothing is said before a twin is there.

    Kafka is asked for when there is something to say: over HTTP there never is.
    """

    def __init__(self, settings: Settings, stop: threading.Event, metrics: FeedMetrics) -> None:
        self._settings, self._stop, self._metrics, self._lock = settings, stop, metrics, threading.Lock()
        self._sending: Sending | None = None

    def __call__(self, events: Sequence[InputEvent]) -> None:
        with self._lock:
            if self._sending is None:
                settings = self._settings
                ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions)
                self._sending = Sending(settings.kafka, self._stop, self._metrics)
            for event in events:
                self._sending.send(topic_of(event, self._settings.topic_prefix), event)
            if any(isinstance(event, Enrolment) for event in events):
                self._sending.finish()

    def finish(self) -> Published:
        """Wait for what is on its way; what became of everything."""
        if self._sending is None:
            return Published(0, {}, {}, stopped=False)
        self._sending.finish()
        return self._sending.account(self._stop.is_set())

    def close(self) -> None:
        """Let go of the producer."""
        if self._sending is not None:
            self._sending.close()


def speak(
    events: Iterable[tuple[int, InputEvent]],
    spoken: Spoken,
    settings: Settings,
    throttle: Throttle | None,
    stop: threading.Event,
    tell: Callable[[str], object],
    ticker: Callable[[int], object],
    metrics: FeedMetrics,
) -> dict[str, Any]:
    """Say every event, and wait until the last one is safe; returns what became of them.

    Args:
        events: with the ms at which each arrives in simulated time.
        spoken: in which protocol, and to whom.
        settings: where the topics are for what goes as our own JSON.
        throttle: holds events back until they are due.
        stop: once set, nothing more is said.
        tell: is told what whoever speaks should know.
        ticker: is told how many events were said so far.
        metrics: of what goes onto the topics.

    Raises:
        KafkaUnreachable: no broker answers, where something goes as our own JSON.
        OSError, ValueError: the files for the listener cannot be written, or ``spoken.to`` is no address.
    """
    given = write_source(spoken)
    counts = Counts(tell, f"In another terminal: {listens(spoken, given)}")
    opens, plainly = speaker_of(spoken), _Plainly(settings, stop, metrics)
    lanes: list[Lane] = []
    with ExitStack() as stack:
        stack.callback(plainly.close)
        for _ in range(LANES):
            speaker = opens(plainly, stop.is_set, counts)
            stack.callback(speaker.close)
            lanes.append(Lane(speaker, stop))
        for said, (millis, event) in enumerate(events, start=1):
            if throttle is not None:
                throttle.wait(millis, stop)
            if stop.is_set():
                break
            lanes[zlib.crc32(event.patient_id.encode()) % LANES].put(TimedEvent(millis, event))
            ticker(said)
        for lane in lanes:
            lane.put(None)
        for lane in lanes:
            lane.join()
        plain = plainly.finish()
    return {
        "spoken": dict(counts.by_kind),
        "as_json": plain.by_topic,
        "refused": counts.refusals,
        "failed": plain.failed,
        "sent_again": counts.sent_again,
    }
