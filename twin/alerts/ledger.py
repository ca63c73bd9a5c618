"""Which alerts of a patient have been published, and what has to be published now.

The folded `AlertBook` holds which alerts the history supports; late, corrected or retracted facts change the history,
and the book with it. What has been published cannot be taken back, only followed by a further revision. The ledger
remembers, for every published alert, its last revision and the digest of that revision's content, and `reconcile`
answers with the smallest set of revisions after which the published record agrees with the book again:

* a transition that is already published as it stands is not published twice (so a replay repeats nothing);
* one that the published record lacks becomes the next revision;
* an alert that the refolded history no longer supports is followed by ``withdrawn``, never deleted.

An alert keeps the id under which it was first published. Late data may move its onset, and the folded history then
knows it by another id: what the history no longer supports is taken to be the alert of the same rule and subject that
it supports instead, where the two overlap in time. So one silence, of which stored readings come in one by one, is one
alert and not one for each reading.

A silence (`RuleSettings.of_silence`) is published only while the input topics are level with one another, for a device
whose words were not read yet is not silent; and that its beginning moved is not told.

After every `reconcile` the live alerts of ledger and book say the same, whatever the order of arrival.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import dropwhile

import msgspec

from twin.alerts.lifecycle import AlertBook, Transition
from twin.alerts.settings import RETIRED, RuleSettings, Severity
from twin.clock import DAY_MS
from twin.events import LIVE, AlertEvidence, AlertState, Deciding, Subject, event_id, from_millis
from twin.wording import say

REMEMBERED_MS = 126 * DAY_MS
"""How long a finished alert stays correctable: six three-week cycles. Older ones are history as published."""


class Published(msgspec.Struct, frozen=True, array_like=True):
    """The newest published revision of one alert; ``digest`` is of its content.

    ``fold_id`` is what the folded history calls it by now.
    """

    alert_id: str
    fold_id: str
    rule: str
    subject: Subject
    state: AlertState
    severity: Severity
    revision: int
    onset_ms: int
    time_ms: int
    digest: bytes

    @property
    def live(self) -> bool:
        """The alert stands, by what was published."""
        return self.state in LIVE


class AlertLedger(msgspec.Struct, frozen=True, array_like=True):
    """The published alerts of one patient, sorted by id; part of the twin's state, but not of its checkpoints.

    An alert whose onset is not after ``forgotten_onset_ms`` may have been published and forgotten, so its revisions
    start at ``forgotten_revisions``, above every forgotten one.
    """

    published: tuple[Published, ...] = ()
    forgotten_onset_ms: int | None = None
    forgotten_revisions: int = 0

    @property
    def live(self) -> tuple[Published, ...]:
        """The alerts that stand, by what was published."""
        return tuple(entry for entry in self.published if entry.live)


class Revision(msgspec.Struct, frozen=True):
    """A transition to publish, with its place in the published life of its alert (`twin.alerts.lifecycle.to_alert`)."""

    transition: Transition
    number: int


def reconcile(
    ledger: AlertLedger,
    book: AlertBook,
    transitions: Iterable[Transition],
    since_ms: int,
    until_ms: int,
    rules: Mapping[str, RuleSettings],
    *,
    level: bool = True,
    because: str = "late, corrected or retracted data",
    decided_by: tuple[Deciding, ...] = (),
) -> tuple[AlertLedger, tuple[Revision, ...]]:
    """What to publish now that the history in ``(since_ms, until_ms]`` has been folded, for the first time or again.

    Args:
        ledger: what was published before.
        book: the alert book at ``until_ms``.
        transitions: all that `twin.alerts.lifecycle.advance` returned on the way, in order.
        since_ms: time of the checkpoint (or of the last snapshot) that the folding started from: transitions up to
            it are as they were.
        until_ms: how far the fold has come. A published alert newer than this is left alone: the fold has not come to
            it yet.
        rules: settings by rule.
        level: the input topics are level with one another; otherwise no silence is published (see `withheld`).
        because, decided_by: which data removed the reason of what is withdrawn now, in words and as events.

    Returns:
        The new ledger, and the revisions to publish in order.
    """
    transitions = tuple(transitions)
    sequences: dict[str, list[Transition]] = {}
    for transition in transitions:
        sequences.setdefault(transition.alert_id, []).append(transition)
    standing = {alert.alert_id: alert for alert in book.live}
    last_words = {identity: sequence[-1] for identity, sequence in sequences.items()} | standing
    supported = last_words.keys() | {c.alert.alert_id for c in book.conditions if c.alert is not None}
    work = _Reconciliation(ledger, until_ms, rules)
    unsupported = [
        entry
        for entry in ledger.published
        if entry.fold_id not in supported and entry.state != "withdrawn" and (entry.live or entry.time_ms > since_ms)
    ]
    left = work.adopt(unsupported, [word for identity, word in last_words.items() if work.entry(identity) is None])
    held_back = {
        identity
        for identity, word in last_words.items()
        if not level and work.entry(identity) is None and work.settings(word).of_silence
    }
    news = {i: work.unpublished(i, sequence, since_ms) for i, sequence in sequences.items() if i not in held_back}
    for transition in transitions:
        if transition in news.get(transition.alert_id, ()):
            work.publish(transition)
    for identity, alert in standing.items():
        known = work.entry(identity)
        if identity not in held_back and (known is None or known.digest != work.digest(alert)):
            work.publish(alert)
    for ended in (c.alert for c in book.conditions if c.alert is not None and not c.alert.live):
        known = work.entry(ended.alert_id)
        if known is not None and known.live:  # somebody has seen what was latched, and it is told late
            work.publish(ended)
    for word in (last_words | standing).values():
        work.keep_up(word)
    for entry in left:
        work.publish(_withdrawal(entry, until_ms, because, decided_by))
    return work.close(), tuple(work.revisions)


def withheld(ledger: AlertLedger, book: AlertBook) -> bool:
    """Whether an alert stands that was not published, because the input topics were not level."""
    standing = {alert.alert_id for alert in book.live if alert.state == "active"}
    return bool(standing) and not standing <= {entry.fold_id for entry in ledger.published}


def digest(transition: Transition, *, of_silence: bool = False) -> bytes:
    """64 bits of BLAKE2b over a transition's content, but for its phase: that tells how it came to this. Its cause is
    named as the fold names it.

    Of a silence the times are left out, which words that come late move, and the evidence, which they are part of.
    """
    judged = transition.state, transition.severity, transition.probability, transition.horizon_hours, transition.text
    cause = "" if transition.inhibited_by is None else transition.inhibited_by.alert_id
    cared = cause, transition.shelved_until_ms, transition.handled
    timed = () if of_silence else (transition.onset_ms, transition.time_ms, transition.freshness_hours)
    rests_on = b"" if of_silence else msgspec.msgpack.encode(transition.evidence)
    return hashlib.blake2b(repr(judged + cared + timed).encode() + rests_on, digest_size=8).digest()


def _withdrawal(entry: Published, now: int, because: str, decided_by: tuple[Deciding, ...]) -> Transition:
    text = say("alert.withdrawn", "Withdrawn: {because} removed the reason.", because=because)
    return Transition(
        alert_id=entry.fold_id,
        rule=entry.rule,
        subject=entry.subject,
        state="withdrawn",
        phase="withdrawn",
        severity=entry.severity,
        onset_ms=entry.onset_ms,
        time_ms=now,
        text=str(text),
        said=text.wording,
        evidence=AlertEvidence(judged=from_millis(now), decided_by=decided_by),
    )


class _Reconciliation:
    """The ledger while it is being written: gives each transition its id, its revision and the state that fits the
    record."""

    def __init__(self, ledger: AlertLedger, until_ms: int, rules: Mapping[str, RuleSettings]) -> None:
        self.ledger = ledger
        self.until_ms = until_ms
        self.rules = rules
        self.entries = {entry.fold_id: entry for entry in ledger.published}
        self.adopted: set[str] = set()
        self.promised: dict[str, str] = {}
        self.revisions: list[Revision] = []

    def entry(self, fold_id: str) -> Published | None:
        return self.entries.get(fold_id)

    def settings(self, transition: Transition) -> RuleSettings:
        return self.rules.get(transition.rule, RETIRED)

    def digest(self, transition: Transition) -> bytes:
        return digest(transition, of_silence=self.settings(transition).of_silence)

    def told(self, transition: Transition) -> Transition:
        """A transition that names its cause as that is, or will be, published."""
        cause = transition.inhibited_by
        if cause is None:
            return transition
        cause = msgspec.structs.replace(cause, alert_id=self._published_id(cause.alert_id))
        return msgspec.structs.replace(transition, inhibited_by=cause)

    def adopt(self, unsupported: list[Published], newcomers: list[Transition]) -> list[Published]:
        """Let alerts that the history no longer supports go on as those it supports instead; which are left over."""
        left = []
        for entry in sorted(unsupported, key=lambda e: (not e.live, -e.time_ms, e.alert_id)):
            alike = [word for word in newcomers if word.alert_id not in self.adopted and self._is_same(entry, word)]
            if not alike:
                left.append(entry)
                continue
            heir = max(alike, key=lambda word: (word.live, word.time_ms, word.onset_ms)).alert_id
            self.adopted.add(heir)
            del self.entries[entry.fold_id]
            self.entries[heir] = msgspec.structs.replace(entry, fold_id=heir)
        return sorted(left, key=lambda entry: entry.alert_id)

    def _is_same(self, entry: Published, word: Transition) -> bool:
        """Whether a published alert and one of the folded history are about the same thing at the same time."""
        if (entry.rule, entry.subject) != (word.rule, word.subject):
            return False
        ended = max(entry.time_ms, self.until_ms) if entry.live else entry.time_ms
        return entry.onset_ms <= (self.until_ms if word.live else word.time_ms) and word.onset_ms <= ended

    def unpublished(self, fold_id: str, sequence: list[Transition], since_ms: int) -> list[Transition]:
        """Those of one alert's refolded transitions that follow what is published of it."""
        entry = self.entry(fold_id)
        if entry is None or entry.state == "withdrawn":
            if self._first_revision(sequence[0]) == 0:  # nobody was told of it: its end alone is no news
                sequence = list(dropwhile(lambda transition: not transition.live, sequence))
            long_known = sequence and self.settings(sequence[0]).of_silence  # nor how it grew, until it was found
            return [sequence[0], *sequence[1:][-1:]] if long_known else sequence
        standing = entry.time_ms, entry.digest
        said = next((i for i, one in enumerate(sequence) if (one.time_ms, self.digest(one)) == standing), None)
        if said is not None:
            return sequence[said + 1 :]
        if entry.time_ms <= since_ms and fold_id not in self.adopted:
            return sequence
        # Its past was published with other content: only where it stands now is new.
        return sequence[-1:] if self.digest(sequence[-1]) != entry.digest else []

    def keep_up(self, transition: Transition) -> None:
        """Note when the folded history tells what is published of an alert, and since when it has been so, where words
        that came late moved that."""
        entry = self.entry(transition.alert_id)
        if entry is not None and entry.digest == self.digest(transition) and entry.time_ms <= self.until_ms:
            self.entries[entry.fold_id] = msgspec.structs.replace(
                entry, onset_ms=transition.onset_ms, time_ms=transition.time_ms
            )

    def publish(self, transition: Transition) -> None:
        entry = self.entry(transition.alert_id)
        if entry is not None and entry.time_ms > self.until_ms:
            return
        phase = transition.phase
        if transition.live and not (entry is not None and entry.live):
            phase = "start"
        elif entry is not None and phase in ("start", "update"):
            phase = "acknowledged" if transition.state == "acknowledged" != entry.state else "update"
        alert_id = self._published_id(transition.alert_id)
        number = self._first_revision(transition) if entry is None else entry.revision + 1
        self.entries[transition.alert_id] = Published(
            alert_id=alert_id,
            fold_id=transition.alert_id,
            rule=transition.rule,
            subject=transition.subject,
            state=transition.state,
            severity=transition.severity,
            revision=number,
            onset_ms=transition.onset_ms,
            time_ms=transition.time_ms,
            digest=self.digest(transition),
        )
        said = msgspec.structs.replace(self.told(transition), alert_id=alert_id, phase=phase)
        self.revisions.append(Revision(said, number))

    def _published_id(self, fold_id: str) -> str:
        """The id under which an alert is, or will be, published."""
        entry = self.entry(fold_id)
        if entry is not None:
            return entry.alert_id
        if fold_id not in self.promised:
            self.promised[fold_id] = self._fresh_id(fold_id)
        return self.promised[fold_id]

    def _fresh_id(self, fold_id: str) -> str:
        """An id for what was never published: the history's own, unless another alert was first published under it."""
        taken = {*(entry.alert_id for entry in self.entries.values()), *self.promised.values()}
        alert_id = fold_id
        while alert_id in taken:
            alert_id = event_id("again", alert_id)
        return alert_id

    def _first_revision(self, transition: Transition) -> int:
        forgotten = self.ledger.forgotten_onset_ms
        return self.ledger.forgotten_revisions if forgotten is not None and transition.onset_ms <= forgotten else 0

    def close(self) -> AlertLedger:
        oldest = self.until_ms - REMEMBERED_MS
        kept = [entry for entry in self.entries.values() if entry.live or entry.time_ms >= oldest]
        gone = [entry for entry in self.entries.values() if not entry.live and entry.time_ms < oldest]
        onset, floor = self.ledger.forgotten_onset_ms, self.ledger.forgotten_revisions
        for entry in gone:
            onset = entry.onset_ms if onset is None else max(onset, entry.onset_ms)
            floor = max(floor, entry.revision + 1)
        return AlertLedger(tuple(sorted(kept, key=lambda entry: entry.alert_id)), onset, floor)
