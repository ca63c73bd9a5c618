"""The level of methotrexate at the hours of the consensus, through a whole twin: a kidney that fails is told early."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from twin import PatientTwin, load_model
from twin.clock import HOUR_MS
from twin.events import Alert, Covariate, DoseGiven, DrugLevel, InputEvent, Quantity, to_millis
from twin.patient.ahead.levels import Line, level_view, lines_ahead, mixed_levels
from twin.timeline.delivery import Delivered

MODEL = load_model("methotrexate_mao2022")
START = datetime(2026, 3, 2, 8, tzinfo=UTC)


def day_infusion(hours: float = 24.0) -> Delivered:
    return Delivered(rate=[(0, 100.0), (round(hours * HOUR_MS), 0.0)])


def test_lines_lie_ahead_from_the_beginning_of_the_course_until_48_hours() -> None:
    found = lines_ahead(MODEL, day_infusion(), 72 * HOUR_MS, 40 * HOUR_MS)
    assert [(line.hours, line.infused_hours) for line in found] == [(42.0, 24.0), (48.0, 24.0)]
    assert [line.millis for line in found] == [42 * HOUR_MS, 48 * HOUR_MS]
    assert lines_ahead(MODEL, day_infusion(40.0), 72 * HOUR_MS, HOUR_MS)[0].infused_hours == 40.0
    assert lines_ahead(MODEL, day_infusion(), 72 * HOUR_MS, 49 * HOUR_MS) == ()
    assert lines_ahead(MODEL, None, 72 * HOUR_MS, 0) == ()
    assert lines_ahead(load_model("docetaxel_ozawa2007"), day_infusion(), 72 * HOUR_MS, 0) == ()


def test_a_level_tells_the_probability_above_any_limit() -> None:
    values = np.random.default_rng(3).lognormal(1.0, 0.5, 1000)
    weight = np.random.default_rng(4).random(1000)
    view = level_view(Line(0, 0, 48.0, 24.0), MODEL, values, weight / weight.sum())
    for limit in (0.1, 2.0, 3.3, 5.0, 50.0):
        assert view.above(limit) == pytest.approx(float(weight[values > limit].sum() / weight.sum()), abs=0.01)


def test_only_lines_that_every_account_has_are_mixed() -> None:
    early, late = Line(0, 0, 42.0, 24.0), Line(0, 0, 48.0, 24.0)
    one, two = np.ones(2), np.zeros(2)
    found = mixed_levels([[(early, one), (late, one)], [(late, two)]])
    assert [line for line, _ in found] == [late]
    assert [values.tolist() for values in found[0][1]] == [[1.0, 1.0], [0.0, 0.0]]


def course(level: float, creatinine: float) -> list[InputEvent]:
    """4 g over 3 h, creatinine before and at 20 h, and a level at 24 h."""

    def told(name: str, hours: float) -> dict[str, Any]:
        time = START + timedelta(hours=hours)
        return {"event_id": name, "patient_id": "P-1", "time": time, "source": "ward"}

    return [
        Covariate(**told("scr 0", -2), name="creatinine", value=Quantity(value=70.0, unit="umol/L")),
        DoseGiven(
            **told("dose", 0),
            drug="methotrexate",
            route="iv",
            amount=Quantity(value=4000.0, unit="mg"),
            duration=Quantity(value=3.0, unit="h"),
        ),
        Covariate(**told("scr 1", 20), name="creatinine", value=Quantity(value=creatinine, unit="umol/L")),
        DrugLevel(**told("level", 24), analyte="methotrexate_plasma", value=Quantity(value=level, unit="umol/L")),
    ]


def rules_of(events: list[InputEvent]) -> set[str]:
    outputs = PatientTwin("P-1", MODEL, 200).observe(events).outputs
    return {one.rule for one in outputs if isinstance(one, Alert) and one.live}


def test_a_kidney_that_fails_is_told_at_24_hours_in_any_order_of_arrival_and_a_usual_course_is_not() -> None:
    failing = course(120.0, 160.0)
    expected = {"mtx.delayed_clearance", "mtx.glucarpidase_window", "renal.decline"}
    assert rules_of(failing) >= expected
    assert rules_of(failing[::-1]) >= expected
    assert rules_of(course(1.5, 72.0)) & expected == set()


def test_creatinine_is_compared_with_the_lowest_of_the_week_before() -> None:
    twin = PatientTwin("P-1", MODEL, 100)
    twin.observe(course(1.5, 100.0))
    snapshot = twin.points[-1].snapshot
    assert snapshot is not None
    assert snapshot.kidney is not None
    assert (snapshot.kidney.now, snapshot.kidney.before) == (100.0, 70.0)
    assert snapshot.kidney.reported_ms == to_millis(START + timedelta(hours=20))
