"""Facts that rest come back as they were told, and what has taken their place stays there."""

from __future__ import annotations

import pytest

from tests.twin.bedside import count, dose, plan, weight
from twin.events import encode
from twin.record.corrections import Superseded
from twin.record.resting.fact_table import TOGETHER, FactTable

FACTS = (dose(0, 96.0), count(1, 2.0), plan(2, (3, 96.0, 1.0)), weight(4, 71.0))
LEFT = Superseded("gone", 1, -1, 40, "neutrophils", 2.0, "", b"12345678", ("", ""))


def table(*facts: object) -> FactTable:
    found = FactTable()
    for fact in facts:
        found[fact.event_id] = fact  # type: ignore[attr-defined]
    return found


def test_facts_come_back_as_they_were_told() -> None:
    resting, awake = table(*FACTS, LEFT), table(*FACTS, LEFT)
    for _ in range(2):  # what has been awake rests again
        resting.rest()
        assert resting.encoded() == awake.encoded()
        assert resting == awake
        assert list(resting) == list(awake)


def test_to_look_for_an_id_or_to_write_a_row_wakes_nothing() -> None:
    found = table(*FACTS)
    found.rest()
    assert FACTS[0].event_id in found
    assert "nobody" not in found
    assert found.encoded() == {fact.event_id: encode(fact) for fact in FACTS}
    assert all(isinstance(resting, int) for resting in found.ids.values())
    with pytest.raises(KeyError):
        found["nobody"]


def test_what_is_left_of_a_fact_that_rests_stands_in_its_place() -> None:
    found = table(*FACTS)
    found.rest()
    found[FACTS[1].event_id] = LEFT
    assert found[FACTS[0].event_id] == FACTS[0]
    found.rest()
    assert found[FACTS[1].event_id] is LEFT
    assert list(found) == [fact.event_id for fact in FACTS]


def test_facts_that_come_one_by_one_rest_together() -> None:
    counts = [count(day, 2.0) for day in range(TOGETHER + 3)]
    found = FactTable()
    for one in counts:
        found[one.event_id] = one
        found.rest()
    assert set(found.ids.values()) == {0, 1}
    assert found[counts[-1].event_id] == counts[-1]
    assert isinstance(found.ids[counts[0].event_id], int), "others stay at rest"
    assert list(found.values()) == counts


def test_a_fact_is_never_forgotten() -> None:
    with pytest.raises(TypeError, match="never forgotten"):
        del table(*FACTS)[FACTS[0].event_id]
