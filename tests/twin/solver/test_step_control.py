"""Step sizes are chosen for a model from its own regimens, for a stiff one too, where doses do not enter late."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.twin import toys
from tests.twin.equations import reference
from tests.twin.kernel.test_kernel import assert_close, patients, solved
from twin.clock import HOUR_MS
from twin.kernel.arguments import StepSizes
from twin.kernel.kernel import compile_model
from twin.model.spec import ModelError
from twin.modelfile.library import load_model
from twin.solver import step_control as step_sizes
from twin.solver.step_control import step_sizes_for
from twin.solver.step_schedule import GROWTH
from twin.timeline.regimen import ORIGIN, treated, treatment

REGIMEN = f"""
[[regimens]]
drug = "toxin"
amount = 100
amount_unit = "mg"
duration = 1
interval = 24
cycles = 5
route = "iv"
{toys.SOURCE}
"""
SATURABLE = ({"VMAX": "14 mg/h 0.09", "KM": "1.5 mg/L", "V": "20 L 0.04", "k": "0.05 1/h", "half": "2 mg/L 0.1"},
             {"A": "mg: input(toxin) - VMAX*A/V/(KM + A/V)", "E": "1: 1 -> k*(1 - A/V/(half + A/V)) - k*E"},
             {"level": "mg/L: A/V", "effect": "1: E"})  # fmt: skip


def test_a_model_file_names_its_steps() -> None:
    assert step_sizes_for(compile_model(load_model("docetaxel_ozawa2007"))) == StepSizes(0.05, 0.4, 4.0)


def test_without_regimens_steps_follow_from_the_rates_at_rest() -> None:
    chosen = step_sizes_for(compile_model(toys.chain()))
    # Rates of 2 per day: the largest step is a fifth of the time constant.
    assert chosen.largest == pytest.approx(0.1, rel=0.05)
    assert chosen.growth == GROWTH


def test_steps_are_as_fine_as_the_regimens_need_and_no_finer() -> None:
    kernel = compile_model(toys.made(*SATURABLE, extra=REGIMEN))
    chosen = step_sizes_for(kernel)
    timeline = treated(kernel, treatment(kernel.model, "P-1", 5))
    marks = ORIGIN + np.arange(1, 96, 7, dtype=np.int64) * HOUR_MS
    eta = patients(kernel, drawn=1)
    expected = np.array([reference(kernel, timeline, row, marks) for row in eta])
    assert_close(solved(kernel, timeline, eta, marks), expected)
    assert 0.001 < chosen.first <= chosen.largest
    assert 0.05 < chosen.largest < 5


@pytest.mark.slow
def test_a_step_that_the_file_names_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    chosen = step_sizes_for(compile_model(toys.made(*SATURABLE, extra=REGIMEN + "[numerics]\nlargest_step = 0.25\n")))
    assert chosen.largest == 0.25
    assert chosen.first <= 0.25


def test_a_choice_is_kept_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = compile_model(toys.made(*SATURABLE, extra=REGIMEN))
    first = step_sizes_for(kernel)
    monkeypatch.setattr(step_sizes, "_CHOSEN", {})
    monkeypatch.setattr(step_sizes, "_calibrated", None)
    assert step_sizes_for(kernel) == first


FAST = {"k": "2e6 1/h", "V": "20 L", "KM": "1 mg/L", "half": "0.02 h"}
SATURATED = {"A": "mg: input(toxin) - k*A*KM*V/(KM*V + A)"}
BINDING = {"kon": "3e6 L/(mg.h)", "k": "0.1 1/h", "V": "20 L", "R0": "1 mg/L"}
BOUND = {"A": "mg: input(toxin) - k*A - kon*A*R", "R": "mg/L: R0 -> k*(R0 - R) - kon*R*A/V"}
DRIVEN = {"k": "0.1 1/h", "V": "20 L", "half": "2 mg/L 0.1", "kf": "2e3 1/h", "g": "0.3 1/h 0.1", "turn": "4 h"}
FOLLOWING = {
    "A": "mg: input(toxin) - k*A",
    "E": "1: 1 -> kf*(1 + A/V/half + 0.2*sin(t/turn) - E)",
    "P": "1: 0.5 -> P*g*(1 - P*E/(1 + A/V/half))",
}
LEVEL = {"level": "mg/L: A/V"}
EFFECTS = LEVEL | {"effect": "1: E", "cells": "1: P"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "states", "outputs"),
    [
        (FAST, SATURATED, LEVEL),
        (BINDING | {"kon": "3e3 L/(mg.h)"}, BOUND, LEVEL),
        (DRIVEN, FOLLOWING, EFFECTS),
    ],
)
def test_stiff_equations_are_solved_by_steps_as_long_as_the_solution_allows(
    parts: dict[str, str], states: dict[str, str], outputs: dict[str, str]
) -> None:
    """At rest or only under the drug, where an hour would take some 10^5 explicit steps or more."""
    kernel = compile_model(toys.made(parts, states, outputs, extra=REGIMEN))
    assert kernel.implicit
    chosen = step_sizes_for(kernel)
    assert kernel.model.cadence.horizon / chosen.largest < 5000
    timeline = treated(kernel, treatment(kernel.model, "P-1", 2))
    marks = ORIGIN + np.arange(1, 40, 3, dtype=np.int64) * HOUR_MS
    eta = patients(kernel, drawn=1)
    expected = np.array([reference(kernel, timeline, row, marks) for row in eta])
    assert_close(solved(kernel, timeline, eta, marks), expected)


def test_a_stiff_model_whose_doses_enter_late_is_refused_with_the_reason() -> None:
    late = {"A": "mg: input(toxin, lag=half) - k*A*KM*V/(KM*V + A)"}
    with pytest.raises(ModelError) as caught:
        step_sizes_for(compile_model(toys.made(FAST, late, LEVEL)))
    assert "states: are stiff: they need steps of 1.7e-06 h, 5.8e+07 of them" in str(caught.value)
    assert "quasi-steady state" in str(caught.value)


def test_what_becomes_stiff_under_the_drug_is_refused_too() -> None:
    states = BOUND | {"A": "mg: input(toxin, lag=late) - k*A - kon*A*R"}
    model = toys.made(BINDING | {"late": "0.02 h"}, states, LEVEL, extra=REGIMEN)
    with pytest.raises(ModelError, match="are stiff"):
        step_sizes_for(compile_model(model))
