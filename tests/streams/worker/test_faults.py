"""Whatever happens to workers and brokers: the same beliefs, the same alerts, nothing lost, nothing doubled.

Most faults for a short while; ``python -m tests.faults.soak`` goes on for longer. What sends the events here leaves
sockets to a broker that is away for the garbage collector: that is of its client, not of ours.
"""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from tests import factories as make
from tests.faults.ground import PARTICLES, Ground, on_own_brokers, ward_story
from tests.faults.kinds import FAULTS
from tests.faults.shuffles import beliefs
from tests.faults.verdict import Undisturbed, contradictions, newest_belief
from tests.streams.worker.stage import Stage
from twin.events import Estimate, Forecast, Prediction

pytestmark = pytest.mark.waits


@pytest.fixture(scope="module")
def expected() -> Undisturbed:
    found = Undisturbed.of(ward_story(days=1.0), PARTICLES)
    assert found.standing
    assert {type(output) for output in found.outputs.values()} == {Estimate, Forecast, Prediction}
    assert min(newest_belief(row)[0].observations for row in found.rows.values()) > 0
    return found


def test_a_revision_that_is_left_out_is_seen_but_for_what_a_twin_has_forgotten() -> None:
    begun, over = make.alert(time=make.at(10)), make.alert(time=make.at(12), onset=make.at(10), phase="end", revision=1)
    again = make.alert(time=make.at(14), onset=make.at(10), revision=7)
    assert contradictions([begun, over]) == []
    assert "has revisions" in contradictions([over])[0]
    assert "has revisions" in contradictions([begun, over, again])[0]
    much_later = make.alert("P-1", make.at(24 * 200), rule="tox.qtc")
    assert contradictions([begun, over, again, much_later]) == []
    resumed = make.alert(time=make.at(14), onset=make.at(10), phase="end", revision=7)
    assert "has revisions" in contradictions([begun, over, resumed, much_later])[0]


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


@pytest.mark.usefixtures("kafka")  # as one of those that need Kafka's jars
@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.short and fault.brokers])
def test_a_fault_of_brokers_changes_nothing(
    name: str, expected: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOSETWIN_PARTICLES", str(PARTICLES))
    with on_own_brokers(expected, tmp_path, FAULTS[name].brokers) as ground:
        FAULTS[name].inject(ground, random.Random(4), FAULTS[name].short)
        assert ground.finish() == []


@pytest.mark.slow
def test_a_week_in_any_order_with_repeats_retractions_and_restarts_is_one_belief() -> None:
    assert beliefs(times=5, seed=5) == []
