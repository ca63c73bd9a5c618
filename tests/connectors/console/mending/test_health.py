"""What engineers are told of sources, workers and filters."""

from __future__ import annotations

import time

from connectors.console.board import Board
from connectors.console.mending.health import health_of
from connectors.console.topic_reader import LiveBoard
from connectors.kafka.topics import PUMP
from tests import factories as make
from twin.events import Heartbeat


def test_filters_are_judged_by_what_they_predicted_and_sources_and_workers_by_when_they_spoke() -> None:
    live = LiveBoard(Board())
    expected = make.band("neutrophils", "10*9/L", 4.4)
    inside, outside = expected.median, expected.q95 * 2
    live.fold([make.estimate("P-1"), make.estimate("P-2"), make.prediction("P-1", make.at(1), observed=inside)])
    live.fold([make.prediction("P-1", make.at(2), observed=outside)])
    live.sources.hear(PUMP, "P-1", 7, live=True)
    beat = Heartbeat.example().model_copy(update={"sealed": {"P-1": "degenerate"}})
    live.hear(beat, time.monotonic() - 5)
    health = health_of(live, lambda patient: patient == "P-1")
    (one,) = health.filters
    assert (one.patient, one.measured, one.outside, one.sealed) == ("P-1", 2, 1, "degenerate")
    assert one.ess == 640.0
    (partition,) = health.partitions
    assert (partition.partition, partition.worker, partition.lag) == (2, "ward-1", 1240)
    assert 5 <= partition.silent < 20
    pump = next(source for source in health.sources if source.source == "pump")
    assert (pump.words, pump.patients, pump.newest) == (1, 1, 7)


def test_a_twin_of_which_nothing_was_measured_has_no_bias() -> None:
    live = LiveBoard(Board())
    live.fold([make.estimate("P-1")])
    (one,) = health_of(live, lambda _: True).filters
    assert (one.measured, one.pit) == (0, None)
