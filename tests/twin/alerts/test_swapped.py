"""Two samples that bear each other's names are found, and those that do not are not."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from twin.alerts.swapped import RATE, Sample, evidence, log_density, samples_of, swaps
from twin.events import Prediction

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPREAD = 0.25
"""Of the logarithm, standard deviation."""


def said(patient: str, median: float, observed: float, hours: float = 0.0, **changes: Any) -> Prediction:
    """What a twin expected of a value."""
    quantiles = {
        name: median * math.exp(z * SPREAD)
        for name, z in (("q05", -1.645), ("q25", -0.674), ("median", 0.0), ("q75", 0.674), ("q95", 1.645))
    }
    own = {"patient_id": patient, "time": NOON + timedelta(hours=hours), "observed": observed, **quantiles}
    own["event_id"] = f"{patient} {hours:g} {changes.get('output', '')}"
    return Prediction.example().model_copy(update=own | changes)


EXCHANGED = (said("P-1", 4.0, 0.42), said("P-2", 0.4, 3.8, 0.5))


def test_values_that_fit_at_each_other_are_named_with_their_probability() -> None:
    (swap,) = swaps([*EXCHANGED, said("P-3", 1.0, 1.1)])
    assert (swap.first.patient_id, swap.second.patient_id, swap.outputs) == ("P-1", "P-2", ("neutrophils",))
    assert swap.among == 2
    odds = 10**swap.log10_bf * RATE / 2
    assert swap.probability == pytest.approx(odds / (1 + odds))
    assert swap.probability > 0.9


def test_what_is_as_it_should_be_or_surprises_without_a_counterpart_is_not_named() -> None:
    assert swaps([said("P-1", 4.0, 3.8), said("P-2", 0.4, 0.42)]) == []
    assert swaps([said("P-1", 4.0, 0.42), said("P-2", 0.4, 0.41)]) == [], "it would fit, but nothing of P-2 is wrong"
    assert swaps([said("P-1", 4.0, 0.42), said("P-2", 4.0, 0.42)]) == [], "both may have fallen ill"


@pytest.mark.parametrize(
    "second",
    [
        EXCHANGED[1].model_copy(update={"output": "platelets"}),
        EXCHANGED[1].model_copy(update={"unit": "10*6/L"}),
        EXCHANGED[1].model_copy(update={"time": NOON + timedelta(hours=4.1)}),
        EXCHANGED[1].model_copy(update={"patient_id": "P-1"}),
    ],
)
def test_another_output_unit_or_time_or_the_same_patient_makes_no_pair(second: Prediction) -> None:
    assert swaps([EXCHANGED[0], second]) == []


def test_any_order_finds_the_same() -> None:
    predictions = [*EXCHANGED, said("P-3", 1.0, 1.1), said("P-4", 2.0, 2.4, 1.0)]
    assert len({repr(swaps(order)) for order in permutations(predictions)}) == 1


def test_several_outputs_of_the_tubes_speak_together() -> None:
    near = [said("P-1", 1.6, 0.9), said("P-2", 0.9, 1.6)]
    also = [one.model_copy(update={"output": "platelets", "event_id": one.event_id + "p"}) for one in near]
    assert swaps(near) == []
    (swap,) = swaps([*near, *also])
    assert swap.outputs == ("neutrophils", "platelets")


def test_what_was_measured_twice_at_one_time_is_left_out() -> None:
    again = EXCHANGED[0].model_copy(update={"event_id": "again", "observed": 3.9})
    assert samples_of([EXCHANGED[0], again]) == []


def test_a_density_integrates_to_one_whatever_its_quantiles() -> None:
    skewed = said("P-1", 1.0, 1.0, q05=0.2, q95=1.3)
    grid = np.linspace(-60, 60, 400_001)
    assert np.exp([log_density(skewed, math.exp(x)) for x in grid[::40]]).sum() * (grid[40] - grid[0]) == pytest.approx(
        1.0, abs=0.02
    )
    negative = said("P-1", 1.0, 1.0, q05=-1.0, q95=4.0)
    values = np.linspace(-200, 200, 20_001)
    total = np.exp([log_density(negative, x) for x in values]).sum() * (values[1] - values[0])
    assert total == pytest.approx(1.0, abs=0.01)


def test_evidence_does_not_depend_on_who_comes_first() -> None:
    one, other = (Sample(p.patient_id, 0, (p,)) for p in EXCHANGED)
    assert evidence(one, other) == pytest.approx(evidence(other, one))


def test_patients_as_their_twins_expect_are_hardly_ever_accused() -> None:
    """10,000 pairs whose values are drawn from their own predictions: no more than ten are named."""
    draw = np.random.Generator(np.random.Philox(7))
    named = 0
    for _ in range(10_000):
        medians = np.exp(draw.normal(0.5, 0.8, 2))
        values = medians * np.exp(draw.normal(0, SPREAD, 2))
        named += len(swaps([said(f"P-{n}", medians[n], values[n]) for n in (0, 1)]))
    assert named <= 10


def test_exchanged_values_of_patients_who_differ_eightfold_are_found() -> None:
    draw = np.random.Generator(np.random.Philox(8))
    found = 0
    for _ in range(500):
        values = np.array([4.0, 0.5]) * np.exp(draw.normal(0, SPREAD, 2))
        found += len(swaps([said("P-1", 4.0, values[1]), said("P-2", 0.5, values[0])]))
    assert found >= 450


@pytest.mark.parametrize(("name", "value"), [("rate", 0.0), ("likely", 1.0)])
def test_what_is_no_probability_is_refused(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"field '{name}'"):
        swaps([], **{name: value})  # type: ignore[arg-type]
