"""The patient dashboard: what one twin believes, what it was told, what it expects and what it warns of."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, QueryVariable, Row
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType, VariableHide

from connectors.grafana import flux, panels

PATIENT = ("patient", "model")

_RISK = ((None, "green"), (0.2, "orange"), (0.5, "red"))
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
    board = (
        Dashboard("Patient")
        .uid("dosetwin-patient")
        .description("One patient's twin: belief, measurements, delivery, forecast, alerts.")
        .tags(["dosetwin"])
        .timezone("utc")
        .time("now-7d", "now+7d")
        .refresh("10s")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(DashboardLink("Ward").type(DashboardLinkType.LINK).url("/d/dosetwin-ward").keep_time(True))
        .with_variable(panels.choice("patient", "Patient", flux.values_of("patient", "health")))
        .with_variable(panels.choice("model", "Model", flux.values_of("model", "health", "patient")))
        .with_variable(_each("output", "Output", "estimate"))
        .with_variable(_each("exposure", "Exposure", "exposure"))
        .with_variable(_each("parameter", "Parameter", "parameter"))
    )
    return _evidence(_warnings(_delivery(_belief(_now(board)))))


def _now(board: Dashboard) -> Dashboard:
    targets = {"exposure": "exposure", "p_below": "below", "p_above": "above"}
    g4 = flux.latest("nadir", {"p_grade4": "probability"}, *PATIENT)
    return (
        board.with_panel(
            panels.tile("Grade 4 neutropenia ahead", "Probability at the newest forecast.", g4, unit="percentunit")
            .thresholds(panels.steps(*_RISK))
            .decimals(0)
        )
        .with_panel(
            panels.tile("Nadir ahead", "Lowest count ahead.", flux.latest_with_unit("nadir", _NADIR, *PATIENT), width=5)
        )
        .with_panel(
            panels.tile(
                "Days until the nadir", "From the newest forecast.", flux.latest("nadir", _NADIR_DAY, *PATIENT), width=5
            ).decimals(1)
        )
        .with_panel(
            panels.tile(
                "Exposure misses its window",
                "Probability that the course ends below or above the target window.",
                flux.latest_per("exposure", "exposure", targets, *PATIENT),
                width=5,
                unit="percentunit",
            )
            .thresholds(panels.steps(*_RISK))
            .decimals(0)
        )
        .with_panel(
            panels.tile(
                "Effective particles",
                "Effective sample size of the belief.",
                flux.latest("health", {"ess": "ess", "observations": "measured values"}, *PATIENT),
                width=5,
            ).decimals(0)
        )
    )


def _belief(board: Dashboard) -> Dashboard:
    output = (*PATIENT, "output")
    fan = panels.curves(
        "${output}",
        "Belief (blue: 50 % and 90 % bands), newest forecast (grey, dashed) and measured values (red).",
        flux.bands_with_unit("estimate", *output),
        flux.latest_forecast(),
        flux.curves("prediction", {"observed": "measured"}, *output),
        height=10,
    )
    panels.fan(fan)
    panels.fan(fan, "ahead ", panels.AHEAD_COLOUR, dashed=True)
    panels.dots(fan, "measured")
    board.with_row(Row("Belief, measurements and forecast")).with_panel(fan.repeat("output").max_per_row(2))
    then = panels.curves(
        "${output}, as it was published then",
        "Belief as it was first published (grey bands) and as it is known now (blue line).",
        flux.bands_as_published(),
        flux.curves("estimate", {"median": "median now"}, *output),
    )
    panels.fan(then, "then ", panels.AHEAD_COLOUR)
    panels.dashed(then, "/^median now/", panels.NOW_COLOUR)
    return board.with_row(Row("As it was published then")).with_panel(then.repeat("output").max_per_row(2))


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
        flux.bands_with_unit("nadir", *PATIENT),
    )
    vitals = panels.curves(
        "Vital signs",
        "As reported; retracted readings are left out.",
        f"""{flux.points("vital", "patient")}
  |> filter(fn: (r) => r.status != "retracted")
  |> group(columns: ["channel", "unit"])
  |> aggregateWindow(every: v.windowPeriod, fn: mean, column: "value", createEmpty: false)
  |> keep(columns: ["_time", "value", "channel", "unit"])""",
        width=24,
    )
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
    over_time = panels.curves(
        "${parameter}", "Belief over time.", flux.bands_with_unit("parameter", *PATIENT, "parameter"), width=6, height=6
    )
    board.with_row(Row("Health of the twin")).with_panel(health).with_panel(pit).with_panel(innovation)
    board.with_row(Row("Parameters")).with_panel(table)
    return board.with_panel(panels.fan(over_time).repeat("parameter").max_per_row(4))


def _each(name: str, label: str, measurement: str) -> QueryVariable:
    """A hidden variable that repeats a panel for each of its values."""
    every = panels.choice(name, label, flux.values_of(name, measurement, *PATIENT))
    return every.multi(True).include_all(True).hide(VariableHide.HIDE_VARIABLE).current(panels.ALL)
