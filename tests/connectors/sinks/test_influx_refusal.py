"""InfluxDB's answers about lines: each line is blamed for what is said of it, and for nothing else."""

from __future__ import annotations

import pytest

from connectors.services import Influx
from connectors.sinks.influx import Settings, open_writer
from connectors.sinks.influx_refusal import measurement, refusal
from connectors.sinks.writer import BadItem

CONFLICT = (
    'failure writing points to database: partial write: field type conflict: input field "a" on measurement "h" is '
    "type string, already exists as type float dropped="
)


def test_lines_that_cannot_be_read_are_named_each_with_its_own_reason() -> None:
    lines = ["k a= 1", "k a=1.0 2", "k,t=it's\\ 'x':\\ y a=1.0 9999999999999999999", "k a= 1"]
    answer = (
        "unable to parse 'k a= 1': missing field value\n"
        f"unable to parse '{lines[2]}': strconv.ParseInt: parsing \"9999999999999999999\": value out of range\n"
        "unable to parse 'k a= 1': missing field value"
    )
    said = refusal(answer, lines)
    assert said.refused.keys() == {0, 2, 3}
    assert said.refused[0] == "unable to parse 'k a= 1': missing field value"
    assert "k a= 1" not in said.refused[2]


def test_points_that_do_not_fit_are_refused_for_certain_where_all_are() -> None:
    lines = ['h a="x" 1', 'h a="y" 2', "g b=1.0 1"]
    assert refusal(CONFLICT + "2", lines).refused == {}
    assert refusal(CONFLICT + "2", lines).among == {0, 1}
    assert refusal(CONFLICT + "2", lines[:2]).refused.keys() == {0, 1}


@pytest.mark.parametrize("answer", ["", "no", "unable to parse 'x': y", CONFLICT.replace('"h"', '"other"') + "1"])
def test_an_answer_that_names_none_of_the_lines_says_nothing_of_them(answer: str) -> None:
    said = refusal(answer, ["h a=1.0 1", "g a=1.0 1"])
    assert (str(said), said.refused, said.among) == (answer, {}, frozenset())


def test_the_measurement_is_what_comes_before_tags_and_fields() -> None:
    assert [measurement(line) for line in ("h,a=b c=1.0 1", "h c=1.0 1", 'h c="x,y" 1')] == ["h"] * 3


def test_the_real_influxdb_answers_so(influx: Influx) -> None:
    settings = Settings(url=influx.url, token=influx.token, org=influx.org, bucket=influx.bucket)
    with open_writer(settings) as writer:
        writer.write(["refusal a=1.0 1000000000"])
        fits, conflicts = "other a=1.0 1", ['refusal a="x" 1000000001', "refusal a=4i 1000000002"]
        with pytest.raises(BadItem) as told:
            writer.write([fits, *conflicts])
        assert (told.value.refused, told.value.among) == ({}, {1, 2})
        with pytest.raises(BadItem) as told:
            writer.write(conflicts)
        assert told.value.refused.keys() == {0, 1}
        with pytest.raises(BadItem) as told:
            writer.write([fits, "other a=1.0 99999999999999999999", fits, "other a= 3"])
        assert told.value.refused.keys() == {1, 3}
