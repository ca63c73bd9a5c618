"""Which alerts of a patient have been published, and what has to be published now.

The folded `AlertBook` holds which alerts the history supports; late, corrected or retracted facts change the history,
and the book with it. What has been published cannot be taken back, only followed by a further revision. The ledger
remembers, for every published alert, its last revision and the digest of that revision's content, and `reconcile`
answers with the smallest set of revisions after which the published record agrees with the book again:

* a transition that is already published as it stands is not published twice (so a replay repeats nothing);
* one that the published record lacks becomes the next revision;
* an alert that the refolded history no longer supports is followed by ``withdrawn``, never deleted.

After every `reconcile` the live alerts of ledger and book are the same, whatever the order of arrival.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from twin.alerts.lifecycle import AlertBook, Severity, Transition
from twin.clock import DAY_MS
from twin.events import AlertState, Subject

REMEMBERED_MS = 126 * DAY_MS
"""How long a finished alert stays correctable: six three-week cycles. Older ones are history as published."""


class Published(msgspec.Struct, frozen=True, array_like=True):
    """The newest published revision of one alert; ``digest`` is of its content."""

    alert_id: str
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
        return self.state in ("raised", "updated")


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
    ledger: AlertLedger, book: AlertBook, transitions: Iterable[Transition], since_ms: int, until_ms: int
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

    Returns:
        The new ledger, and the revisions to publish in order.
    """
    reconciliation = _Reconciliation(ledger, until_ms)
    transitions = tuple(transitions)
    sequences: dict[str, list[Transition]] = {}
    for transition in transitions:
        sequences.setdefault(transition.alert_id, []).append(transition)
    news = {i: _unpublished(reconciliation.entry(i), sequence, since_ms) for i, sequence in sequences.items()}
    for transition in transitions:
        if transition in news[transition.alert_id]:
            reconciliation.publish(transition)
    standing = {alert.alert_id: alert for alert in book.live}
    for alert in standing.values():
        known = reconciliation.entry(alert.alert_id)
        if known is None or known.digest != digest(alert):
            reconciliation.publish(alert)
    kept = standing.keys() | sequences.keys() | {c.alert.alert_id for c in book.conditions if c.alert is not None}
    for entry in ledger.published:
        if entry.alert_id not in kept and entry.state != "withdrawn" and (entry.live or entry.time_ms > since_ms):
            reconciliation.publish(_withdrawal(entry, until_ms))
    return reconciliation.close(), tuple(reconciliation.revisions)


def digest(transition: Transition) -> bytes:
    """64 bits of BLAKE2b over a transition's content; "raised" and "updated" mean the same, that the alert stands."""
    judged = transition.live, transition.severity, transition.time_ms, transition.probability
    shown = transition.horizon_hours, transition.freshness_hours, transition.text
    return hashlib.blake2b(repr(judged + shown).encode(), digest_size=8).digest()


def _unpublished(entry: Published | None, sequence: list[Transition], since_ms: int) -> list[Transition]:
    """Those of one alert's refolded transitions that follow what is published of it."""
    if entry is None or entry.state == "withdrawn":
        return sequence
    digests = [digest(transition) for transition in sequence]
    if entry.digest in digests:
        return sequence[digests.index(entry.digest) + 1 :]
    if entry.time_ms <= since_ms:
        return sequence
    return sequence[-1:]  # its past was published with other content: only where it stands now is new


def _withdrawal(entry: Published, now: int) -> Transition:
    return Transition(
        alert_id=entry.alert_id,
        rule=entry.rule,
        subject=entry.subject,
        state="withdrawn",
        severity=entry.severity,
        onset_ms=entry.onset_ms,
        time_ms=now,
        probability=None,
        horizon_hours=None,
        freshness_hours=None,
        text="Withdrawn: late, corrected or retracted data removed the reason.",
    )


def _entry(transition: Transition, revision: int) -> Published:
    return Published(
        alert_id=transition.alert_id,
        rule=transition.rule,
        subject=transition.subject,
        state=transition.state,
        severity=transition.severity,
        revision=revision,
        onset_ms=transition.onset_ms,
        time_ms=transition.time_ms,
        digest=digest(transition),
    )


class _Reconciliation:
    """The ledger while it is being written: gives each transition its revision and the state that fits the record."""

    def __init__(self, ledger: AlertLedger, until_ms: int) -> None:
        self.ledger = ledger
        self.until_ms = until_ms
        self.entries = {entry.alert_id: entry for entry in ledger.published}
        self.revisions: list[Revision] = []

    def entry(self, alert_id: str) -> Published | None:
        return self.entries.get(alert_id)

    def publish(self, transition: Transition) -> None:
        entry = self.entries.get(transition.alert_id)
        if entry is not None and entry.time_ms > self.until_ms:
            return
        state = transition.state
        if transition.live:
            state = "updated" if entry is not None and entry.live else "raised"
        published = msgspec.structs.replace(transition, state=state)
        number = self._first_revision(transition) if entry is None else entry.revision + 1
        self.entries[transition.alert_id] = _entry(published, number)
        self.revisions.append(Revision(published, number))

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
