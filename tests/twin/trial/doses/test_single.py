"""Beliefs that are one patient."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.bedside import PATIENT, dose, level, ms
from twin import load_model
from twin.filter.trunk import Trunk
from twin.kernel.kernel import compile_model
from twin.patient.accounts.component import Component, beginning
from twin.record.history import History
from twin.solver.effects import drawn_occasion
from twin.trial.doses.single import at_mode, really

MODEL = load_model("busulfan_shukla2020")


def component(hours: float, *events: object) -> Component:
    history = History()
    for event in events:
        history.insert(event)  # type: ignore[arg-type]
    return beginning(ms(hours), Trunk(compile_model(MODEL), PATIENT), history, {}, 1)


def test_who_the_patient_really_is_has_the_occasions_so_far_and_those_to_come_differ() -> None:
    eta, key = np.array([0.2, -0.1]), ("truth",)
    given = dose(0.0, 80.0, 3.0, drug="busulfan")
    belief = really(component(30.0, given), eta, key, 5).position.belief
    assert belief.eta[:, :2] == pytest.approx(np.tile(eta, (5, 1)), abs=1e-6)
    second = drawn_occasion(MODEL, key, belief.layout.occasions[-1], 1)[0]
    assert belief.eta[:, -2:].tolist() == [second.tolist()] * 5
    assert len(belief.layout.occasions) == 2
    # Before the first dose nothing is known of any occasion.
    assert really(component(-1.0), eta, key, 5).position.belief.layout.occasions == ()


def test_at_the_mode_stands_one_patient_whose_occasions_to_come_are_the_average_ones() -> None:
    known = component(
        20.0, dose(0.0, 80.0, 3.0, drug="busulfan"), level(3.5, 0.8, analyte="busulfan_plasma"),
        level(6.0, 0.3, analyte="busulfan_plasma"),
    )  # fmt: skip
    belief = at_mode(known, known.timeline.segments, ms(90.0)).position.belief
    assert belief.eta.shape == (1, 2 + 2 * 4)
    assert np.abs(belief.eta[0, :4]).min() > 0.0
    assert belief.eta[0, 4:].tolist() == [0.0] * 6
