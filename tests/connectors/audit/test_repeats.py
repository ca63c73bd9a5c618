"""Who knocks without end: seen, and told of once a minute."""

from __future__ import annotations

from connectors.audit.access import Access
from connectors.audit.repeats import MOST_KNOWN, Repeats


def knock(address: str) -> Access:
    return Access("read", "refused", "ward", address=address, status=401)


def test_the_same_is_told_at_once_and_then_by_how_often_it_came() -> None:
    repeats = Repeats()
    told = [repeats.taken(knock("192.0.2.7"), at) for at in (0.0, 1.0, 2.0)]
    assert told == [knock("192.0.2.7"), None, None]
    assert repeats.taken(knock("192.0.2.8"), 3.0) == knock("192.0.2.8")
    assert list(repeats.ended(30.0)) == []
    assert [(again.address, again.times) for again in repeats.ended(70.0)] == [("192.0.2.7", 2)]
    assert repeats.taken(knock("192.0.2.7"), 71.0) == knock("192.0.2.7")


def test_whoever_has_many_addresses_fills_nothing() -> None:
    repeats = Repeats()
    told = [repeats.taken(knock(f"2001:db8::{number:x}"), 0.0) for number in range(3 * MOST_KNOWN)]
    assert sum(access is not None for access in told) == MOST_KNOWN + 1
    (again,) = repeats.ended(61.0)
    assert (again.address, again.times) == ("", 2 * MOST_KNOWN - 1)
