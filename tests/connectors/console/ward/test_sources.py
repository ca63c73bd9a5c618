"""When sources were heard, and feeds that fall silent."""

from __future__ import annotations

import pytest

from connectors.console.ward import sources
from connectors.console.ward.sources import KNOWN, TURN, Sources
from connectors.kafka.topics import LABS, PUMP, VITALS


class Time:
    """Monotonic seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def heard(time: Time) -> Sources:
    return Sources(time)


def speaks(heard: Sources, time: Time, topic: str, every: float = 0.5, words: int = KNOWN) -> None:
    for number in range(words):
        heard.hear(topic, "P-1", number, live=True)
        time.now += every


def test_a_page_is_told_of_those_alone_who_were_heard_since_it_was_told_last(heard: Sources, time: Time) -> None:
    heard.hear(PUMP, "P-1", 10, live=True)
    heard.hear(LABS, "P-1", 4, live=False)
    heard.hear(VITALS, "P-2", 12, live=True)
    time.now += TURN
    first = heard.since(-1)
    assert first.heard == {"P-1": {"pump": 10, "labs": 4}, "P-2": {"vitals": 12}}
    heard.hear(VITALS, "P-2", 11, live=True)
    heard.hear(PUMP, "P-1", 30, live=True)
    time.now += TURN
    second = heard.since(first.turn)
    assert second.heard == {"P-1": {"pump": 30, "labs": 4}}, "a word that came before tells nothing new"
    assert second.turn == first.turn + 1


def test_a_patient_whose_sources_speak_in_every_turn_is_told_in_every_turn(heard: Sources, time: Time) -> None:
    told = -1
    for millis in range(1, 6):
        time.now += TURN
        heard.hear(PUMP, "P-1", millis, live=True)
        frame = heard.since(told)
        assert frame.heard == {"P-1": {"pump": millis}}
        told = frame.turn
    time.now += TURN
    assert heard.since(told).heard == {"P-1": {"pump": 5}}, "more might have come in the turn that was not over"
    time.now += TURN
    assert heard.since(told + 1).heard == {}


def test_a_feed_that_stops_is_said_within_five_seconds_with_how_it_spoke_before(heard: Sources, time: Time) -> None:
    speaks(heard, time, PUMP)
    assert heard.feed().level == 0
    time.now += 4.0
    pulse = heard.feed()
    assert pulse.level == 1
    assert pulse.text == ("No word of any source of pump (iomt.pump) for 4 s; before, one came at least every 0.5 s.")
    time.now += sources.LOUD
    assert heard.feed().level == 2
    time.now += sources.USED_TO
    assert heard.feed().level == 1, "what is silent for hours is no news"
    heard.hear(PUMP, "P-1", 99, live=True)
    assert heard.feed().level == 0


def test_a_feed_that_speaks_seldom_may_be_silent_for_longer(heard: Sources, time: Time) -> None:
    speaks(heard, time, VITALS, every=20.0)
    time.now += 35.0
    assert heard.feed().level == 0
    time.now += 10.0
    assert heard.feed().level == 1


def test_nothing_is_said_of_feeds_that_are_not_known_yet_or_never_speak_steadily(heard: Sources, time: Time) -> None:
    speaks(heard, time, LABS)
    speaks(heard, time, PUMP, words=5)
    for _ in range(KNOWN):
        heard.hear(VITALS, "P-1", 1, live=False)
    time.now += 600.0
    assert heard.feed().level == 0


def test_names_that_anybody_may_make_up_are_bounded(
    heard: Sources, monkeypatch: pytest.MonkeyPatch, time: Time
) -> None:
    monkeypatch.setattr(sources, "MOST_PATIENTS", 2)
    for name in ("P-1", "P-2", "P-3", "P-1"):
        heard.hear(PUMP, name, 5, live=True)
    time.now += TURN
    assert set(heard.since(-1).heard) == {"P-1", "P-2"}
    pump = next(one for one in heard.figures() if one.source == "pump")
    assert (pump.words, pump.patients, pump.newest) == (4, 2, 5)
