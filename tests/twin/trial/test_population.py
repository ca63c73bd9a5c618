"""A population that differs on purpose."""

from __future__ import annotations

import math

import pytest

from twin import load_model
from twin.model.spec import ModelError
from twin.modelfile.library import parse_model
from twin.trial.population import Departure

MODEL = load_model("docetaxel_ozawa2007")


def test_a_departure_changes_what_it_names_and_nothing_else() -> None:
    true = Departure((("Slope", 1.25), ("MTT", 1.1)), (("CL", 0.2),), 4.0).of(MODEL)
    values = {p.name: p.value for p in true.parameters}
    assert values == {p.name: p.value for p in MODEL.parameters} | {"Slope": 17.9 * 1.25, "MTT": 113 * 1.1}
    assert true.iov_names == ("CL",)
    assert true.omega_iov[0, 0] == pytest.approx(0.0392, abs=1e-4)
    assert true.occasions is not None
    assert true.occasions.gap == 72
    assert {o.name: o.error.df for o in true.outputs} == {"docetaxel_plasma": None, "neutrophils": 4.0}
    assert true.hash != MODEL.hash
    assert (true.id, true.eta_names) == (MODEL.id, MODEL.eta_names)


def test_occasions_are_added_to_those_that_a_model_has() -> None:
    model = load_model("methotrexate_mao2022")
    true = Departure(occasions=(("CL", 0.5),)).of(model)
    assert true.omega_iov[0, 0] == pytest.approx(model.omega_iov[0, 0] + math.log(1.25))


def test_a_model_file_can_tell_a_twin_how_courses_differ() -> None:
    lines = '[occasions]\ndrug = "docetaxel"\ngap = 72\nassumed = "courses differ by 10 %"\n\n[parameters.CL]\n'
    told = parse_model(MODEL.text.replace("[parameters.CL]\n", f"{lines}iov = 0.00995\n"), MODEL.id)
    true = Departure(occasions=(("CL", 0.1),)).of(MODEL)
    assert told.iov_names == true.iov_names == ("CL",)
    assert told.omega_iov == pytest.approx(true.omega_iov, abs=1e-6)
    assert told.occasions is not None
    assert true.occasions is not None
    assert (told.occasions.drug, told.occasions.gap) == (true.occasions.drug, true.occasions.gap)


def test_no_departure_is_the_model_itself_and_one_that_names_nothing_is_refused() -> None:
    assert Departure().of(MODEL) == MODEL
    with pytest.raises(ModelError, match=r"parameters\.Slop: no such parameter; it has CL, V1"):
        Departure(factors=(("Slop", 2.0),)).of(MODEL)
