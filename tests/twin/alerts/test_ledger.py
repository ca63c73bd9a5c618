"""The published record follows the folded history, whatever the order in which the history became known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.alerts.rules.views import by
from twin.alerts.finding import Finding
from twin.alerts.ledger import REMEMBERED_MS, AlertLedger, Revision, digest, reconcile, withheld
from twin.alerts.lifecycle import AlertBook, Condition, Transition, advance
from twin.alerts.rules.data import dropout
from twin.alerts.settings import RuleSettings
from twin.alerts.snapshot import Snapshot
from twin.clock import MINUTE_MS
from twin.events import AlertPhase, Subject
from twin.record.contact import DeviceContact
from twin.record.orders import DeviceView

SETTINGS = {
    "swift": RuleSettings(raise_above=0.5, clear_below=0.3, severity="medium"),
    "slow": RuleSettings(
        raise_above=0.5, clear_below=0.3, severity="low", raise_after_ms=3, clear_after_ms=2, inhibited_by=("swift",)
    ),
}

ABOUT = Subject("drug", "x")

Fact = tuple[int, float]
"""(event time, probability from then on): the history that the toy twin below folds."""


def fold(book: AlertBook, facts: Sequence[Fact]) -> tuple[AlertBook, list[Transition]]:
    """The toy twin: each fact is a snapshot in which both rules see its probability."""
    told: list[Transition] = []
    for time, level in facts:
        found = [Finding(rule, ABOUT, level, "medium", f"{level:.3f}", probabilistic=True) for rule in SETTINGS]
        book, transitions = advance(book, found, Snapshot("P-1", time, 1000.0, None), SETTINGS, "hash")
        told += transitions
    return book, told


@dataclass
class Worker:
    """A toy worker: keeps the history, refolds from the checkpoint before whatever arrives, publishes."""

    ladder: int = 1
    """A checkpoint after every so many facts of the history."""
    history: list[Fact] = field(default_factory=list)
    ledger: AlertLedger = field(default_factory=AlertLedger)
    book: AlertBook = field(default_factory=AlertBook)
    topic: list[Revision] = field(default_factory=list)
    newest: int = 0
    level: bool = True

    def arrive(self, fact: Fact, *, retract: bool = False) -> None:
        self.newest = max(self.newest, fact[0])
        changed = [f for f in self.history if f != fact] if retract else sorted({*self.history, fact})
        kept = sum(f[0] < fact[0] for f in self.history)
        kept -= kept % self.ladder
        since = changed[kept - 1][0] if kept else -1
        checkpoint, _ = fold(AlertBook(), changed[:kept])
        self.history = changed
        self.book, told = fold(checkpoint, changed[kept:])
        self.ledger, revisions = reconcile(self.ledger, self.book, told, since, self.newest, SETTINGS, level=self.level)
        self.topic += revisions


def last_words(topic: Sequence[Revision]) -> dict[str, Transition]:
    """The published record as a consumer that overwrites by alert id keeps it."""
    words: dict[str, tuple[int, Transition]] = {}
    for revision in topic:
        if revision.number > words.get(revision.transition.alert_id, (-1, None))[0]:
            words[revision.transition.alert_id] = (revision.number, revision.transition)
    return {alert_id: transition for alert_id, (_, transition) in words.items()}


def supported(topic: Sequence[Revision]) -> set[tuple[str, int]]:
    """Rule and onset of every alert that was not withdrawn in the end."""
    return {(word.rule, word.onset_ms) for word in last_words(topic).values() if word.state != "withdrawn"}


def as_folded(word: Transition, names: dict[str, str]) -> Transition:
    """What was told of an alert, with its cause as the fold names it."""
    cause = word.inhibited_by
    if cause is None:
        return word
    return msgspec.structs.replace(word, inhibited_by=msgspec.structs.replace(cause, alert_id=names[cause.alert_id]))


def check_record(worker: Worker) -> None:
    """The invariants of the published record."""
    numbers: dict[str, int] = {}
    live: dict[str, bool] = {}
    rules = {revision.transition.alert_id: revision.transition.rule for revision in worker.topic}
    for revision in worker.topic:
        alert_id = revision.transition.alert_id
        assert revision.number == numbers.get(alert_id, -1) + 1
        if revision.transition.phase in ("update", "withdrawn"):
            assert alert_id in numbers
        if revision.transition.phase == "start":
            assert not live.get(alert_id, False), "raised while it stands"
        numbers[alert_id] = revision.number
        live[alert_id] = revision.transition.live
        cause = revision.transition.inhibited_by
        assert cause is None or rules[cause.alert_id] == cause.rule == "swift", "by an alert that is told as well"
    words = {alert_id: word for alert_id, word in last_words(worker.topic).items() if word.live}
    assert all(word.inhibited_by is None or word.inhibited_by.alert_id in words for word in words.values())
    names = {entry.alert_id: entry.fold_id for entry in worker.ledger.published}
    standing = {alert_id: digest(as_folded(word, names)) for alert_id, word in words.items()}
    assert {entry.alert_id: entry.digest for entry in worker.ledger.live} == standing
    assert {entry.fold_id: entry.digest for entry in worker.ledger.live} == {
        alert.alert_id: digest(alert) for alert in worker.book.live
    }


facts = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([0.0, 0.2, 0.4, 0.55, 0.7, 0.95])),
    unique_by=lambda fact: fact[0],
    max_size=12,
)


@given(facts, st.randoms(use_true_random=False), st.integers(1, 4))
def test_any_order_of_arrival_ends_in_the_same_alerts(history: list[Fact], random: object, ladder: int) -> None:
    ordered = Worker()
    for fact in sorted(history):
        ordered.arrive(fact)
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    other = Worker(ladder=ladder)
    for fact in shuffled:
        other.arrive(fact)
        check_record(other)
    check_record(ordered)
    assert other.book == ordered.book
    assert {e.fold_id: e.digest for e in other.ledger.live} == {e.fold_id: e.digest for e in ordered.ledger.live}
    assert supported(other.topic) == supported(ordered.topic)


@given(facts, st.data())
def test_retracted_facts_leave_the_record_as_if_they_had_never_been(history: list[Fact], data: st.DataObject) -> None:
    worker = Worker()
    for fact in history:
        worker.arrive(fact)
    gone = data.draw(st.lists(st.sampled_from(history), unique=True)) if history else []
    for fact in gone:
        worker.arrive(fact, retract=True)
        check_record(worker)
    expected, _ = fold(AlertBook(), sorted(set(history) - set(gone)))
    assert worker.book == expected


@given(facts)
def test_in_order_each_transition_is_published_once_and_as_it_is(history: list[Fact]) -> None:
    worker = Worker()
    for fact in sorted(history):
        worker.arrive(fact)
    assert [revision.transition for revision in worker.topic] == fold(AlertBook(), sorted(history))[1]


@given(facts, st.integers(1, 5))
def test_the_size_of_the_batches_does_not_matter(history: list[Fact], size: int) -> None:
    ordered = sorted(history)
    single = Worker()
    for fact in ordered:
        single.arrive(fact)
    ledger, book, since, topic = AlertLedger(), AlertBook(), -1, []
    for at in range(0, len(ordered), size):
        batch = ordered[at : at + size]
        book, told = fold(book, batch)
        ledger, revisions = reconcile(ledger, book, told, since, batch[-1][0], SETTINGS)
        since = batch[-1][0]
        topic += revisions
    assert topic == single.topic
    assert ledger == single.ledger


@given(facts)
def test_folding_again_publishes_nothing(history: list[Fact]) -> None:
    worker = Worker()
    for fact in history:
        worker.arrive(fact)
    ordered = sorted(worker.history)
    for kept in range(len(ordered) + 1):
        checkpoint, _ = fold(AlertBook(), ordered[:kept])
        book, told = fold(checkpoint, ordered[kept:])
        since = ordered[kept - 1][0] if kept else -1
        again, revisions = reconcile(worker.ledger, book, told, since, worker.newest, SETTINGS)
        assert revisions == ()
        assert again == worker.ledger


def test_a_late_fact_withdraws_the_alert_it_explains_away() -> None:
    worker = Worker()
    worker.arrive((10, 0.9))
    worker.arrive((20, 0.1))
    first = last_words(worker.topic)
    assert {word.phase for word in first.values()} == {"end"}
    worker.arrive((10, 0.9), retract=True)
    words = last_words(worker.topic)
    assert words.keys() == first.keys()
    assert {word.state for word in words.values()} == {"withdrawn"}
    assert {word.time_ms for word in words.values()} == {20}
    assert worker.topic[-1].transition.text.startswith("Withdrawn: late, corrected or retracted data")


def test_only_what_was_published_is_withdrawn() -> None:
    worker = Worker()
    worker.arrive((10, 0.4))
    worker.arrive((10, 0.4), retract=True)
    assert worker.topic == []


def test_a_withdrawn_alert_that_comes_back_is_raised_under_its_own_id() -> None:
    worker = Worker()
    for retract in (False, True, False):
        worker.arrive((10, 0.9), retract=retract)
    swift = [(r.number, r.transition.phase) for r in worker.topic if r.transition.rule == "swift"]
    assert swift == [(0, "start"), (1, "withdrawn"), (2, "start")]
    assert len({r.transition.alert_id for r in worker.topic if r.transition.rule == "swift"}) == 1


def test_an_alert_that_late_data_only_reword_is_updated_not_raised_again() -> None:
    worker = Worker()
    worker.arrive((10, 0.9))
    worker.arrive((20, 0.7))
    worker.arrive((15, 0.75))
    swift = [(r.number, r.transition.phase, r.transition.time_ms) for r in worker.topic if r.transition.rule == "swift"]
    assert swift == [(0, "start", 10), (1, "update", 20), (2, "update", 15)]


def test_a_late_alert_that_is_over_already_is_told_from_raise_to_clear() -> None:
    worker = Worker()
    worker.arrive((30, 0.1))
    worker.arrive((20, 0.1))
    worker.arrive((10, 0.9))
    swift = [(r.number, r.transition.phase) for r in worker.topic if r.transition.rule == "swift"]
    assert swift == [(0, "start"), (1, "end")]


def test_finished_alerts_are_forgotten_in_the_end_but_their_revisions_are_never_given_again() -> None:
    worker = Worker()
    worker.arrive((10, 0.9))
    worker.arrive((20, 0.1))
    assert [entry.rule for entry in worker.ledger.published] == ["swift"]
    worker.arrive((21 + REMEMBERED_MS, 0.1))
    assert worker.ledger.published == ()
    worker.arrive((20, 0.1), retract=True)
    swift = [(r.number, r.transition.phase) for r in worker.topic if r.transition.rule == "swift"]
    assert swift == [(0, "start"), (1, "end"), (2, "end")]


def test_a_standing_alert_is_never_forgotten() -> None:
    worker = Worker()
    worker.arrive((10, 0.9))
    worker.arrive((10 + 3 * REMEMBERED_MS, 0.9))
    assert {entry.rule for entry in worker.ledger.live} == {"slow", "swift"}


def test_a_year_of_alerts_stays_small() -> None:
    worker = Worker()
    ledger, book, since = AlertLedger(), AlertBook(), -1
    for day in range(365):
        at = day * 86_400_000
        book, told = fold(book, [(at, 0.9), (at + 10, 0.1), (at + 20, 0.1)])
        ledger, _ = reconcile(ledger, book, told, since, at + 20, SETTINGS)
        since = at + 20
    assert worker.topic == []
    assert len(msgspec.msgpack.encode(ledger)) < 30_000
    assert len(msgspec.msgpack.encode(book)) < 1_000


# --- one alert for one silence ---------------------------------------------------------------------------------------

TICK = 5
"""Minutes between two looks at the device."""

MINUTES = st.integers(0, 30).map(lambda tick: TICK * tick)


def silences(words: set[int], start: int, now: int) -> tuple[AlertBook, list[Transition]]:
    """What the rule finds along the clock of a device that is to speak every minute and spoke at ``words``."""
    contact = DeviceContact()
    for minute in words:
        contact.insert(minute * MINUTE_MS)
    book, told = AlertBook(), []
    for minute in range(start, now + 1, TICK):
        seen = contact.last_before(minute * MINUTE_MS)
        view = DeviceView("wrist-9", start * MINUTE_MS if seen is None else seen, MINUTE_MS, True)
        snapshot = Snapshot("P-1", minute * MINUTE_MS, 500.0, None, devices=(view,))
        book, moved = advance(book, dropout.find(snapshot, by(dropout.RULE)), snapshot, RULES, "hash")
        told += moved
    return book, told


RULES = {dropout.RULE: dropout.SETTINGS}


class Listener:
    """A toy worker that hears a device: what comes late is judged again from the beginning."""

    def __init__(self) -> None:
        self.words: set[int] = {0}
        self.ledger = AlertLedger()
        self.book = AlertBook()
        self.topic: list[Revision] = []
        self.now = 0

    def hear(self, minute: int, now: int, *, level: bool = True) -> None:
        self.words.add(minute)
        self.now = max(now, self.now)
        self.book, told = silences(self.words, 0, self.now)
        self.ledger, revisions = reconcile(self.ledger, self.book, told, -1, self.now * MINUTE_MS, RULES, level=level)
        self.topic += revisions


@settings(max_examples=40)
@given(st.sets(MINUTES, max_size=12), st.randoms(use_true_random=False))
def test_a_silence_is_one_alert_in_whatever_order_its_stored_readings_come(stored: set[int], random: object) -> None:
    """Silent from minute 0 on, and raised; then readings come that the device had stored, in any order."""
    one, other = Listener(), Listener()
    for listener in (one, other):
        listener.hear(0, 200)
        assert [revision.transition.phase for revision in listener.topic] == ["start", "update"]
    shuffled = sorted(stored)
    for minute in shuffled:
        one.hear(minute, 200)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    for minute in shuffled:
        other.hear(minute, 200)
    assert one.book == other.book
    for listener in (one, other):
        check_silences(listener)
    said = [{(e.subject, e.state, e.severity, e.digest) for e in each.ledger.live} for each in (one, other)]
    assert said[0] == said[1]


def check_silences(listener: Listener) -> None:
    """Every silence of the record is one alert that was not withdrawn, and no alert is of two."""
    of_record = {transition.alert_id for transition in silences(listener.words, 0, listener.now)[1]}
    told = {entry.fold_id: entry for entry in listener.ledger.published if entry.state != "withdrawn"}
    assert told.keys() == of_record
    assert len({entry.alert_id for entry in told.values()}) == len(told)
    assert {entry.fold_id for entry in listener.ledger.live} == {alert.alert_id for alert in listener.book.live}


def test_stored_readings_that_come_one_by_one_update_the_alert_only_where_it_says_something_else() -> None:
    listener = Listener()
    listener.hear(0, 20)
    for minute in range(5, 120, TICK):
        listener.hear(minute, 120 + minute)
    assert len({revision.transition.alert_id for revision in listener.topic}) == 1
    assert [revision.transition.phase for revision in listener.topic] == ["start", "update"]
    listener.hear(240, 240)
    for minute in range(120, 240, TICK):
        listener.hear(minute, 240)
    assert [revision.transition.phase for revision in listener.topic[2:]] == ["end", "withdrawn"]


def test_a_silence_that_comes_to_say_the_same_again_is_told_alike_from_wherever_it_is_judged() -> None:
    """A reading shortens a silence between two looks, and it grows to what was said of it before."""

    def silent(hour: int, hours: int) -> Transition:
        phase: AlertPhase = "start" if hour == 12 else "update"
        about, text = Subject("device", "wrist-9"), f"silent for more than {hours} h"
        return Transition("a", dropout.RULE, about, "active", phase, "low", 4, hour, text)

    told = [silent(12, 6), silent(16, 3), silent(20, 6), silent(28, 12)]

    def judged(ledger: AlertLedger, since: int, until: int) -> tuple[AlertLedger, list[tuple[int, int]]]:
        last = max((one for one in told if one.time_ms <= until), key=lambda one: one.time_ms)
        book = AlertBook((Condition(dropout.RULE, last.subject, "active", 12, last),))
        moved = [one for one in told if since < one.time_ms <= until]
        ledger, revisions = reconcile(ledger, book, moved, since, until, RULES)
        return ledger, [(one.number, one.transition.time_ms) for one in revisions]

    raised, revisions = judged(AlertLedger(), -1, 13)
    assert revisions == [(0, 12)]
    grown, revisions = judged(raised, 12, 25)
    assert revisions == [(1, 16), (2, 20)]
    assert judged(grown, 12, 30)[1] == judged(grown, -1, 30)[1] == judged(grown, 20, 30)[1] == [(3, 28)]
    assert judged(raised, -1, 30)[1] == judged(raised, 12, 30)[1]


def test_a_silence_is_not_raised_while_the_topics_are_not_level() -> None:
    listener = Listener()
    listener.hear(0, 20, level=False)
    assert listener.topic == []
    assert withheld(listener.ledger, listener.book)
    listener.hear(10, 20, level=False)
    assert not withheld(listener.ledger, listener.book)
    listener.hear(10, 30, level=False)
    listener.hear(10, 30, level=True)
    assert [revision.transition.phase for revision in listener.topic] == ["start"]
    listener.hear(35, 35, level=False)
    assert [revision.transition.phase for revision in listener.topic] == ["start", "end"]


def test_the_end_of_a_silence_that_nobody_was_told_of_is_not_told() -> None:
    begun, first = silences({0}, 0, 20)
    ledger, revisions = reconcile(AlertLedger(), begun, first, -1, 20 * MINUTE_MS, RULES, level=False)
    assert begun.live
    assert revisions == ()
    over, both = silences({0, 25}, 0, 25)
    since = tuple(transition for transition in both if transition.time_ms > 20 * MINUTE_MS)
    assert [transition.phase for transition in since] == ["end"]
    for level in (True, False):
        assert reconcile(ledger, over, since, 20 * MINUTE_MS, 25 * MINUTE_MS, RULES, level=level)[1] == ()


def test_an_alert_that_late_data_move_keeps_its_id() -> None:
    worker = Worker()
    worker.arrive((10, 0.9))
    worker.arrive((5, 0.9))
    swift = [r for r in worker.topic if r.transition.rule == "swift"]
    assert [(r.number, r.transition.phase, r.transition.onset_ms) for r in swift] == [
        (0, "start", 10),
        (1, "update", 5),
    ]
    assert len({r.transition.alert_id for r in swift}) == 1


def test_an_id_under_which_another_alert_was_published_is_not_given_again() -> None:
    worker = Worker()
    worker.arrive((10, 0.9))
    worker.arrive((20, 0.1))
    worker.arrive((5, 0.9))
    worker.arrive((7, 0.1))
    check_record(worker)
    assert supported(worker.topic) == {("swift", 5), ("swift", 10)}
