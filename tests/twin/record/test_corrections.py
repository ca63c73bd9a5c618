"""Which fact of a family stands: as it is defined, in any order, and at a price that does not grow."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.bedside import dose, ms
from twin.events import DoseGiven
from twin.record.corrections import Corrections


def superseded_by_definition(facts: list[DoseGiven]) -> set[str]:
    """Of each family all but the fact at the end of those that prevail."""
    found = set[str]()
    for fact in facts:
        if fact.replaces is None:
            continue
        rivals = [other for other in facts if other.replaces == fact.replaces]
        found.add(fact.replaces)
        loser = fact
        if max(rivals, key=lambda other: (other.time, other.event_id)) is not loser:
            found |= descendants(facts, loser.event_id)
    return found


def descendants(facts: list[DoseGiven], event_id: str) -> set[str]:
    own = {event_id}
    for fact in facts:
        if fact.replaces == event_id:
            own |= descendants(facts, fact.event_id)
    return own


@st.composite
def families(draw: st.DrawFn) -> list[DoseGiven]:
    facts = []
    for number in range(draw(st.integers(1, 9))):
        target = draw(st.sampled_from([None, "never told", *(f"fact {i}" for i in range(number))]))
        fact = dose(draw(st.integers(0, 4)), event_id=f"fact {number}")
        facts.append(fact if target is None else fact.model_copy(update={"replaces": target, "status": "corrected"}))
    return facts


@settings(max_examples=300)
@given(families(), st.randoms(use_true_random=False))
def test_the_greatest_of_rivals_stands_or_what_replaces_it(facts: list[DoseGiven], random: Random) -> None:
    corrections = Corrections()
    earliest = {}
    for fact in random.sample(facts, len(facts)):
        assert not corrections.closes_circle(fact)
        earliest[fact.event_id] = corrections.add(fact)
    assert corrections.superseded == superseded_by_definition(facts)
    for fact in facts:
        assert earliest[fact.event_id] <= ms((fact.time - dose(0).time).total_seconds() / 3600)


def test_a_circle_is_noticed_whatever_its_length() -> None:
    corrections = Corrections()
    for number in range(1, 5):
        corrections.add(dose(1, event_id=f"f{number}", replaces=f"f{number - 1}", status="corrected"))
    assert corrections.closes_circle(dose(1, event_id="f0", replaces="f4", status="corrected"))
    assert corrections.closes_circle(dose(1, event_id="x", replaces="x", status="corrected"))
    assert not corrections.closes_circle(dose(1, event_id="f0", replaces="other", status="corrected"))


def test_the_thousandth_correction_of_a_fact_touches_no_more_than_the_first() -> None:
    corrections = Corrections()
    touched = []
    for number in range(1, 1001):
        before = corrections.superseded.copy()
        corrections.add(dose(1, event_id=f"f{number}", replaces=f"f{number - 1}", status="corrected"))
        touched.append(corrections.superseded ^ before)
        assert len(corrections._links) == number
        assert corrections._original(f"f{number}") == "f0"
    assert touched == [{f"f{number}"} for number in range(1000)]
