"""Whatever happens to workers and brokers: the same beliefs, the same alerts, nothing lost, nothing doubled.

Most faults for a short while; ``python -m tests.faults.soak`` goes on for longer. What sends the events here leaves
sockets to a broker that is away for the garbage collector: that is of its client, not of ours.
"""

from __future__ import annotations

import gc
import logging
import random
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.ground import PARTICLES, Ground, on_own_brokers, ward_story
from tests.faults.kinds import FAULTS
from tests.faults.shuffles import beliefs
from tests.faults.verdict import Undisturbed, newest_belief
from tests.streams.worker.stage import Stage
from twin.events import Estimate, Forecast, Prediction


@pytest.fixture(scope="module")
def expected() -> Undisturbed:
    found = Undisturbed.of(ward_story(days=1.0), PARTICLES)
    assert found.standing
    assert {type(output) for output in found.outputs.values()} == {Estimate, Forecast, Prediction}
    assert min(newest_belief(row)[0].observations for row in found.rows.values()) > 0
    return found


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.short and not fault.brokers])
def test_a_fault_of_workers_changes_nothing(
    name: str, kafka: str, expected: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_PARTICLES", str(PARTICLES))
    fault = FAULTS[name]
    told = Undisturbed.of(fault.story(fault.short, 5), PARTICLES) if fault.story else expected
    with closing(Ground(Stage(kafka), told, tmp_path)) as ground:
        fault.inject(ground, random.Random(4), fault.short)
        assert ground.finish() == []


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.usefixtures("kafka")  # as one of those that need Kafka's jars
@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.short and fault.brokers])
def test_a_fault_of_brokers_changes_nothing(
    name: str, expected: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_PARTICLES", str(PARTICLES))
    monkeypatch.setattr(logging.getLogger("kafka"), "propagate", False)  # kept records would hold those sockets
    with on_own_brokers(expected, tmp_path, FAULTS[name].brokers) as ground:
        FAULTS[name].inject(ground, random.Random(4), FAULTS[name].short)
        assert ground.finish() == []
    gc.collect()  # while the warnings of it are still this test's


@pytest.mark.slow
def test_a_week_in_any_order_with_repeats_and_retractions_is_one_belief() -> None:
    assert beliefs(times=10, seed=5) == []
