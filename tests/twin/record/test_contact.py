"""Silence is seen exactly, in any order of arrival, from a handful of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twin.record.contact import SPELL_MS, DeviceContact

words = st.lists(st.integers(0, 40).map(lambda step: step * SPELL_MS // 3), max_size=30)


def told(times: list[int]) -> DeviceContact:
    contact = DeviceContact()
    for millis in times:
        contact.insert(millis)
    return contact


@given(words, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_spells(times: list[int], random: object) -> None:
    shuffled = list(times)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert told(shuffled) == told(sorted(times))


@given(words, st.integers(0, 45).map(lambda step: step * SPELL_MS // 3))
def test_every_silence_longer_than_a_spells_pause_is_known_exactly(times: list[int], now: int) -> None:
    before = [millis for millis in times if millis <= now]
    said = told(times).last_before(now)
    if not before:
        assert said is None
    elif now - max(before) > SPELL_MS:
        assert said == max(before)
    else:
        assert said is not None
        assert now - said <= SPELL_MS


@given(words, st.integers(0, 40).map(lambda step: step * SPELL_MS // 3))
def test_a_word_says_from_when_on_judgements_may_differ(times: list[int], word: int) -> None:
    contact = told(times)
    before = {now: silence(contact, now) for now in range(0, 45 * SPELL_MS // 3, SPELL_MS // 3)}
    since = contact.insert(word)
    changed = [now for now, silent in before.items() if silence(contact, now) != silent]
    assert since in (None, word)
    assert all(since is not None and now >= since for now in changed)


def silence(contact: DeviceContact, now: int) -> int | None:
    """The silence at ``now`` where it is long enough to be judged."""
    last = contact.last_before(now)
    return last if last is None or now - last > SPELL_MS else -1


def test_a_day_of_a_word_every_five_seconds_is_one_spell() -> None:
    contact = told(list(range(0, 86_400_000, 5_000)))
    assert (len(contact.first), len(contact.last)) == (1, 1)
    contact.insert(86_400_000 + 2 * SPELL_MS)
    assert len(contact.first) == 2
