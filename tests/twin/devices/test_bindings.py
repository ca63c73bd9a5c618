"""A device is the patient's to whom it is bound, and where two are it is nobody's, in whatever order it was said."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.twin.devices.said import at, bound, retracted
from twin.devices.bindings import Bindings
from twin.events import DeviceAssociation, to_millis


def holders(said: list[DeviceAssociation], *minutes: float) -> list[tuple[str, ...]]:
    bindings = Bindings(said)
    return [bindings.holders(to_millis(at(minute))) for minute in minutes]


def test_a_device_is_held_from_its_binding_to_its_release() -> None:
    said = [bound("A", 0), bound("A", 60, False), bound("B", 90)]
    assert holders(said, -1, 0, 59, 60, 61, 90, 9999) == [(), ("A",), ("A",), ("A",), (), ("B",), ("B",)]


def test_at_the_instant_it_changes_hands_it_is_the_next_patients() -> None:
    assert holders([bound("A", 0), bound("A", 60, False), bound("B", 60)], 59, 60) == [("A",), ("B",)]


def test_two_bindings_at_once_are_neithers_until_one_is_mended() -> None:
    said = [bound("A", 0), bound("B", 30)]
    assert holders(said, 29, 30) == [("A",), ("A", "B")]
    assert holders([*said, bound("A", 30, False)], 29, 30) == [("A",), ("B",)]
    assert holders([*said, retracted(said[0])], 29, 30) == [(), ("B",)]
    moved = bound("B", 40, event_id="x", status="corrected", replaces="B binds 30")
    assert holders([*said, moved], 30, 40) == [("A",), ("A", "B")]


WORDS = [bound("A", 0), bound("B", 10), bound("A", 20, False), bound("B", 30, False), bound("A", 40)]
EVERYTHING = [*WORDS, *map(retracted, WORDS)]


@given(st.lists(st.sampled_from(EVERYTHING), max_size=12), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_intervals(said: list[DeviceAssociation], chance: Random) -> None:
    one, other = list(said), list(said)
    chance.shuffle(other)
    unique = {word.event_id: word for word in one}
    assert Bindings(unique.values()).intervals == Bindings({word.event_id: word for word in other}.values()).intervals
