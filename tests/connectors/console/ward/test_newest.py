"""A store with a bound keeps the newest, in whatever order they came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.console.ward.newest import Newest

PLACES = st.lists(st.tuples(st.integers(0, 20), st.sampled_from("ab")), max_size=60)


@given(PLACES, st.integers(1, 8))
def test_a_full_store_has_the_newest_places_that_were_ever_put(places: list[tuple[int, str]], kept: int) -> None:
    store: Newest[tuple[int, str]] = Newest(kept)
    for version, (time, key) in enumerate(places, start=1):
        store.put(time, key, (time, key), version)
    assert list(store.since(0)) == sorted(set(places))[-kept:]
    assert store.overflowed == (len(set(places)) > kept)
    assert len(store.places) == len(store.values)


def test_a_place_that_is_forgotten_makes_room_for_an_older_one() -> None:
    store: Newest[str] = Newest(2)
    assert [store.put(time, "", str(time), 1) for time in (5, 7)] == [True, True]
    assert store.remove(7, "")
    assert not store.remove(7, "")
    assert store.put(3, "", "3", 2)
    assert (store.since(0), store.last()) == (("3", "5"), "5")
