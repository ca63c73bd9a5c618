"""T cells, antigens and a checkpoint: what is solved is what the authors' own program made of the same equations."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin import equations
from tests.twin.equations import reference, timeline_of
from tests.twin.library.levels import daily, typical
from twin.clock import DAY_MS
from twin.kernel.kernel import compile_model
from twin.modelfile.library import load_model
from twin.solver.solver import Solver
from twin.solver.step_control import step_sizes_for

MODEL = "nivolumab_qsp_sove2020"

GIVEN = daily(210.0, every=14 * 24.0, count=4, route="iv")


def test_cells_and_volume_are_those_of_the_runs_in_matlab() -> None:
    found = typical(MODEL, {"nivolumab": GIVEN}, [28 * 24.0, 56 * 24.0])
    assert found["cancer_cells"] == pytest.approx([5_172_379_483.8, 3_505_167_184.0], rel=1e-5)
    # 0.0173210830 L at day 28, as the diameter of a ball in cm.
    assert np.pi / 6000 * found["tumour_size"][0] ** 3 == pytest.approx(0.0173210830, rel=1e-5)


def test_without_nivolumab_the_tumour_grows() -> None:
    treated, alone = (typical(MODEL, given, [24.0, 84 * 24.0]) for given in ({"nivolumab": GIVEN}, {}))
    assert alone["nivolumab_serum"].max() == 0.0
    assert alone["tumour_size"][1] > alone["tumour_size"][0]
    assert treated["tumour_size"][1] < treated["tumour_size"][0]
    held = [found["effector_cells"][1] / found["cancer_cells"][1] for found in (treated, alone)]
    assert held[0] > 2 * held[1]


def test_fifty_states_follow_lsoda_in_an_unusual_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equations, "RTOL", 1e-8)
    kernel = compile_model(load_model(MODEL))
    assert kernel.implicit
    assert len(kernel.linear) + len(kernel.stepped) == 50
    timeline = timeline_of(kernel, {"nivolumab": GIVEN})
    marks = np.array([7, 28], dtype=np.int64) * DAY_MS
    eta = np.array([[0.3, 0.3, -0.3]])
    solver = Solver(kernel, eta, step_sizes_for(kernel), shared=False)
    found = solver.advance(solver.initial(timeline), timeline, int(marks[-1]), marks)[1][:, :, 0]
    np.testing.assert_allclose(found, reference(kernel, timeline, eta[0].tolist(), marks), rtol=1e-5)
