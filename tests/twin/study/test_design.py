"""Designs follow from the model: levels where the typical patient's level is, everything else every week."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.toys import LEVELS
from twin.clock import DAY_MS, HOUR_MS
from twin.events import to_millis
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.library import library_ids, load_model
from twin.modelfile.reader import parse_model
from twin.study.design import FALLEN, design
from twin.timeline.regimen import ORIGIN, treated, treatment


def toy(**changes: str) -> Model:
    text = LEVELS
    for old, new in changes.items():
        text = text.replace(f"{old} = {text.split(f'{old} = ')[1].splitlines()[0]}", f"{old} = {new}")
    return parse_model(text, "toy.toml")


def samples(model: Model) -> dict[str, list[float]]:
    """Hours from the first dose at which each output is measured."""
    found: dict[str, list[float]] = {}
    for millis, output in design(compile_model(model)).samples:
        found.setdefault(model.outputs[output].name, []).append((millis - ORIGIN) / HOUR_MS)
    return found


def test_levels_are_drawn_as_they_fall_in_the_first_and_last_course_and_markers_every_week() -> None:
    found = samples(toy())
    assert found["marker"] == [168.0 * week for week in range(7)]
    first = [hours for hours in found["toxin_plasma"] if hours < 168]
    assert first[0] == 1.0
    fall = np.log(1 / np.array(FALLEN)) * 5
    np.testing.assert_allclose(np.array(first[1:]) - 1, fall, rtol=0.06)
    last = [hours - 5 * 168 for hours in found["toxin_plasma"] if hours >= 168]
    np.testing.assert_allclose(last[:2], first[:2], rtol=0.03)


def test_a_level_that_stays_is_drawn_before_the_next_course() -> None:
    slow = samples(toy(value="0.02"))["toxin_plasma"]
    assert 168.0 in slow


def test_doses_are_the_regimens_until_the_end_of_the_span() -> None:
    doses = treatment(toy(), "P-1", 42)
    assert [(to_millis(dose.time) - ORIGIN) / DAY_MS for dose in doses] == [0, 7, 14, 21, 28, 35]
    assert {(dose.amount.value, dose.duration and dose.duration.value) for dose in doses} == {(90.0, 1.0)}
    docetaxel = treatment(load_model("docetaxel_ozawa2007"), "P-1", 1)
    assert {dose.drug: dose.amount.value for dose in docetaxel} == {"docetaxel": 96.0, "dexamethasone": 8.0}


def test_a_model_that_nobody_is_treated_by_is_still_measured() -> None:
    text = LEVELS[: LEVELS.index("[[regimens]]")] + LEVELS[LEVELS.index("[cadence]") :]
    model = parse_model(text, "toy.toml")
    assert design(compile_model(model)).doses == ()
    assert samples(model)["marker"] == [168.0 * week for week in range(7)]
    assert treated(compile_model(model), ()).start == ORIGIN


@pytest.mark.parametrize("model_id", library_ids())
def test_every_library_model_has_a_design(model_id: str) -> None:
    model = load_model(model_id)
    plan = design(compile_model(model))
    assert {output for _, output in plan.samples} == set(range(len(model.outputs)))
    assert list(plan.samples) == sorted(plan.samples)
    assert len(plan.samples) < 40 * len(model.outputs)
