"""Questions about all patients at once find what stands, on a real database that the sink's own writer filled."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from connectors.grafana import every_patient
from connectors.kafka.records import Record
from connectors.kafka.topics import topic_of
from connectors.services import Influx
from connectors.sinks.influx import InfluxWriter
from tests import factories as make
from tests.connectors.console.bench import Bench
from tests.connectors.console.shown import Shown
from twin.events import encode


@pytest.fixture
def shown(kafka: str, influx: Influx) -> Iterator[Shown]:
    bench = Bench(kafka, influx)
    yield Shown(bench, make.at(0), make.at(48))
    bench.close()


def written(shown: Shown, *events: Any) -> None:
    with closing(InfluxWriter(shown.bench.to_influx)) as writer:
        for offset, event in enumerate(events):
            writer.write(writer.items(Record(topic_of(type(event)), 0, offset, offset, None, encode(event))))


def patient() -> str:
    return f"E-{uuid.uuid4().hex[:6]}"


def test_the_newest_that_stands_is_found_and_who_has_nothing_that_stands_is_not(shown: Shown) -> None:
    one, gone = patient(), patient()
    said = [make.estimate(one, make.at(hour), ess=100.0 + hour) for hour in range(3)]
    written(shown, *said, make.withdrawn(one, make.at(2)), make.estimate(gone, make.at(1)),
            make.withdrawn(gone, make.at(1)))  # fmt: skip
    newest = shown.rows(every_patient.newest("health", "ess"))
    assert [(row["patient"], row["ess"]) for row in newest] == [(one, 101.0)]
    assert [(row["patient"], row["_time"]) for row in shown.rows(every_patient.last_spoken("health"))] == [
        (one, make.at(1))
    ]


def test_where_no_last_word_was_withdrawn_the_newest_of_all_outputs_and_fields_is_found(shown: Shown) -> None:
    one, other = patient(), patient()
    said = [make.estimate(who, make.at(hour), ess=100.0 + hour) for who in (one, other) for hour in range(3)]
    written(shown, *said, make.withdrawn(one, make.at(1)))
    newest = shown.rows(every_patient.newest("health", "ess"))
    assert sorted((row["patient"], row["_time"], row["ess"]) for row in newest) == sorted(
        (who, make.at(2), 102.0) for who in (one, other)
    )
    assert [row["patient"] for row in shown.rows(every_patient.newest("nadir", "p_grade4"))] == []


def test_in_a_window_the_newest_counts_and_nothing_where_that_was_withdrawn(shown: Shown) -> None:
    one, other = patient(), patient()
    said = [make.estimate(one, make.at(hour), ess=100.0 + hour) for hour in range(12)]
    said += [make.estimate(other, make.at(hour), ess=200.0 + hour) for hour in range(12)]
    written(shown, *said, *(make.withdrawn(who, make.at(hour)) for who, hour in ((one, 3), (other, 7), (other, 11))))
    rows = shown.rows(f"{every_patient.EVERY}\n{every_patient.in_windows('health', 'ess')}")
    # The hours of a day are 8 to 11, 12 to 17 and 18 to 19.
    assert sorted((row["_time"], row["ess"]) for row in rows) == [
        (make.at(0), 203.0), (make.at(4), 109.0), (make.at(4), 209.0), (make.at(10), 111.0)
    ]  # fmt: skip


def test_two_courses_of_a_patient_stay_two(shown: Shown) -> None:
    one = patient()
    first = make.estimate(one, make.at(1))
    (exposure,) = first.exposure
    second = exposure.__class__.model_validate(
        exposure.model_dump() | {"so_far": exposure.so_far.model_dump() | {"name": "another"}, "p_below": 0.75}
    )
    written(shown, first.model_copy(update={"exposure": (exposure, second)}))
    rows = shown.rows(every_patient.standing("exposure", "p_below", "p_above"))
    assert {row["exposure"]: row["p_below"] for row in rows} == {
        exposure.so_far.name: exposure.p_below, "another": 0.75
    }  # fmt: skip
