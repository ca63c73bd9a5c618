"""Doses as NONMEM gives them, by formulas: into the state that CMT names, and infusions that are available in part."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from connectors.feeds.nmtran.reader import read_nmtran
from tests.twin import toys
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.solver.effects import Constant
from twin.study.diagnostics import diagnose
from twin.study.prediction import Predictor
from twin.study.records import record_of
from twin.timeline.timeline import build

TIMES = (1.0, 2.5, 6.0)
HEADER = "ID,TIME,EVID,AMT,RATE,DUR,SS,II,CMT,DV"
PK = {"CL": "2 L/h 0.04", "V": "20 L 0.04"}
KE = 0.1


@cache
def with_bioavailability(fraction: float, changes: str = "duration") -> Model:
    extra = f'[inputs.toxin]\nbioavailability_changes = "{changes}"\n{toys.SOURCE}\n'
    parameters = PK | {"F": f"{fraction} 1 0.09"}
    return toys.made(parameters, {"A": "mg: F*input(toxin) - CL/V*A"}, {"toxin": "mg/L: A/V"}, extra=extra)


def predicted(model: Model, dose: str) -> list[float]:
    reading = read_nmtran([HEADER, dose, *(f"1,{time},0,,,,,,,1" for time in TIMES)], model)
    history, refused = record_of(reading.events, model)
    assert (len(refused), reading.bad_lines) == (0, ())
    kernel = compile_model(model)
    timeline = build(history, kernel)
    assert timeline is not None
    typical = Constant(np.zeros((1, len(model.eta_names))))
    return diagnose(Predictor(kernel, "1"), timeline, typical).individual.tolist()


def infused(time: float, rate: float, duration: float) -> float:
    """mg/L of an infusion from 0 into one compartment."""
    running = rate / (20 * KE) * -math.expm1(-KE * min(time, duration))
    return running * math.exp(-KE * max(0.0, time - duration))


@pytest.mark.parametrize("fraction", [0.5, 1.6])
def test_a_stated_rate_stays_and_an_infusion_lasts_as_long_as_is_available(fraction: float) -> None:
    model = with_bioavailability(fraction)
    by_rate = [infused(time, 50, 2 * fraction) for time in TIMES]
    np.testing.assert_allclose(predicted(model, "1,0,1,100,50,,,,,"), by_rate, rtol=1e-6)
    by_duration = [infused(time, 50 * fraction, 2) for time in TIMES]
    np.testing.assert_allclose(predicted(model, "1,0,1,100,,2,,,,"), by_duration, rtol=1e-6)


def test_so_it_does_in_steady_state() -> None:
    wanted = [sum(infused(time + 8 * n, 50, 1.0) for n in range(60)) for time in TIMES]
    np.testing.assert_allclose(predicted(with_bioavailability(0.5), "1,0,1,100,50,,1,8,,"), wanted, rtol=1e-6)


def test_a_model_file_may_let_the_rate_become_less_instead() -> None:
    wanted = [infused(time, 25, 2) for time in TIMES]
    found = predicted(with_bioavailability(0.5, "rate"), "1,0,1,100,50,,,,,")
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_a_dose_enters_the_state_that_cmt_names_alone() -> None:
    states = {"D": "mg: input(toxin) - ka*D", "A": "mg: input(toxin) + ka*D - CL/V*A"}
    model = toys.made(PK | {"ka": "1.5 1/h"}, states, {"toxin": "mg/L: A/V"})
    at_once = [5 * math.exp(-KE * time) for time in TIMES]
    absorbed = [7.5 / 1.4 * (math.exp(-KE * time) - math.exp(-1.5 * time)) for time in TIMES]
    for cmt, wanted in (("2", at_once), ("A", at_once), ("1", absorbed), ("D", absorbed)):
        np.testing.assert_allclose(predicted(model, f"1,0,1,100,,,,,{cmt},"), wanted, rtol=1e-6)
    both = np.add(at_once, absorbed)
    np.testing.assert_allclose(predicted(model, "1,0,1,100,,,,,,"), both, rtol=1e-6)


def test_parts_of_a_dose_that_go_two_ways_are_records_of_their_own() -> None:
    states = {"D": "mg: F*input(toxin) - ka*D", "A": "mg: (1 - F)*input(toxin) + ka*D - CL/V*A"}
    model = toys.made(PK | {"ka": "1.5 1/h", "F": "0.3 1"}, states, {"toxin": "mg/L: A/V"})
    first, second = predicted(model, "1,0,1,100,50,,,,D,"), predicted(model, "1,0,1,100,50,,,,A,")
    np.testing.assert_allclose(second, [infused(time, 50, 2 * 0.7) for time in TIMES], rtol=1e-6)
    assert first[0] < second[0]
