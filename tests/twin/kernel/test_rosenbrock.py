"""An implicit step is the same whether its plan is written out or walked as a table."""

from __future__ import annotations

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
from twin.modelfile.library import load_model
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for


def levels(kernel: Kernel) -> Floats:
    """Vincristine in 40 patients over two days, who fill a group and a part of another."""
    references = [covariate.reference for covariate in kernel.model.covariates]
    timeline = timeline_of(kernel, {"vincristine": infusion(over(0.1, 2.0))}, covariates=[(BEGINNING, references)])
    eta = 0.3 * np.random.Generator(np.random.Philox(key=7)).standard_normal((40, len(kernel.model.effect_names)))
    marks = np.arange(1, 49, dtype=np.int64) * HOUR_MS
    solver = Solver(kernel, eta, step_sizes_for(kernel), shared=False)
    return solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)[1]


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
