"""A model may count in minutes: the same patient, whatever the unit of its time."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import toys
from twin.clock import HOUR_MS, MINUTE_MS, UNIT_HOURS, UNIT_MS
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.solver.expected import typical_of

EXPECTED = '[[expected]]\nof = "toxin_plasma"\nat = {}\nlow = 0\nhigh = 1\nsource = "a test"\n'
REGIMEN = (
    '[[regimens]]\ndrug = "toxin"\namount = 100\namount_unit = "mg"\nduration = {0}\ninterval = {1}\ncycles = 2\n'
    'route = "iv"\nassumed = "a test"\n'
)


def model(unit: str, hour: float) -> Model:
    """The bolus toy in another unit of time, of which an hour has so many: an hour's infusion twice, and its level."""
    text = (
        toys.BOLUS.replace('"h"', f'"{unit}"')
        .replace('"L/h"', f'"L/{unit}"')
        .replace("value = 5\n", f"value = {5 / hour}\n")
    )
    for entry in ("estimate", "forecast", "horizon"):
        text = text.replace(f"{entry} = 24", f"{entry} = {24 * hour}")
    return parse_model(text + REGIMEN.format(hour, 8 * hour) + EXPECTED.format(9.5 * hour), "toy.toml")


def test_units_of_time_agree_with_one_another() -> None:
    assert {unit: ms / HOUR_MS for unit, ms in UNIT_MS.items()} == pytest.approx(UNIT_HOURS)
    assert UNIT_MS["min"] == MINUTE_MS


def test_a_model_that_counts_in_minutes_gives_the_same_level() -> None:
    found = []
    for unit, hour in (("h", 1.0), ("min", 60.0), ("d", 1 / 24)):
        kernel = compile_model(model(unit, hour))
        found.append(typical_of(kernel, kernel.model.expected[0]))
    assert found[0] > 1
    assert np.ptp(found) < 1e-9 * found[0]
