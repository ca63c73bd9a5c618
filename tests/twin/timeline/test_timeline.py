"""From facts to the columns of the equations: inputs by route and scale, covariates as they stood, observations."""

from __future__ import annotations

import numpy as np
import pytest

from tests.twin.bedside import (
    bind,
    clock,
    count,
    covariate,
    dose,
    ms,
    plan,
    quantity,
    sample,
    start,
    stop,
    totals,
    vital,
    weight,
)
from tests.twin.timeline.records import TOY, history_of, timeline
from twin.events import InputEvent
from twin.kernel.kernel import compile_model
from twin.modelfile.library import load_model
from twin.timeline.timeline import build

SIX_MP = compile_model(load_model("mercaptopurine_jost2020"))
ORAL, VEIN, PULSE = (TOY.inputs.index(call) for call in ("input(toxin, oral)", "input(toxin)", "pulse(helper)"))


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_rates_stand_in_their_columns_from_each_change_on() -> None:
    line = timeline(start(1, 40.0), stop(3), dose(2, 20.0, 4.0, route="oral"))
    assert line.change.tolist() == [ms(1), ms(2), ms(3), ms(6)]
    assert line.rates[:, VEIN].tolist() == [0, 40, 40, 0, 0]
    assert line.rates[:, ORAL].tolist() == [0, 0, 5, 5, 0]
    assert line.rates[:, PULSE].tolist() == [0] * 5


def test_the_first_change_of_a_minute_is_looked_at_when_it_comes_and_the_others_at_its_end() -> None:
    second = 1 / 3600
    line = timeline(start(1), start(1 + 10 * second, 50.0), start(1 + 20 * second, 60.0), stop(2))
    assert line.turns.tolist() == [ms(1), ms(1 + 60 * second), ms(2)]
    assert len(line.change) == 4
    assert timeline(dose(1)).turns.tolist() == []


def test_a_route_that_no_equation_claims_enters_by_the_general_input() -> None:
    line = timeline(dose(1, 60.0, route="sc"), dose(2, 50.0, route="oral"))
    entered = [(m, c, a) for m, c, a in zip(line.kick, line.kick_column, line.kick_amount, strict=True) if c >= 0]
    assert entered == [(ms(1), VEIN, 60.0), (ms(2), ORAL, 50.0)]


def test_a_pulse_is_one_for_each_dose_whatever_its_amount() -> None:
    line = timeline(dose(1, 8.0, drug="helper"), dose(5, 16.0, 1.0, drug="helper"))
    pulses = line.kick_column == PULSE
    assert line.kick[pulses].tolist() == [ms(1), ms(5)]
    assert line.kick_amount[pulses].tolist() == [1.0, 1.0]


def test_recorded_amounts_are_scaled_and_rates_are_per_model_time_unit() -> None:
    line = timeline(dose(24, 10.0, 2.0, drug="mercaptopurine", route="oral"), kernel=SIX_MP)
    assert line.rates[1, 0] == pytest.approx(10.0 / 2 * 24 * 2.6)
    at_once = timeline(dose(24, 10.0, drug="mercaptopurine", route="oral"), kernel=SIX_MP)
    assert at_once.kick_amount.tolist() == [26.0]


def test_every_course_resets_the_area_of_its_target_before_it_begins() -> None:
    line = timeline(start(0, 40.0), stop(1), dose(2), dose(40))
    assert line.courses == ((ms(0), ms(40)),)
    area = -1 - [*TOY.linear, *TOY.stepped].index("AUC")
    resets = line.kick[line.kick_column == area].tolist()
    assert resets == [ms(0), ms(40)]
    at_forty = line.kick_column[line.kick == ms(40)].tolist()
    assert at_forty == [area, VEIN]


def test_times_at_which_the_equations_break_lie_strictly_between() -> None:
    line = timeline(weight(0, 70.0), start(1), stop(3), dose(2), weight(5, 80.0))
    assert line.changes_between(ms(1), ms(5)).tolist() == [ms(2), ms(3)]
    assert line.changes_between(ms(0), ms(6)).tolist() == [ms(1), ms(2), ms(3), ms(5)]


# --- start -----------------------------------------------------------------------------------------------------------


def test_the_record_begins_with_the_first_fact_that_matters() -> None:
    early: list[InputEvent] = [weight(0, 70.0), plan(1, (5, 9.0, None)), vital(2), clock(3), bind(1)]
    assert build(history_of(early), TOY) is None
    assert timeline(*early, dose(5)).start == ms(5)
    assert timeline(*early, dose(5), count(4, 3.0)).start == ms(4)
    assert timeline(*early, dose(5), sample(3.5, 40.0)).start == ms(3.5)
    assert build(history_of([*early, stop(4), totals(4, 0.0)]), TOY) is None


# --- covariates ------------------------------------------------------------------------------------------------------


def test_a_covariate_holds_from_its_time_and_the_first_one_also_before() -> None:
    line = timeline(weight(2, 60.0), dose(0), weight(9, 65.0), weight(12, 65.0))
    assert line.epoch.tolist() == [np.iinfo(np.int64).min, ms(9)]
    assert line.covariates.tolist() == [[60.0], [65.0]]


def test_without_a_word_the_reference_stands() -> None:
    assert timeline(dose(0)).covariates.tolist() == [[70.0]]


def test_two_covariates_at_one_instant_are_one_change() -> None:
    kernel = compile_model(load_model("docetaxel_ozawa2007"))
    names = [c.name for c in kernel.model.covariates]
    line = timeline(
        covariate(0, "ANC0", 4.0, "10*9/L"),
        covariate(0, "AAG", 1.0, "g/L"),
        covariate(5, "ANC0", 3.0, "10*9/L"),
        covariate(5, "AAG", 1.4, "g/L"),
        dose(1, drug="docetaxel"),
        kernel=kernel,
    )
    assert line.epoch.tolist()[1:] == [ms(5)]
    assert line.covariates[:, names.index("ANC0")].tolist() == [4.0, 3.0]
    assert line.covariates[:, names.index("AAG")].tolist() == [1.0, 1.4]


def test_a_laboratory_value_that_the_model_reads_as_a_covariate_is_one() -> None:
    kernel = compile_model(load_model("docetaxel_ozawa2007"))
    measured = count(3, 1.2, analyte="AAG").model_copy(update={"value": quantity(1.2, "g/L")})
    line = timeline(covariate(0, "AAG", 1.0, "g/L"), measured, dose(1, drug="docetaxel"), kernel=kernel)
    assert line.epoch.tolist()[1:] == [ms(3)]
    column = [c.name for c in kernel.model.covariates].index("AAG")
    assert line.covariates[:, column].tolist() == [1.0, 1.2]
    assert line.observations == ()


# --- observations ----------------------------------------------------------------------------------------------------


# --- what differs ----------------------------------------------------------------------------------------------------
