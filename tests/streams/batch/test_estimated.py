"""What is said of many estimates together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from streams.batch.estimate import IndividualEstimate
from streams.batch.estimated import remarks, shrinkage
from tests.twin import toys
from twin.modelfile.reader import parse_model

MODEL = parse_model(toys.ABSORPTION, "toy_absorption.toml")
D = len(MODEL.eta_names)
ONE = IndividualEstimate("1", (0.0,) * D, (0.1,) * D, (), (), (), (), (), 1.0, True, 1, 2, ())


def test_shrinkage_is_how_much_less_the_effects_scatter_than_the_population_does() -> None:
    omega = MODEL.omega[0, 0] ** 0.5
    spread = [replace(ONE, eta=(share * omega, *ONE.eta[1:])) for share in (-0.5, 0.0, 0.5)]
    found = shrinkage(MODEL, [*spread, replace(ONE, eta=(9.0,) * D, measured=0)])
    assert found[MODEL.eta_names[0]] == pytest.approx(0.5)
    assert found[MODEL.eta_names[1]] == 1.0
    assert shrinkage(MODEL, [ONE]) == {}


def test_who_did_not_converge_or_lost_a_part_is_named_with_what_to_do() -> None:
    assert remarks([ONE]) == []
    assert remarks([replace(ONE, notes=("no steps were found",))]) == ["1: no steps were found"]
    lost, partial = remarks(
        [replace(ONE, patient_id=str(n), converged=False) for n in range(14)] + [replace(ONE, left_out="dose (line 3)")]
    )
    (far,) = remarks([replace(ONE, ofv=19_990.0), replace(ONE, patient_id="2", ofv=900.0)])
    assert far.startswith("a value so far from all that the model can say that it counts for nothing: 1 patient (1)")
    assert lost.startswith("not converged: 14 patients (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more)")
    assert "Look at IWRES" in lost
    assert partial == "estimated from a part of what was recorded (column left_out): 1 patient (1)"
