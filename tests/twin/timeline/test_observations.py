"""What of a record is measured, and what is known only by a limit."""

from __future__ import annotations

from dataclasses import replace

from tests.twin import toys
from tests.twin.bedside import count, cuff, in_clinic, level, ms, quantity
from tests.twin.timeline.records import TOY, timeline
from twin.kernel.kernel import compile_model
from twin.model.spec import output_index
from twin.observation.kinds.continuous import ZERO_COUNT_BELOW
from twin.observation.likelihood import output_of
from twin.study.records import record_of
from twin.timeline.observations import observations_of
from twin.timeline.timeline import build


def test_measured_outputs_are_found_by_name_and_alias_in_event_time_order() -> None:
    line = timeline(
        count(9, 3.0), level(2, 1.5), level(1, 1.0, analyte="toxin_plasma"), count(5, 9.0, analyte="glucose")
    )
    assert [(o.millis, o.output, o.value) for o in line.observations] == [
        (ms(1), 0, 1.0), (ms(2), 0, 1.5), (ms(9), 1, 3.0),
    ]  # fmt: skip
    assert output_index(TOY.model, "glucose") is None


def test_a_result_below_its_limit_is_known_only_to_lie_there() -> None:
    under = level(1, 0.05, lloq=quantity(0.05, "mg/L"), below_lloq=True)
    bare = level(2, 0.04, below_lloq=True)
    line = timeline(under, bare, level(3, 0.06, lloq=quantity(0.05, "mg/L")), count(4, 0.0))
    assert [o.below for o in line.observations] == [0.05, 0.04, None, ZERO_COUNT_BELOW]


def test_a_result_of_0_is_a_value_where_the_error_does_not_vanish_and_else_too_few_to_count() -> None:
    output = TOY.model.outputs[1]
    fact = count(4, 0.0)
    additive = replace(output, error=replace(output.error, kind="combined", additive=0.1))
    model = replace(TOY.model, outputs=(TOY.model.outputs[0], additive))
    assert [o.below for o in observations_of([(ms(4), fact, ms(4))], model)] == [None]
    assert [o.below for o in observations_of([(ms(4), fact, ms(4))], TOY.model)] == [ZERO_COUNT_BELOW]


def test_a_0_of_what_is_no_count_of_blood_cells_has_no_limit_that_nobody_stated() -> None:
    output = replace(
        TOY.model.outputs[1], unit="mm", error=replace(TOY.model.outputs[1].error, kind="box_cox", box_cox=0.5)
    )
    model = replace(TOY.model, outputs=(TOY.model.outputs[0], output))
    assert [o.below for o in observations_of([(ms(4), count(4, 0.0), ms(4))], model)] == [None]


def test_closed_windows_of_readings_are_values_at_the_mean_time_of_each_with_an_error_of_their_own() -> None:
    model = toys.pressure(2)
    told = [cuff(0.1, 120.0), cuff(1.9, 130.0), cuff(2.5, 140.0), cuff(4.5, 150.0), in_clinic(2.5, 131.0)]
    line = build(record_of(told, model)[0], compile_model(model))
    assert line is not None
    assert [(o.millis, o.value, o.readings is None) for o in line.observations] == [
        (ms(1), 125.0, False), (ms(2.5), 131.0, True), (ms(2.5), 140.0, False),
    ]  # fmt: skip
    assert [o.number for o in line.observations] == [0, 0, 1]
    sizes = [output_of(model.outputs, o).error.additive for o in line.observations]
    assert sizes[0] < sizes[1] == sizes[2] == model.outputs[0].error.additive, "two readings know more than one"
