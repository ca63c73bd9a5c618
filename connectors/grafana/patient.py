"""The patient dashboard: what one twin believes, what it was told, what it expects and what it warns of."""

from __future__ import annotations

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, QueryVariable, Row
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, VariableHide, VariableSort

from connectors.grafana import every_patient, flux, marks, panels

PATIENT = ("patient", "model")

GAP_MS = 3_600_000
"""Readings of a wearable that are further apart are not joined by a line."""

_NADIR = {"q05": "5 %", "median": "median", "q95": "95 %"}
_NADIR_DAY = {"day_q05": "5 %", "day_median": "median", "day_q95": "95 %"}
_ALERT_COLUMNS = (
    "_time",
    "rule",
    "subject",
    "state",
    "severity",
    "probability",
    "horizon_hours",
    "freshness_hours",
    "text",
)


def patient_dashboard() -> Dashboard:
    """The dashboard of one patient, chosen above it."""
    page = panels.PATIENT_PAGE + "${patient:percentencode}"
    about = "One patient's twin: belief, measurements, delivery, forecast, alerts."
    board = (
        marks.marked(panels.board("Patient", "dosetwin-patient", about, "now-30d", "now+7d", page), *PATIENT)
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(panels.choice("patient", "Patient", every_patient.patients_by_risk(), VariableSort.DISABLED))
        .with_variable(panels.choice("model", "Model", flux.values_of("model", "health", "patient")))
        .with_variable(_each("output", "Output", flux.outputs(levels=False)))
        .with_variable(_each("level", "Level", flux.outputs(levels=True)))
        .with_variable(_each("exposure", "Exposure", flux.values_of("exposure", "exposure", *PATIENT)))
        .with_variable(_each("parameter", "Parameter", flux.values_of("parameter", "parameter", *PATIENT)))
        .with_variable(_each("channel", "Vital sign", flux.values_of("channel", "vital", "patient")))
        .with_variable(panels.choice("issued", "Forecast of", flux.issue_times(), VariableSort.DISABLED))
    )
    return _evidence(_warnings(_delivery(_belief(_now(board)))))


def _now(board: Dashboard) -> Dashboard:
    targets = {"exposure": "exposure", "p_below": "below", "p_above": "above"}
    g4 = flux.latest("nadir", {"p_grade4": "probability"}, *PATIENT)
    in_days = panels.tile(
        "Days until the nadir", "From the newest forecast.", flux.latest("nadir", _NADIR_DAY, *PATIENT), width=5
    )
    lowest = panels.tile("Nadir ahead", "Lowest count ahead.", flux.latest("nadir", _NADIR, *PATIENT), width=5)
    missed = flux.latest_per("exposure", "exposure", targets, *PATIENT)
    particles = flux.latest("health", {"ess": "ess", "observations": "measured values"}, *PATIENT)
    return (
        board.with_panel(
            panels.tile(
                "Grade 4 neutropenia ahead",
                "Probability at the newest forecast.",
                g4,
                unit="percentunit",
                levels=panels.RISK,
            ).decimals(0)
        )
        .with_panel(panels.with_unit(lowest, flux.unit_of("nadir", *PATIENT)))
        .with_panel(in_days.decimals(1))
        .with_panel(
            panels.tile(
                "Exposure misses its window",
                "Probability that the course ends below or above the target window.",
                missed,
                width=5,
                unit="percentunit",
                levels=panels.RISK,
            ).decimals(0)
        )
        .with_panel(
            panels.tile("Effective particles", "Effective sample size of the belief.", particles, width=5).decimals(0)
        )
    )


def _belief(board: Dashboard) -> Dashboard:
    counts = _fan("output", flux.grade_lines())
    panels.dashed(counts, "/^grade 3/", "orange")
    panels.dashed(counts, "/^grade 4/", "red")
    levels = panels.logarithmic(_fan("level"))
    board.with_row(Row("Belief, measurements and forecast"))
    board.with_panel(_repeated(counts)).with_panel(_repeated(levels, "level"))
    output = (*PATIENT, "output")
    then = panels.curves(
        "${output}, as it was published then",
        "Belief as it was first published (grey bands) and as it is known now (blue line).",
        flux.bands_as_published(),
        flux.curves("estimate", {"median": "median now"}, *output),
    )
    panels.fan(then, "then ", panels.AHEAD_COLOUR)
    panels.dashed(then, "/^median now/", panels.NOW_COLOUR)
    ahead = panels.curves(
        "${output}, as it was foreseen then",
        "The forecast that is chosen above, as it was published, and what was measured.",
        flux.forecast_issued_then(),
        flux.measured("output"),
        flux.limited("output"),
    )
    panels.fan(ahead, "then ", panels.AHEAD_COLOUR)
    _measured(ahead)
    board.with_row(Row("As it was published then")).with_panel(_repeated(then)).with_panel(_repeated(ahead))
    return board


def _repeated(panel: timeseries.Panel, variable: str = "output") -> timeseries.Panel:
    return panel.repeat(variable).max_per_row(2)


def _fan(variable: str, *more: str) -> timeseries.Panel:
    """Belief, forecast and measured values of the outputs of a variable, in their unit."""
    series = (*PATIENT, variable)
    panel = panels.curves(
        f"${{{variable}}}",
        "Belief (blue: 50 % and 90 % bands), newest forecast (grey, dashed) and measured values (red; hollow where "
        "only a limit is known).",
        flux.curves("estimate", flux.BANDS, *series),
        flux.latest_forecast(variable),
        flux.measured(variable),
        flux.limited(variable),
        *more,
        height=10,
    )
    panels.fan(panel)
    panels.fan(panel, "ahead ", panels.AHEAD_COLOUR, dashed=True)
    _measured(panel)
    panels.with_unit(panel, flux.unit_of("estimate", *series))
    return panel


def _measured(panel: timeseries.Panel) -> None:
    """Dots for what was measured; those of values beyond a limit are hollow."""
    panels.dots(panel, "measured")
    panels.rings(panel, flux.LIMITED, flux.HOLLOW)


def _delivery(board: Dashboard) -> Dashboard:
    rate = panels.curves(
        "Delivered rate against plan, mg/h",
        "What the pumps deliver (line) and what the plan in force says (dashed).",
        flux.curve_per("delivery", "rate_mg_per_h", "drug", "delivered", *PATIENT),
        flux.planned_rate(),
    )
    rate.line_interpolation(common.LineInterpolation.STEP_AFTER)
    panels.dashed(rate, "/^planned/", panels.AHEAD_COLOUR, steps=True)
    amount = panels.curves(
        "Delivered amount against plan, mg",
        "Cumulative amounts per drug.",
        flux.curve_per("delivery", "delivered_mg", "drug", "delivered", *PATIENT),
        flux.planned_amount(),
    )
    panels.dashed(amount, "/^planned/", panels.AHEAD_COLOUR)
    window = {"target_low": "target, low", "target_high": "target, high"}
    at_end = {f"at_end_{field}": shown for field, shown in flux.BANDS.items()}
    one = (*PATIENT, "exposure")
    exposure = panels.curves(
        "Exposure of the course: ${exposure}",
        "Expected at the end of the course (bands), so far (dashed) and target window (green).",
        flux.curves("exposure", at_end, *one),
        flux.curves("exposure", {"so_far_median": "so far"} | window, *one),
        width=24,
    ).repeat("exposure")
    panels.fan(exposure)
    panels.dashed(exposure, "/^target/", "green")
    panels.dashed(exposure, "/^so far/", panels.NOW_COLOUR)
    risk = (
        panels.curves(
            "Probabilities",
            "Grade 4 neutropenia ahead, and exposure outside its window, as each was seen at the time.",
            flux.curves("nadir", {"p_grade4": "grade 4 neutropenia"}, *PATIENT),
            flux.curve_per("exposure", "p_below", "exposure", "below", *PATIENT),
            flux.curve_per("exposure", "p_above", "exposure", "above", *PATIENT),
        )
        .unit("percentunit")
        .min(0)
        .max(1)
    )
    nadir = panels.curves(
        "Nadir ahead",
        "The lowest count ahead, as it was seen at the time.",
        flux.curves("nadir", flux.BANDS, *PATIENT),
    )
    panels.with_unit(nadir, flux.unit_of("nadir", *PATIENT))
    vitals = panels.curves(
        "${channel}",
        "As reported; retracted readings are left out, and a gap is a gap. Of temperatures 38 °C is marked.",
        flux.vital_readings(),
        flux.fever_line(),
        height=6,
    )
    vitals.span_nulls(GAP_MS).insert_nulls(GAP_MS)
    panels.dashed(vitals, "/^fever/", "red")
    panels.with_unit(vitals.repeat("channel").max_per_row(3), flux.unit_of("vital", "patient", "channel"))
    board.with_row(Row("Delivery, exposure and risk")).with_panel(rate).with_panel(amount)
    return board.with_panel(risk).with_panel(panels.fan(nadir)).with_panel(exposure).with_panel(vitals)


def _warnings(board: Dashboard) -> Dashboard:
    kept = ", ".join(f'"{name}"' for name in _ALERT_COLUMNS)
    alerts = panels.rows(
        "Alerts",
        "The newest word on every alert.",
        f"""{flux.latest_transitions(*PATIENT)}
  |> keep(columns: [{kept}])
  |> sort(columns: ["_time"], desc: true)""",
    )
    panels.unit_of(alerts, "probability", "percentunit", 0)
    panels.coloured(alerts, "probability", panels.RISK)
    panels.in_order(alerts, *_ALERT_COLUMNS)
    panels.unit_of(alerts, "horizon_hours", "h")
    panels.unit_of(alerts, "freshness_hours", "h", 1)
    return board.with_row(Row("Alerts")).with_panel(alerts)


def _evidence(board: Dashboard) -> Dashboard:
    health = panels.curves(
        "Effective particles",
        "Effective sample size of the belief after each word.",
        flux.curves("health", {"ess": "effective sample size"}, *PATIENT),
        width=8,
    ).min(0)
    pit = panels.curves(
        "PIT of each measured value",
        "Where it fell in what was expected: evenly spread over 0 to 1 while the model describes the patient.",
        flux.curve_per("prediction", "pit", "output", "PIT", *PATIENT),
        width=8,
    )
    pit.min(0).max(1).draw_style(common.GraphDrawStyle.POINTS).point_size(8)
    pit.show_points(common.VisibilityMode.ALWAYS)
    innovation = panels.curves(
        "Normalised innovation",
        "Distance of each measured value from its expectation, in predictive standard deviations.",
        flux.curve_per("prediction", "innovation", "output", "innovation", *PATIENT),
        width=8,
    )
    innovation.draw_style(common.GraphDrawStyle.POINTS).point_size(8)
    innovation.show_points(common.VisibilityMode.ALWAYS)
    names = {"parameter": "parameter", "unit": "unit"} | flux.BANDS
    table = panels.rows(
        "Parameters now",
        "Individual parameters at the newest estimate.",
        flux.latest_per("parameter", "parameter", names, *PATIENT),
    )
    panels.in_order(table, *names.values())
    one = (*PATIENT, "parameter")
    over_time = panels.curves(
        "${parameter}", "Belief over time.", flux.curves("parameter", flux.BANDS, *one), width=6, height=6
    )
    panels.with_unit(over_time, flux.unit_of("parameter", *one))
    classes = panels.curves(
        "Classes that nobody sees",
        "How probable it is that the patient is of each class of a model's mixture.",
        flux.curve_per("class_probability", "probability", "class", "probability", *PATIENT),
    )
    board.with_row(Row("Health of the twin")).with_panel(health).with_panel(pit).with_panel(innovation)
    board.with_row(Row("Parameters")).with_panel(table)
    board.with_panel(classes.unit("percentunit").min(0).max(1))
    return board.with_panel(panels.fan(over_time).repeat("parameter").max_per_row(4))


def _each(name: str, label: str, query: str) -> QueryVariable:
    """A hidden variable that repeats a panel for each of its values."""
    every = panels.choice(name, label, query)
    return every.multi(True).include_all(True).hide(VariableHide.HIDE_VARIABLE).current(panels.ALL)
