"""Ids of what devices said last come back as they were."""

from __future__ import annotations

import doctest
import sys

import pytest

from twin.events import event_id
from twin.record.resting import recent_ids as module
from twin.record.resting.recent_ids import pack_ids, unpack_ids


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(module).failed == 0


def test_ids_come_back_in_their_order_and_take_less_meanwhile() -> None:
    recent = {event_id("watch-1", number): number.to_bytes(8, "big") for number in range(512)}
    packed = pack_ids(recent)
    assert list(unpack_ids(packed).items()) == list(recent.items())
    table = sys.getsizeof(recent) + sum(sys.getsizeof(key) + sys.getsizeof(value) for key, value in recent.items())
    assert len(packed) < table / 6


@pytest.mark.parametrize("name", ["", "AB", "ab ", "ab cd", "abc", "ab", "żółw"])
def test_an_id_that_is_nearly_hex_digits_comes_back_as_it_was(name: str) -> None:
    assert unpack_ids(pack_ids({name: b"12345678"})) == {name: b"12345678"}
