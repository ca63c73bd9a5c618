"""What is refused is found and set apart in few calls; what is good never waits for it and keeps its order."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.kafka.records import Record
from connectors.sinks.portions import Pending, Portions
from connectors.sinks.writer import BadItem

Item = tuple[int, str, bool]
"""Its number, its kind, and whether it is refused."""

Answer = Callable[[Sequence[Item]], BadItem]


def says_nothing(_: Sequence[Item]) -> BadItem:
    return BadItem("no")


def counts(items: Sequence[Item]) -> BadItem:
    """As InfluxDB says of points that do not fit: it names a measurement, and how many are dropped."""
    bad = [number for number, item in enumerate(items) if item[2]]
    if len(bad) == len(items):
        return BadItem("no", refused=dict.fromkeys(bad, "dropped"))
    named = items[bad[0]][1]
    return BadItem("no", among=[number for number, item in enumerate(items) if item[1] == named])


def names_one(items: Sequence[Item]) -> BadItem:
    return BadItem("no", refused={next(number for number, item in enumerate(items) if item[2]): "that one"})


def names_all(items: Sequence[Item]) -> BadItem:
    return BadItem("no", refused={number: "these" for number, item in enumerate(items) if item[2]})


ANSWERS = (says_nothing, counts, names_one, names_all)


class Work:
    """Batches of items written through one `Portions` to a system that refuses what is bad."""

    def __init__(self, answer: Answer, most: int = 2000) -> None:
        self.portions: Portions[Item] = Portions(most)
        self.answer, self.most = answer, most
        self.written: list[Item] = []
        self.calls = 0

    def write(self, batch: Sequence[Item]) -> Pending[Item]:
        pending = Pending(Record("t", 0, 0, 0, None, b""), batch, [kind for _, kind, _ in batch])
        while portion := self.portions.next([pending]):
            self.calls += 1
            items = [place.item for place in portion]
            assert len(items) <= self.most
            if any(bad for _, _, bad in items):
                self.portions.refused(portion, self.answer(items))
            else:
                self.written += items
                self.portions.written(portion)
            assert self.calls < 50_000
        assert pending.is_settled
        return pending


BATCHES = st.lists(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc"), st.booleans()), max_size=40), max_size=4
)


@given(BATCHES, st.sampled_from(ANSWERS), st.integers(1, 50))
def test_every_bad_item_is_refused_and_every_other_written_once_in_the_order_of_its_kind(
    batches: list[list[Item]], answer: Answer, most: int
) -> None:
    work = Work(answer, most)
    for number, drawn in enumerate(batches):
        batch = [(100 * number + place, kind, bad) for place, (_, kind, bad) in enumerate(drawn)]
        pending = work.write(batch)
        assert pending.refused.keys() == {place for place, item in enumerate(batch) if item[2]}
    good = {
        (100 * n + place, kind)
        for n, drawn in enumerate(batches)
        for place, (_, kind, bad) in enumerate(drawn)
        if not bad
    }
    assert sorted((number, kind) for number, kind, _ in work.written) == sorted(good)
    by_kind = defaultdict(list)
    for number, kind, _ in work.written:
        by_kind[kind].append(number)
    assert all(numbers == sorted(numbers) for numbers in by_kind.values())


def ward(bad: Collection[str], size: int = 1000) -> list[Item]:
    """Lines of seven measurements in turn, of which some are always refused."""
    return [(number, "abcdefg"[number % 7], "abcdefg"[number % 7] in bad) for number in range(size)]


@pytest.mark.parametrize(
    ("answer", "bad", "first", "later"),
    [
        (says_nothing, "", 1, 1),
        (counts, "a", 3, 2),  # all, the others, these; then the others and these
        (names_all, "a", 2, 2),
        (counts, "ab", 5, 3),
        (says_nothing, "a", 8 + 8 + 143, 8 + 143),  # one call a line where nothing is said of it, and no more
    ],
)
def test_a_kind_that_is_always_refused_costs_few_calls_once_it_is_known(
    answer: Answer, bad: str, first: int, later: int
) -> None:
    work = Work(answer)
    work.write(ward(bad))
    assert work.calls <= first
    for _ in range(5):
        before = work.calls
        work.write(ward(bad))
        assert work.calls - before <= later
    assert len(work.written) == 6 * sum(not item[2] for item in ward(bad))


@pytest.mark.parametrize("position", [0, 1, 499, 500, 998, 999])
def test_one_bad_item_among_a_thousand_of_a_kind_costs_thirty_further_calls(position: int) -> None:
    work = Work(says_nothing)
    work.write([(number, "", number == position) for number in range(1000)])
    assert work.calls <= 1 + 3 * math.ceil(math.log2(1000))


def test_what_is_good_is_written_before_what_is_suspect() -> None:
    work = Work(says_nothing)
    work.write(ward("a", 70))
    first = len(work.written)
    work.write(ward("a", 70))
    assert [item[1] for item in work.written[first:][:60]].count("a") == 0


def test_a_kind_that_is_accepted_again_is_suspect_no_longer() -> None:
    work = Work(says_nothing)
    work.write(ward("a"))
    for _ in range(12):
        work.write(ward(""))
    before = work.calls
    work.write(ward(""))
    assert work.calls - before == 1


def test_a_slow_system_is_given_less_at_once_until_it_answers_and_then_more() -> None:
    work = Work(says_nothing)
    pending = Pending(Record("t", 0, 0, 0, None, b""), ward(""), ["" for _ in range(1000)])
    sizes = []
    for _ in range(4):
        portion = work.portions.next([pending])
        sizes.append(len(portion))
        work.portions.too_slow(portion)
    while portion := work.portions.next([pending]):
        sizes.append(len(portion))
        work.portions.written(portion)
    assert sizes == [1000, 500, 250, 125, 62, 124, 248, 496, 70]
