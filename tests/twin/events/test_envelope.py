"""What every event carries: values that are kept for long share the names of their fields."""

from __future__ import annotations

from tests.twin.bedside import dose, plan
from twin.events import decode, encode, share_names


def test_values_that_share_the_names_of_their_fields_are_the_same_values() -> None:
    events = [dose(0), dose(1), plan(0, (0, 240.0, 6.0)), plan(1, (0, 240.0, 6.0), (24, 240.0, 6.0))]
    before = [decode(encode(event)) for event in events]
    names = [set(event.model_fields_set) for event in events]
    for event in events:
        share_names(event)
    assert events == before
    assert [encode(event) for event in events] == [encode(event) for event in before]
    assert [event.model_fields_set for event in events] == names
    assert events[0].model_fields_set is events[1].model_fields_set
    first, (_, second) = events[2].doses[0], events[3].doses  # type: ignore[union-attr]
    assert first.model_fields_set is second.model_fields_set
    assert first.amount.model_fields_set is second.amount.model_fields_set


def test_a_changed_copy_does_not_change_the_names_of_others() -> None:
    one, other = (decode(encode(dose(hour))) for hour in (0, 1))
    share_names(one)
    share_names(other)
    names = set(one.model_fields_set)
    assert "sequence" in one.model_copy(update={"sequence": 3}).model_fields_set
    assert one.model_fields_set == other.model_fields_set == names
