"""An implicit step is the same whether its plan is written out or walked as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from tests.twin.equations import BEGINNING, infusion, timeline_of
from tests.twin.library.levels import over
from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.kernel.codegen import generate
from twin.kernel.kernel import Kernel, compile_model, compiled_module
from twin.kernel.loops import rosenbrock
from twin.model.structure import analyse
from twin.modelfile.library import load_model
from twin.modelfile.reader import parse_model
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for


def levels(kernel: Kernel, drug: str = "vincristine", emptied: Sequence[float] = ()) -> Floats:
    """Outputs in 40 patients over two days, who fill a group and a part of another; ``emptied`` at some hours."""
    references = [covariate.reference for covariate in kernel.model.covariates]
    resets = [round(hour * HOUR_MS) for hour in emptied]
    given = {drug: infusion([*over(0.1, 2.0), *over(0.1, 2.0, start=24.0)])}
    timeline = timeline_of(kernel, given, covariates=[(BEGINNING, references)], resets=resets)
    eta = 0.3 * np.random.Generator(np.random.Philox(key=7)).standard_normal((40, len(kernel.model.effect_names)))
    marks = np.arange(1, 49, dtype=np.int64) * HOUR_MS
    solver = Solver(kernel, eta, step_sizes_for(kernel), shared=False)
    return solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)[1]


MIXED = """
id = "mixed"
drug = "x"
title = "A chain whose coefficients are a parameter, a product, a number and a covariate"
time_unit = "h"
note = "Nobody was studied."
unconfirmed = "nobody published these numbers"
[[sources]]
citation = "Author 2030, Journal 1:1-9"
[covariates.R]
unit = "1/h"
reference = 0.1
low = 0.01
high = 1
assumed = "a round number"
[variability]
stated_as = "variance"
assumed = "a round number"
[parameters.K]
value = 0.3
unit = "1/h"
iiv = 0.09
assumed = "a round number"
[parameters.F]
value = 0.5
unit = "1"
assumed = "a round number"
[states.A]
unit = "mg"
derivative = "input(x) - K*A"
[states.B]
unit = "mg"
derivative = "F*K*A - K*B"
[states.C]
unit = "mg"
derivative = "K*B - R*C"
[states.D]
unit = "mg"
derivative = "R*C - 0.2*D*K"
[outputs.x_plasma]
unit = "mg"
expression = "D"
error = { proportional = 0.2, fitted_on = "linear", assumed = "a round number" }
[[regimens]]
drug = "x"
amount = 100
amount_unit = "mg"
duration = 1
interval = 24
cycles = 1
route = "iv"
assumed = "a round number"
[cadence]
estimate = 1
forecast = 6
horizon = 72
"""


@pytest.mark.slow
def test_coefficients_of_every_kind_are_walked_as_they_are_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model = parse_model(MIXED, "mixed.toml")
    kernel = compile_model(model)
    structure = analyse(model, keep_stepped=[state.name for state in model.states])
    found = []
    for longest in (10_000, 0):
        monkeypatch.setattr(rosenbrock, "WRITTEN_OUT", longest)
        source = generate(model, structure, implicit=True)["advance"]
        stepped = replace(kernel, structure=structure, advance=compiled_module("advance", source).advance)
        found.append(levels(stepped, "x", emptied=[20.0]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-10)
    assert (found[0][18] > 0.0).all()
    assert (found[0][20:23] == 0.0).all()


@pytest.mark.slow
def test_a_plan_that_is_walked_does_what_one_that_is_written_out_does(monkeypatch: pytest.MonkeyPatch) -> None:
    written = compile_model(load_model("vincristine_nijstad2022"))
    assert written.implicit
    monkeypatch.setattr(rosenbrock, "WRITTEN_OUT", 0)
    source = generate(written.model, written.structure, implicit=True)["advance"]
    assert "FACTOR" in source
    assert "FACTOR" not in written.source
    walked = replace(written, advance=compiled_module("advance", source).advance)
    np.testing.assert_allclose(levels(walked), levels(written), rtol=1e-12)
