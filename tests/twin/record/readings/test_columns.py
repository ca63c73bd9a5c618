from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.record.readings.clocks import Clocks
from twin.record.readings.columns import (
    BadColumns,
    pack_clocks,
    pack_readings,
    pack_times,
    unpack_clocks,
    unpack_readings,
    unpack_times,
)
from twin.record.readings.fevers import Fevers

ranks = st.integers(0, 2**64 - 1)


@given(st.lists(st.integers(-(2**40), 2**42)))
def test_times_come_back_as_they_were(times: list[int]) -> None:
    assert unpack_times(pack_times(times)) == times


@given(st.lists(st.tuples(ranks, st.integers(0, 2**42), st.sampled_from([38.1, 39.0]))), st.sets(ranks))
def test_readings_come_back_as_they_were(told: list[tuple[int, int, float]], gone: set[int]) -> None:
    fevers = Fevers(gone=set(gone))
    for reading in told:
        fevers.insert(*reading)
    assert Fevers(*unpack_readings(*pack_readings(fevers))) == fevers


@given(
    st.lists(st.tuples(st.sampled_from("ab"), ranks, st.integers(0, 2**42), st.sampled_from([0.0, 900.0, -7200.0]))),
    st.sets(ranks),
)
def test_clocks_come_back_as_they_were(told: list[tuple[str, int, int, float]], gone: set[int]) -> None:
    clocks = Clocks()
    for word in told:
        clocks.insert(*word)
    for rank in gone:
        clocks.take_back(rank)
    again = unpack_clocks(*pack_clocks(clocks))
    assert (again.words, again.gone) == (clocks.words, clocks.gone)
    assert list(again.off(2**50)) == list(clocks.off(2**50))


def test_columns_that_do_not_belong_together_are_refused() -> None:
    one, none = pack_times([1]), b""
    for columns in ((one, none, one, none), (one[:5], one[:5], one[:5], none), (none, none, none, b"abc")):
        with pytest.raises(BadColumns, match="its readings do not each have a time, a rank and a value"):
            unpack_readings(*columns)
        with pytest.raises(BadColumns, match="its readings do not each have a time, a rank and a value"):
            unpack_clocks([("watch-1", *columns[:3])], columns[3])
    with pytest.raises(BadColumns, match="its readings are in windows of 0 ms"):
        unpack_readings(none, none, none, none, length=0)
