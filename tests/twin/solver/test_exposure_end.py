"""When an exposure is complete, and which doses count until then: held against the formulas of one compartment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from tests.twin.modelfile.test_targets import with_target
from twin import PatientTwin
from twin.events import Alert, Clock, DoseGiven, Estimate, Exposure, InputEvent, PlannedDose, Quantity, RegimenPlanned
from twin.model.spec import Model

pytestmark = pytest.mark.usefixtures("whole_hours")

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
K = 5.0 / 50.0
"""Elimination, per h, of a patient whose clearance hardly varies."""


def model(lines: str) -> Model:
    return with_target(lines)


COURSE = model('state = "AUC"\nunit = "mg.h/L"\nlow = 55\nhigh = 65')
DAY = model('measure = "day"\nstate = "AUC"\nunit = "mg.h/L"\nlow = 10\nhigh = 20')
TROUGH = model('measure = "trough"\noutputs = ["alpha_plasma"]\nunit = "mg/L"\nlow = 0.2\nsettled = 96')
ABOVE = model('measure = "time_above"\noutputs = ["alpha_plasma"]\nabove = 0.5\nunit = "h"\nlow = 10')


def dose(hour: float, amount: float = 100.0) -> DoseGiven:
    return DoseGiven(
        event_id=f"dose-{hour:g}",
        patient_id="P-1",
        time=START + timedelta(hours=hour),
        source="test",
        drug="alpha",
        route="iv",
        amount=Quantity(value=amount, unit="mg"),
    )


def plan(*hours: float, amount: float = 100.0) -> RegimenPlanned:
    doses = tuple(
        PlannedDose(time=START + timedelta(hours=hour), amount=Quantity(value=amount, unit="mg")) for hour in hours
    )
    return RegimenPlanned(
        event_id="plan", patient_id="P-1", time=START, source="test", drug="alpha", route="iv", doses=doses
    )


def clock(hour: float) -> Clock:
    return Clock(event_id=f"clock-{hour:g}", patient_id="P-1", time=START + timedelta(hours=hour), source="test")


def exposures(of: Model, events: Sequence[InputEvent]) -> dict[float, Exposure]:
    """The exposure at each hour; the twin is of the typical patient within a hair."""
    outputs = PatientTwin("P-1", of, 200).observe(events).outputs
    return {
        (output.time - START) / timedelta(hours=1): output.exposure[0]
        for output in outputs
        if isinstance(output, Estimate) and output.exposure
    }


def alerts(of: Model, events: Sequence[InputEvent]) -> list[Alert]:
    return [o for o in PatientTwin("P-1", of, 200).observe(events).outputs if isinstance(o, Alert)]


def test_the_planned_doses_of_a_course_count_at_its_first_dose() -> None:
    found = exposures(COURSE, [plan(0, 24, 48), dose(0), clock(2)])[2.0]
    assert found.at_end is not None
    assert found.at_end.median == pytest.approx(3 * 100 / 5, rel=0.06), "three doses, eliminated to the last"
    assert found.so_far.median == pytest.approx(20 * (1 - math.exp(-2 * K)), rel=0.06)
    assert found.p_below is not None


def test_without_a_plan_nothing_is_said_of_the_end_until_the_course_is_over() -> None:
    found = exposures(COURSE, [dose(0), clock(74)])
    assert [found[hour].at_end for hour in (0.0, 1.0, 48.0)] == [None, None, None]
    assert [found[hour].p_below for hour in (0.0, 1.0, 48.0)] == [None, None, None]
    assert found[1.0].p_above == 0.0
    over = found[74.0]
    assert over.at_end is not None
    assert over.at_end.median == pytest.approx(20, rel=0.06)
    assert over.p_below is not None
    assert over.p_below > 0.99
    told = alerts(COURSE, [dose(0), clock(74)])
    assert {(alert.rule, alert.time >= START + timedelta(hours=72)) for alert in told} == {
        ("exposure.below_target", True)
    }


def test_too_much_so_far_is_said_without_a_plan() -> None:
    assert alerts(COURSE, [dose(0, 1000.0), clock(2)])[0].rule == "exposure.above_target"


def test_a_planned_course_on_target_raises_nothing_and_its_alert_ends_with_what_it_was() -> None:
    assert alerts(COURSE, [plan(0, 24, 48), dose(0), clock(6)]) == []
    little = [plan(0, 24, amount=50.0), dose(0, 50.0), dose(24, 50.0), clock(100), dose(500), clock(510)]
    raised, *_, cleared = alerts(COURSE, little)
    assert "exposure expected below 55 mg·h/L" in raised.text
    assert cleared.phase == "end"
    assert cleared.text.startswith("alpha: exposure of the course was ")
    assert cleared.text.endswith("target 55 to 65.")


def test_the_exposure_of_a_day_is_that_of_24_hours_from_its_first_dose() -> None:
    found = exposures(DAY, [dose(0), dose(24), clock(30)])
    per_day = 100 / 5 * (1 - math.exp(-24 * K))
    first, second = found[1.0].at_end, found[25.0].at_end
    assert first is None, "nothing says whether there is another dose within the day"
    assert second is not None
    assert second.median == pytest.approx(per_day + 20 * math.exp(-24 * K) * (1 - math.exp(-24 * K)), rel=0.06)
    planned = exposures(DAY, [plan(0, 12, 24), dose(0), clock(2)])[1.0].at_end
    assert planned is not None
    assert planned.median == pytest.approx(per_day + 20 * (1 - math.exp(-12 * K)), rel=0.06)


def test_a_trough_is_that_of_the_first_dose_from_which_it_counts_with_the_doses_as_usual() -> None:
    found = exposures(TROUGH, [dose(0), dose(24), clock(25)])
    assert found[1.0].at_end is None, "one dose does not say when the next one is"
    settled = found[25.0].at_end
    assert settled is not None
    expected = sum(100 / 50 * math.exp(-K * (96 - 24 * number)) for number in range(4))
    assert settled.median == pytest.approx(expected, rel=0.15)
    planned = exposures(TROUGH, [plan(*range(0, 121, 12)), dose(0), clock(1)])[1.0].at_end
    assert planned is not None
    expected = sum(100 / 50 * math.exp(-K * (96 - 12 * number)) for number in range(8))
    assert planned.median == pytest.approx(expected, rel=0.15)


def test_time_above_a_level_is_counted_to_the_end_of_the_course() -> None:
    found = exposures(ABOVE, [plan(0), dose(0), clock(20)])
    hours = math.log(100 / 50 / 0.5) / K
    assert found[1.0].at_end is not None
    assert found[1.0].at_end.median == pytest.approx(hours, rel=0.06)
    assert found[5.0].so_far.median == pytest.approx(5.0, abs=0.2)
    assert found[20.0].so_far.median == pytest.approx(hours, rel=0.06)
