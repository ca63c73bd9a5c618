"""Which models are stepped implicitly follows from their rates at rest and under a dose."""

from __future__ import annotations

import pytest

from twin.kernel.stiffness import is_stiff
from twin.model.structure import analyse
from twin.modelfile.library import library_ids, load_model

BODIES = ("irinotecan_toshimoto2017", "paclitaxel_fu2019")
"""Of a circle of organs no eigenbasis is real, which the compiler finds out by trying."""

IMPLICIT = {"nabpaclitaxel_chen2014", "nivolumab_qsp_sove2020", "vincristine_nijstad2022", *BODIES}
"""What leaves a body's vein, a binding site or another cell's receptor does so within seconds."""


def test_of_the_library_those_are_stiff_that_explicit_steps_could_hardly_solve() -> None:
    found = set()
    for name in library_ids():
        model = load_model(name)
        kept = [state.name for state in model.states] if name in BODIES else []
        if is_stiff(model, analyse(model, keep_stepped=kept)):
            found.add(name)
    assert found == IMPLICIT


@pytest.mark.parametrize("name", ["gcsf_melhem2018", "docetaxel_gcsf_suite", "busulfan_mccune2014"])
def test_late_doses_and_linear_equations_are_left_to_others(name: str) -> None:
    model = load_model(name)
    assert not is_stiff(model, analyse(model))
