"""The figure of a twin: every output with its unit, what was given, what was measured, and where now is."""

from __future__ import annotations

import re

import pytest
from matplotlib.figure import Figure

from tests.twin import toys
from tests.twin.bedside import PATIENT, count, dose, level
from twin.events import InputEvent
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.patient.twin import PatientTwin

MODEL = toys.absorption()


SHORT_SIGHTED = parse_model(re.sub(r"horizon = \d+", "horizon = 24", toys.ABSORPTION), "toy_absorption.toml")


def figure(*events: InputEvent, model: Model = MODEL) -> Figure:
    twin = PatientTwin(PATIENT, model, 50)
    assert twin.observe(events).rejected == ()
    return twin.plot()


def labels(drawn: Figure, panel: int) -> list[str]:
    return list(drawn.axes[panel].get_legend_handles_labels()[1])


def test_a_panel_of_doses_stands_above_one_for_each_output_with_its_unit() -> None:
    drawn = figure(dose(0, 60, 2), level(5, 1.0), count(10, 3.0))
    assert PATIENT in drawn.axes[0].get_title(loc="left")
    assert drawn.axes[0].get_ylabel() == "rate (mg/h)"
    assert [ax.get_title(loc="left") for ax in drawn.axes[1:]] == [output.name for output in MODEL.outputs]
    assert [ax.get_ylabel() for ax in drawn.axes[1:]] == ["mg/L", "×10⁹/L"]
    assert "measured" in labels(drawn, 1)
    assert {"90 %, so far", "median, so far", "90 %, foreseen", "median, foreseen"} <= set(labels(drawn, 2))


def test_doses_given_at_once_have_an_axis_of_their_own() -> None:
    drawn = figure(dose(0, 60), dose(24, 60), level(30, 1.0))
    beside = drawn.axes[-1]
    assert beside.get_ylabel() == "dose (mg)"
    assert len(beside.collections[0].get_paths()) == 2


def test_values_known_only_by_a_limit_are_marked_so() -> None:
    drawn = figure(dose(0, 60), level(5, 0.1, below_lloq=True), level(6, 9.0, above_uloq=True))
    assert {"below this limit", "above this limit"} <= set(labels(drawn, 1))
    assert "measured" not in labels(drawn, 1)


def test_a_level_that_falls_by_decades_stands_on_a_logarithmic_axis_and_a_count_does_not() -> None:
    drawn = figure(dose(0, 60), level(5, 1.0), count(200, 3.0))
    assert [ax.get_yscale() for ax in drawn.axes[1:3]] == ["log", "linear"]
    assert drawn.axes[2].get_ylim()[0] == 0


@pytest.mark.slow
def test_time_is_in_hours_for_a_short_record_and_in_days_for_a_long_one() -> None:
    short, long = figure(dose(0, 60), level(5, 1.0), model=SHORT_SIGHTED), figure(dose(0, 60), level(500, 0.5))
    for drawn, word in ((short, "hours since 2026-"), (long, "days since 2026-")):
        assert drawn.axes[2].get_xlabel().startswith(word)


def test_before_anything_was_observed_there_is_nothing_to_plot() -> None:
    with pytest.raises(ValueError, match="twin of P-1 has observed no dose or value yet"):
        PatientTwin(PATIENT, MODEL, 50).plot()
