"""Step sizes are chosen for a model from its own regimens; a stiff model is refused."""

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
from twin.modelfile.reader import parse_model
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


def test_a_stiff_model_is_refused_with_the_reason() -> None:
    parts = {"k": "2e6 1/h", "V": "20 L", "KM": "1 mg/L"}
    model = toys.made(parts, {"A": "mg: input(toxin) - k*A*KM*V/(KM*V + A)"}, {"level": "mg/L: A/V"})
    with pytest.raises(ModelError) as caught:
        step_sizes_for(compile_model(model))
    assert "states: are stiff: they need steps of 1.7e-06 h, 5.8e+07 of them" in str(caught.value)
    assert "quasi-steady state" in str(caught.value)


def test_what_becomes_stiff_under_the_drug_is_refused_too() -> None:
    parts = {"kon": "3e6 L/(mg.h)", "k": "0.1 1/h", "V": "20 L", "R0": "1 mg/L"}
    states = {"A": "mg: input(toxin) - k*A - kon*A*R", "R": "mg/L: R0 -> k*(R0 - R) - kon*R*A/V"}
    model = parse_model(toys.made(parts, states, {"level": "mg/L: A/V"}, extra=REGIMEN).text, "made.toml")
    with pytest.raises(ModelError, match="are stiff"):
        step_sizes_for(compile_model(model))
