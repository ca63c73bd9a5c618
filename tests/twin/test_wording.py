"""Texts with the wording that they were made from."""

from __future__ import annotations

import doctest
import pickle

import msgspec
from pydantic import TypeAdapter

from twin import wording
from twin.wording import Wording, amount, bare, capital, change, say, share, wording_of


def test_the_example_in_the_docstring_runs() -> None:
    assert doctest.testmod(wording).failed == 0


def test_numbers_and_units_are_written_as_everywhere_and_kept_as_numbers() -> None:
    assert [amount("0.45", "10*9/L"), amount("3", "1"), bare("2.50", "mg/L"), amount("1e+03", "mg")] == [
        "0.45 ×10⁹/L",
        "3",
        "2.5",
        "1000 mg",
    ]
    assert amount("0.45", "10*9/L", "neutrophils").wording == Wording(
        "amount", {"value": 0.45, "unit": "10*9/L", "of": "neutrophils"}
    )
    assert [share(0.618), change(0.25), change(-0.1), capital("grade 4")] == ["62%", "+25%", "-10%", "Grade 4"]


def test_a_term_that_says_nothing_is_left_out() -> None:
    said = say("k", "{drug}{more}.", drug="docetaxel", more="")
    assert (said, said.wording.terms) == ("docetaxel.", {"drug": "docetaxel"})


def test_a_plain_text_has_no_wording() -> None:
    assert wording_of("Look.") is None
    assert wording_of(say("k", "Look.")) == Wording("k", {})


def test_a_wording_is_the_same_after_any_way_of_storing_it() -> None:
    said = say("a", "{b} {n}", b=say("c", "{p}", p=share(0.5)), n=3)
    assert said == "50% 3"
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(said.wording), type=Wording) == said.wording
    known = TypeAdapter(Wording)
    assert known.validate_json(known.dump_json(said.wording)) == said.wording
    again = pickle.loads(pickle.dumps(said))
    assert (again, again.wording) == (said, said.wording)
