"""The dashboards: current, whole, and every query of every panel finds what the sink has written."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.feeds.ward.ward import default_start
from connectors.grafana import build, every_patient, flux
from connectors.grafana.alerting import alert_rules
from connectors.kafka.records import Record
from connectors.kafka.topics import HEARTBEATS, topic_of
from connectors.services import Influx
from connectors.sinks import influx as influx_sink
from connectors.sinks import operations
from tests import factories as make
from tests.connectors.console.bench import Bench, eventually, running
from tests.connectors.console.shown import BOARDS, Shown, every_panel, named_in_overrides, panels_of
from tests.places import ROOT
from twin.events import encode, to_millis

PROVISIONING = Path(build.__file__).parent / "provisioning"

# --- the files --------------------------------------------------------------------------------------------------------


def test_the_committed_dashboards_are_current() -> None:
    assert build.outdated() == []


def test_an_outdated_dashboard_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build, "FOLDER", tmp_path)
    monkeypatch.setattr(build, "RULES", tmp_path / "rules.json")
    assert build.outdated() == ["rules.json", "filter.json", "operations.json", "patient.json", "ward.json"]


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_what_grafana_reads(name: str) -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    board = BOARDS[name]
    read = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert {key: read[key] for key in ("uid", "title", "schemaVersion", "time", "templating")} == {
        key: board[key] for key in ("uid", "title", "schemaVersion", "time", "templating")
    }
    assert [panel["title"] for panel in read["panels"]] == [panel["title"] for panel in board["panels"]]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize("name", BOARDS)
def test_panels_fill_the_grid_without_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[name]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert all(x < 24 for x, _ in cells)
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_query_asks_the_provisioned_data_source_whose_secrets_come_from_the_environment() -> None:
    provisioned = yaml.safe_load((PROVISIONING / "datasources" / "influxdb.yaml").read_text())
    (source,) = provisioned["datasources"]
    assert (source["type"], source["jsonData"]["version"]) == ("influxdb", "Flux")
    assert source["jsonData"]["tlsAuthWithCACert"], "where no authority is given, Grafana takes those of the system"
    assert source["secureJsonData"] == {
        "token": "${DOSETWIN_INFLUX_TOKEN}",
        "tlsCACert": "${DOSETWIN_INFLUX_CA_PEM}",
    }
    asked = [target["datasource"] for name in BOARDS for panel in panels_of(name) for target in panel["targets"]]
    asked += [variable["datasource"] for name in BOARDS for variable in BOARDS[name]["templating"].get("list", [])]
    assert {(ref["type"], ref["uid"]) for ref in asked} == {(source["type"], source["uid"])}


def test_the_dashboards_are_provisioned_from_where_the_container_has_them() -> None:
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "dosetwin.yaml").read_text())["providers"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    mounts = dict(mount.split(":")[:2] for mount in compose["services"]["grafana"]["volumes"])
    assert mounts["./connectors/grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./connectors/grafana/provisioning"] == "/etc/grafana/provisioning"
    needed = set(re.findall(r"\$\{(\w+)\}", (PROVISIONING / "datasources" / "influxdb.yaml").read_text()))
    assert needed <= set(compose["services"]["grafana"]["environment"])


def test_whoever_is_let_in_may_look_and_no_more_and_the_ward_is_what_is_seen_first() -> None:
    given = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]["environment"]
    assert (given["GF_USERS_AUTO_ASSIGN_ORG_ROLE"], given["GF_USERS_VIEWERS_CAN_EDIT"]) == ("Viewer", "false")
    assert given["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].endswith("/ward.json")
    assert not any(board["editable"] for board in BOARDS.values())
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "dosetwin.yaml").read_text())["providers"]
    assert provider["allowUiUpdates"] is False


def test_every_folder_that_grafana_reads_at_its_start_is_there() -> None:
    assert {path.name for path in PROVISIONING.iterdir()} == {"alerting", "dashboards", "datasources", "plugins"}
    assert yaml.safe_load((PROVISIONING / "plugins" / "none.yaml").read_text())["apps"] == []


def test_a_simulated_ward_lies_in_the_time_that_boards_show_at_first() -> None:
    now, days = datetime(2026, 11, 23, 12, tzinfo=UTC), 21.0
    begin = default_start(now, days)
    for name in ("ward.json", "patient.json", "filter.json"):
        assert BOARDS[name]["time"]["from"] == "now-30d"
        assert now - timedelta(days=30) < begin < begin + timedelta(days=days, hours=6) < now


def test_levels_are_logarithmic_and_a_gap_in_vital_signs_is_a_gap() -> None:
    by_title = {panel["title"]: panel["fieldConfig"]["defaults"]["custom"] for panel in panels_of("patient.json")
                if panel["type"] == "timeseries"}  # fmt: skip
    assert by_title["${level}"]["scaleDistribution"] == {"type": "log", "log": 10}
    assert (by_title["${channel}"]["spanNulls"], by_title["${channel}"]["insertNulls"]) == (3_600_000, 3_600_000)


# --- the queries, on a real database filled through Kafka and the sink ------------------------------------------------


@pytest.fixture(scope="module")
def patients() -> tuple[str, str]:
    suffix = uuid.uuid4().hex[:6]
    return f"A-{suffix}", f"B-{suffix}"


@pytest.fixture(scope="module")
def bench(kafka: str, influx: Influx) -> Iterator[Bench]:
    bench = Bench(kafka, influx)
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def shown(bench: Bench, patients: tuple[str, str]) -> Shown:
    """Two patients' days as the worker publishes them, written by the sink."""
    weighed = {"model": "one,other", "model_weights": {"one": 0.25, "other": 0.75}}
    averaged = make.estimate("M-1", make.at(1)).model_copy(update=weighed)
    events = [averaged, *(event for patient in patients for event in days(patient))]
    bench.send(*events)
    with running(bench) as sink:
        eventually(lambda: sink.summary()["events"] == len(events))
    write_heartbeats(bench)
    return Shown(bench, make.at(-48), datetime.now(make.START.tzinfo) + timedelta(days=30))


def write_heartbeats(bench: Bench) -> None:
    """Two partitions that beat, as ``dosetwin sink operations`` writes it."""
    beats = [make.heartbeat(partition, make.at(second / 3600)) for partition in (0, 1) for second in range(0, 60, 10)]
    with closing(operations.OperationsWriter(bench.to_influx)) as writer:
        records = [Record(HEARTBEATS, beat.partition, 0, 0, None, encode(beat)) for beat in beats]
        writer.write([line for record in records for line in writer.items(record)])
        writer.write(operations.sink_lines(bench.settings, to_millis(make.at(1 / 60))))


def days(patient: str) -> list[Any]:
    """Two days: an infusion, counts, three forecasts, vitals, alerts that come and go, silence, a refused event."""
    plan = make.plan(
        patient, make.at(-2), ((make.at(0), 96.0, 1.0), (make.at(1), 50.0, 1.0), (make.at(24), 20.0, None))
    )
    events: list[Any] = [plan]
    classes = {"class_probability": {"slow": 0.25, "fast": 0.75}}
    events += [make.estimate(patient, make.at(hour)).model_copy(update=classes) for hour in range(48)]
    events += [make.forecast(patient, make.at(hour), (6.0, 12.0, 24.5), p_grade4=hour / 48) for hour in (0, 12, 24)]
    events += [make.prediction(patient, make.at(hour), observed=4.0 - hour / 24) for hour in (12, 24)]
    events += [make.prediction(patient, make.at(18), observed=0.5, below=0.5)]
    events += [make.prediction(patient, make.at(2), "docetaxel_plasma", 1.5, unit="mg/L")]
    events += [make.vital(patient, make.at(hour / 4)) for hour in range(40)]
    events += [
        make.alert(patient, make.at(12), phase="start"),
        make.alert(patient, make.at(20), phase="update", revision=1, onset=make.at(12)),
        make.alert(patient, make.at(13), rule="delivery.overinfusion", phase="start", probability=None),
        make.alert(patient, make.at(14), "delivery.overinfusion", "end", revision=1, onset=make.at(13)),
        make.alert(patient, make.at(30), "data.dropout", "start", "medium", probability=None, horizon_hours=None),
        make.rejected(patient, topic=f"iomt.pump.{patient}"),
    ]
    return events


def test_patients_models_and_outputs_can_be_chosen(shown: Shown, patients: tuple[str, str]) -> None:
    assert shown.choices("patient.json", "patient") == [*patients, "M-1"]
    assert shown.choices("patient.json", "model", patient="M-1") == ["one.other"]
    assert shown.choices("patient.json", "model", patient=patients[0]) == [make.MODEL]
    one = {"patient": patients[1], "model": make.MODEL}
    assert shown.choices("patient.json", "output", **one) == ["neutrophils"]
    assert shown.choices("patient.json", "level", **one) == ["docetaxel_plasma"]
    assert shown.choices("patient.json", "channel", **one) == ["body_temperature"]
    issued = [f"{make.at(hour):%Y-%m-%dT%H%M%S}.000000000Z" for hour in (0, 12, 24)]
    assert shown.choices("patient.json", "issued", **one) == issued
    assert shown.choices("patient.json", "exposure", **one) == ["docetaxel_auc"]
    assert shown.choices("patient.json", "parameter", **one) == ["CL", "MTT"]


@pytest.mark.parametrize(("board", "panel"), every_panel())
def test_every_query_of_every_panel_finds_values(
    shown: Shown, patients: tuple[str, str], board: str, panel: dict[str, Any]
) -> None:
    one = {"model": make.MODEL, "issued": f"{make.at(12):%Y-%m-%dT%H%M%S}.000000000Z"}
    chosen = [{"patient": patient, **one} for patient in patients] if board == "patient.json" else [{}]
    copies = [variables for one in chosen for variables in shown.repeats(board, panel, **one)]
    assert copies
    for variables in copies:
        if panel["title"] == "${level}":
            continue  # not measured in these two days; its bands are those of the other output
        named_in_overrides(panel, shown.drawn(panel, **variables))


def test_every_class_that_nobody_sees_has_its_curve_and_its_mean_over_the_twins(
    shown: Shown, patients: tuple[str, str]
) -> None:
    def asked(board: str) -> str:
        (panel,) = (panel for panel in panels_of(board) if panel["title"] == "Classes that nobody sees")
        defaults = panel["fieldConfig"]["defaults"]
        assert (defaults["unit"], defaults["min"], defaults["max"]) == ("percentunit", 0, 1)
        return str(panel["targets"][0]["query"])

    rows = shown.rows(asked("patient.json"), patient=patients[0], model=make.MODEL)
    last = {row["class"]: (row["_time"], row["probability"]) for row in rows}
    assert last == {"slow": (make.at(47), 0.25), "fast": (make.at(47), 0.75)}
    assert len(rows) == 2 * 48
    means = shown.rows(asked("filter.json"))
    assert {(row["model"], row["class"], row["probability"]) for row in means} == {
        (make.MODEL, "slow", 0.25), (make.MODEL, "fast", 0.75)
    }  # fmt: skip


def test_only_the_newest_forecast_is_drawn(shown: Shown, patients: tuple[str, str]) -> None:
    one = {"patient": patients[0], "model": make.MODEL, "output": "neutrophils"}
    rows = shown.rows(flux.latest_forecast(), **one)
    assert [row["_time"] for row in rows] == [make.at(24 + ahead) for ahead in (6.0, 12.0, 24.5)]


def test_the_measured_values_are_the_observed_ones_and_the_panel_has_their_unit(
    shown: Shown, patients: tuple[str, str]
) -> None:
    panel = next(panel for panel in panels_of("patient.json") if panel["title"] == "${output}")
    one = {"patient": patients[0], "model": make.MODEL, "output": "neutrophils"}
    bands, _, measured, limited, grades, unit = (shown.rows(target["query"], **one) for target in panel["targets"])
    assert {row["median"] for row in bands} == {4.2}
    assert [row["unit"] for row in unit] == ["10*9/L"]
    assert [(row["grade 3"], row["grade 4"]) for row in grades] == [(1.0, 0.5)] * 2
    (setting,) = (step for step in panel["transformations"] if step["id"] == "configFromData")
    assert setting["options"]["configRefId"] == panel["targets"][-1]["refId"]
    assert [(row["_time"], row["measured"]) for row in measured] == [(make.at(12), 3.5), (make.at(24), 3.0)]
    assert [(row["_time"], row[flux.LIMITED], row[flux.HOLLOW]) for row in limited] == [(make.at(18), 0.5, 0.5)]


def test_a_value_of_which_only_a_limit_is_known_is_hollow() -> None:
    for panel in panels_of("patient.json"):
        drawn = {
            override["matcher"]["options"]: {entry["id"]: entry["value"] for entry in override["properties"]}
            for override in panel["fieldConfig"].get("overrides", [])
            if override["matcher"]["id"] == "byName" and override["matcher"]["options"] in (flux.LIMITED, flux.HOLLOW)
        }
        assert set(drawn) in (set(), {flux.LIMITED, flux.HOLLOW})
        if drawn:
            outer, inner = drawn[flux.LIMITED], drawn[flux.HOLLOW]
            assert outer["custom.pointSize"] > inner["custom.pointSize"]
            assert inner["color"] == {"mode": "fixed", "fixedColor": "panel-bg"}
    drawing = [panel["title"] for panel in panels_of("patient.json") if flux.HOLLOW in json.dumps(panel["targets"])]
    assert drawing == ["${output}", "${level}", "${output}, as it was foreseen then"]


def test_the_planned_rate_is_steps_and_infusions_end_to_end_leave_no_gap(
    shown: Shown, patients: tuple[str, str]
) -> None:
    rows = shown.rows(flux.planned_rate(), patient=patients[0])
    assert [(row["_time"], row["planned"]) for row in rows] == [
        (make.at(0), 96.0),
        (make.at(1), 50.0),
        (make.at(2), 0.0),
    ]
    amounts = shown.rows(flux.planned_amount(), patient=patients[0])
    assert [row["planned"] for row in amounts] == [0.0, 96.0, 146.0, 146.0, 166.0]


def test_a_newer_plan_replaces_the_older_ones_from_its_own_time_on(bench: Bench, shown: Shown) -> None:
    patient = f"C-{uuid.uuid4().hex[:6]}"
    daily = [make.at(24 * day) for day in range(5)]
    first = make.plan(patient, make.at(-1), tuple((time, 10.0, 1.0) for time in daily))
    second = make.plan(patient, make.at(30), tuple((time, 20.0, 1.0) for time in daily[2:]))
    third = make.plan(patient, make.at(80), ((daily[4], 40.0, 1.0),))
    withdrawn = make.plan(
        patient, make.at(80), ((daily[4], 40.0, 1.0),), event_id="w", status="retracted", replaces=third.event_id
    )

    def rates() -> list[tuple[datetime, float]]:
        rows = shown.rows(flux.planned_rate(), patient=patient)
        return [(row["_time"], row["planned"]) for row in rows if row["planned"] > 0]

    def published(*events: Any) -> None:
        with running(bench) as sink:
            bench.send(*events)
            eventually(lambda: sink.summary()["events"] == len(events))

    published(third, second, first)  # also when they come in the wrong order
    assert rates() == [(daily[0], 10.0), (daily[1], 10.0), (daily[2], 20.0), (daily[3], 20.0), (daily[4], 40.0)]
    published(withdrawn)
    assert rates() == [(daily[0], 10.0), (daily[1], 10.0), (daily[2], 20.0), (daily[3], 20.0), (daily[4], 20.0)]


def test_the_ward_counts_each_alert_once_and_only_standing_ones_as_active(
    shown: Shown, patients: tuple[str, str]
) -> None:
    by_title = {panel["title"]: panel["targets"][0]["query"] for panel in panels_of("ward.json")}
    total = {row["rule"]: row["alerts"] for row in shown.rows(by_title["Alerts by rule"])}
    assert total == {"tox.neutropenia_g4": 2, "delivery.overinfusion": 2, "data.dropout": 2}
    active = {row["rule"]: row["alerts"] for row in shown.rows(by_title["Active alerts by rule"])}
    assert active == {"tox.neutropenia_g4": 2, "data.dropout": 2}
    assert [row["active"] for row in shown.rows(by_title["Active alerts"])] == [4]
    assert [row["patients"] for row in shown.rows(by_title["Silent patients"])] == [2]
    assert {row["patient"]: row["since"] for row in shown.rows(by_title["Dropouts"])} == dict.fromkeys(
        patients, make.at(30)
    )


def test_the_ward_table_has_a_row_for_each_patient(shown: Shown, patients: tuple[str, str]) -> None:
    panel = next(panel for panel in panels_of("ward.json") if panel["title"] == "Patients" and panel["type"] == "table")
    numbers, words = (shown.rows(target["query"]) for target in panel["targets"])
    known = [row for row in numbers if row["patient"] in patients]
    assert [(row["patient"], row["p grade 4"], row["particles"]) for row in known] == [
        (patients[0], 0.5, 640.0),
        (patients[1], 0.5, 640.0),
    ]
    assert {row["last estimate"] for row in known} == {make.at(47).timestamp() * 1000}
    assert {row["last measured"] for row in known} == {make.at(24).timestamp() * 1000}
    assert {row["patient"]: row["latest alert"] for row in words} == dict.fromkeys(patients, "data.dropout")


def test_the_age_of_the_newest_measured_value_is_in_hours_until_now(shown: Shown, patients: tuple[str, str]) -> None:
    panel = next(panel for panel in panels_of("ward.json") if panel["type"] == "bargauge")
    ages = {row["patient"]: row["hours"] for row in shown.rows(panel["targets"][0]["query"])}
    hours = (datetime.now(make.START.tzinfo) - make.at(24)).total_seconds() / 3600
    assert {patient: ages[patient] for patient in patients} == pytest.approx(dict.fromkeys(patients, hours), abs=0.5)


def test_a_record_refused_twice_is_counted_once(bench: Bench, shown: Shown) -> None:
    topic = f"iomt.pump.{uuid.uuid4().hex[:6]}"
    with running(bench) as sink:
        bench.send(*(make.rejected(offset=offset, topic=topic) for offset in (1, 2, 2)))
        eventually(lambda: sink.summary()["events"] == 3)
    panel = next(panel for panel in panels_of("ward.json") if panel["title"] == "Refused events by reason")
    rows = shown.rows(panel["targets"][0]["query"])
    assert [row["events"] for row in rows if row["topic"] == topic] == [2]


@pytest.mark.parametrize("rule", alert_rules()["groups"][0]["rules"], ids=lambda rule: rule["uid"])
def test_every_alert_rule_asks_for_one_number_at_a_time_that_has_a_limit(shown: Shown, rule: dict[str, Any]) -> None:
    asked, last, judged = rule["data"]
    assert (rule["condition"], judged["model"]["expression"], last["model"]["expression"]) == ("C", "B", "A")
    assert asked["datasourceUid"] == "dosetwin-influx"
    rows = shown.rows(asked["model"]["query"])
    assert rows, "there is a value in the time looked at"
    for row in rows:
        assert isinstance(row["_value"], int | float)
        assert "patient" not in row


def test_operations_tell_lag_silence_and_sealed_twins_of_the_newest_heartbeats(shown: Shown) -> None:
    by_title = {panel["title"]: panel["targets"][0]["query"] for panel in panels_of("operations.json")}
    assert [row["twins"] for row in shown.rows(by_title["Sealed twins"])] == [2]
    assert [row["behind"] for row in shown.rows(by_title["Furthest behind"])] == [12.5]
    (silent,) = shown.rows(by_title["Longest silence"])
    assert silent["silent"] > 0
    table = {row["partition"]: row for row in shown.rows(by_title["Partitions"])}
    assert {name: row["state"] for name, row in table.items()} == {"0": "behind", "1": "behind"}
    assert [row["behind"] for row in shown.rows(by_title["Sink furthest behind"])] == [0.0]
    (sink,) = shown.rows(by_title["Sinks"])
    assert (sink["sink"], sink["running"], sink["records not written"]) == ("influx", 0, 0)


def test_no_patient_stands_on_the_boards_for_engineers(shown: Shown, patients: tuple[str, str]) -> None:
    for board in ("operations.json", "filter.json"):
        for panel in panels_of(board):
            for target in panel["targets"]:
                said = str(shown.rows(target["query"]))
                assert not any(patient in said for patient in patients), panel["title"]


def test_a_retracted_reading_is_not_drawn(bench: Bench, shown: Shown) -> None:
    patient = f"D-{uuid.uuid4().hex[:6]}"
    wrong = make.vital(patient, make.at(1), value=44.0)
    withdrawn = make.vital(patient, make.at(1), value=44.0, event_id="w", status="retracted", replaces=wrong.event_id)
    with running(bench) as sink:
        bench.send(wrong, make.vital(patient, make.at(3), value=37.0), withdrawn)
        eventually(lambda: sink.summary()["events"] == 3)
    panel = next(panel for panel in panels_of("patient.json") if panel["title"] == "${channel}")
    one = {"patient": patient, "channel": wrong.channel}
    assert [row["value"] for row in shown.rows(panel["targets"][0]["query"], **one)] == [37.0]


def test_of_temperatures_38_degrees_are_marked(shown: Shown) -> None:
    assert [row["fever, 38 °C"] for row in shown.rows(flux.fever_line(), channel="body_temperature")] == [38.0, 38.0]
    assert shown.rows(flux.fever_line(), channel="heart_rate") == []


@pytest.mark.parametrize(
    "attack", ['x" or true) //', '" or r.patient != "', '\\" or true) //', "${r.patient}", "A\n|> yield()"]
)
def test_what_an_address_chooses_never_ends_the_string_it_stands_in(shown: Shown, attack: str) -> None:
    for panel in panels_of("patient.json"):
        for target in panel["targets"]:
            if "patient:percentencode" not in target["query"]:
                continue
            chosen = dict.fromkeys(("patient", "model", "output", "level", "exposure", "parameter", "channel"), attack)
            rows = shown.rows(target["query"], **chosen, issued=attack)
            assert all(row.get("grade 4") for row in rows), (panel["title"], rows[:1])


def test_boards_lead_to_one_another_and_mark_what_happened(shown: Shown, patients: tuple[str, str]) -> None:
    for name, board in BOARDS.items():
        others, console = board["links"]
        assert (others["type"], others["tags"], others["keepTime"], others["includeVars"]) == (
            "dashboards", ["dosetwin"], True, True
        )  # fmt: skip
        assert board["tags"] == ["dosetwin"]
        assert (console["title"], board["refresh"]) == ("Console", "1m")
        marks = {one["name"]: one["target"]["query"] for one in board["annotations"]["list"]} if name in MARKED else {}
        assert set(marks) == MARKED.get(name, set())
        one = {"patient": patients[0], "model": make.MODEL}
        for title, query in marks.items():
            texts = [row["text"] for row in shown.rows(query, **one)]
            assert texts, title
        if name == "patient.json":
            assert [row["text"] for row in shown.rows(marks["Planned doses"], **one)] == [
                "docetaxel 96 mg", "docetaxel 50 mg", "docetaxel 20 mg"
            ]  # fmt: skip
            assert {row["text"] for row in shown.rows(marks["Alerts"], **one)} == {
                "tox.neutropenia_g4 start", "delivery.overinfusion start", "delivery.overinfusion end",
                "data.dropout start",
            }  # fmt: skip


MARKED = {"ward.json": {"Alerts", "Now"}, "patient.json": {"Alerts", "Now", "Planned doses"}}
"""Boards with marks on their curves, and whose."""


def test_patients_link_to_the_console_by_their_pseudonym_and_only_the_page_learns_it() -> None:
    page = "http://127.0.0.1:8500/#patient/"
    links = {board: [link.get("url") for link in BOARDS[board]["links"]] for board in BOARDS}
    assert links["patient.json"][-1] == page + "${patient:percentencode}"
    for title in ("Patients", "Worklist"):
        panel = next(p for p in panels_of("ward.json") if p["title"] == title and p["type"] == "table")
        (named,) = (o for o in panel["fieldConfig"]["overrides"] if o["matcher"]["options"] == "patient")
        addresses = [link["url"] for entry in named["properties"] for link in entry["value"]]
        assert [address.split("?")[0] for address in addresses] == ["/d/dosetwin-patient", page + "${__value.raw}"]
    for name, board in build.leading_to("https://ward.example/").items():
        assert "127.0.0.1" not in board
        assert json.loads(board)["links"][-1]["url"] == links[name][-1].replace(page[:21], "https://ward.example")


def test_every_number_has_colours_of_its_own_and_none_of_a_good_one_where_there_is_no_value() -> None:
    for name in BOARDS:
        for panel in panels_of(name):
            if panel["type"] in ("stat", "bargauge"):
                defaults = panel["fieldConfig"]["defaults"]
                assert defaults["thresholds"]["steps"], panel["title"]
                assert defaults["mappings"][0]["options"]["result"]["text"] == "no data", panel["title"]


def test_the_patients_that_are_offered_are_sorted_by_risk(bench: Bench, shown: Shown) -> None:
    names = [f"K{number}-{uuid.uuid4().hex[:4]}" for number in range(3)]
    said: list[Any] = [make.estimate(patient, make.at(1)) for patient in names]
    said += [make.forecast(names[number], make.at(1), (6.0,), p_grade4=odds) for number, odds in ((1, 0.9), (2, 0.6))]
    with running(bench) as sink:
        bench.send(*said)
        eventually(lambda: sink.summary()["events"] == len(said))
    offered = [row["_value"] for row in shown.rows(every_patient.patients_by_risk()) if row["_value"] in names]
    assert offered == [names[1], names[2], names[0]]


def test_the_worklist_has_the_gravest_and_oldest_alerts_first(shown: Shown, patients: tuple[str, str]) -> None:
    panel = next(panel for panel in panels_of("ward.json") if panel["title"] == "Worklist")
    rows = [row for row in shown.rows(panel["targets"][0]["query"]) if row["patient"] in patients]
    assert [(row["severity"], row["rule"]) for row in rows] == [
        *[("high", "tox.neutropenia_g4")] * 2, *[("medium", "data.dropout")] * 2
    ]  # fmt: skip


def test_what_is_known_now_is_shown_and_what_was_published_then_stays(bench: Bench, shown: Shown) -> None:
    patient = f"R-{uuid.uuid4().hex[:6]}"
    first = [make.estimate(patient, make.at(hour)) for hour in range(3)]
    again = [
        make.estimate(patient, make.at(hour), outputs=(make.band("neutrophils", "10*9/L", 1.5),)) for hour in (1, 2)
    ]
    with running(bench) as sink:
        bench.send(*first, *again, again[0])  # the last one twice, as after a crash
        eventually(lambda: sink.summary()["events"] == 6)
    one = {"patient": patient, "model": make.MODEL, "output": "neutrophils"}
    panel = next(panel for panel in panels_of("patient.json") if panel["title"].endswith("published then"))
    then, now = (shown.rows(target["query"], **one) for target in panel["targets"])
    assert [(row["_time"], row["then median"]) for row in then] == [(make.at(hour), 4.2) for hour in range(3)]
    assert [row["median now"] for row in now] == [4.2, 1.5, 1.5]
    assert len(bench.rows("estimate_published", patient)) == 2 * 3 + 2  # both outputs, then one of them again


def test_what_is_withdrawn_is_shown_no_more_until_it_is_said_again(bench: Bench, shown: Shown) -> None:
    patient = f"W-{uuid.uuid4().hex[:6]}"
    said: list[Any] = [make.estimate(patient, make.at(hour)) for hour in range(3)]
    # Both forecasts speak of hour 4: the newer one must not have taken that of the older one with it.
    said += [make.forecast(patient, make.at(hour), (hour / 8, 4.0 - hour), p_grade4=hour / 4) for hour in (1, 2)]
    said += [make.prediction(patient, make.at(hour), observed=3.0) for hour in (1, 2)]
    one = {"patient": patient, "model": make.MODEL, "output": "neutrophils"}
    panels = {panel["title"]: panel for board in BOARDS for panel in panels_of(board)}

    def written(*events: Any) -> None:
        with running(bench) as sink:
            bench.send(*events)
            eventually(lambda: sink.summary()["events"] == len(events))

    def times(query: str) -> list[datetime]:
        return [row["_time"] for row in shown.rows(query, **one)]

    def now() -> tuple[list[datetime], list[datetime], list[datetime], dict[str, Any]]:
        bands, ahead, measured = (times(target["query"]) for target in panels["${output}"]["targets"][:3])
        numbers = shown.rows(panels["Patients"]["targets"][0]["query"])
        return bands, ahead, measured, next(row for row in numbers if row["patient"] == patient)

    written(*said, make.withdrawn(patient, make.at(2)))
    bands, ahead, measured, row = now()
    assert (bands, measured) == ([make.at(0), make.at(1)], [make.at(1)])
    assert ahead == [make.at(1.125), make.at(4)]
    assert (row["p grade 4"], row["last estimate"]) == (0.25, make.at(1).timestamp() * 1000)
    assert len(times(flux.bands_as_published())) == 3
    written(*(one for one in said if one.time == make.at(2)))
    bands, ahead, measured, row = now()
    assert (bands, measured) == ([make.at(0), make.at(1), make.at(2)], [make.at(1), make.at(2)])
    assert ahead == [make.at(2.25), make.at(4)]
    assert row["p grade 4"] == 0.5


def test_what_stands_is_the_same_however_often_and_from_wherever_it_is_delivered_again(
    bench: Bench, shown: Shown
) -> None:
    patient = f"V-{uuid.uuid4().hex[:6]}"
    said: list[Any] = [make.estimate(patient, make.at(hour), ess=100.0 + hour) for hour in range(3)]
    stays = make.forecast(patient, make.at(1), (1.0, 2.0), 3.5)
    # Said of one time, said otherwise, taken back, said as at first, and taken back again.
    words = [make.forecast(patient, make.at(2), (0.0, 1.0), level) for level in (3.0, 2.5)]
    gone = make.withdrawn(patient, make.at(2))
    said += [stays, *words, gone, words[0], said[2], gone]
    records = [
        Record(topic_of(type(event)), 0, offset, 1000 + offset, None, encode(event))
        for offset, event in enumerate(said)
    ]
    one = {"patient": patient, "model": make.MODEL, "output": "neutrophils"}

    def standing() -> tuple[list[Any], list[Any], list[Any], list[Any]]:
        ahead = [(row["_time"], row["ahead median"]) for row in shown.rows(flux.latest_forecast(), **one)]
        health = shown.rows(flux.curves("health", {"ess": "ess"}, *flux.ONE_PATIENT), **one)
        parameter = shown.rows(flux.points("parameter_published", *flux.ONE_PATIENT), **one)
        delivery = shown.rows(flux.points("delivery_published", *flux.ONE_PATIENT), **one)
        then = [sorted((row["_time"], row["rev"]) for row in rows) for rows in (parameter, delivery)]
        return ahead, [(row["_time"], row["ess"]) for row in health], *then

    with closing(influx_sink.InfluxWriter(bench.to_influx)) as writer:
        for begin in (0, 0, 4, 2, 9, 5, 1):
            for record in records[begin:]:
                writer.write(writer.items(record))
            ahead, health, parameter, delivery = standing()
            assert ahead == list(zip(stays.times, stays.outputs[1].median, strict=True))
            assert health == [(make.at(0), 100.0), (make.at(1), 101.0)]
            assert len(parameter) == 2 * 3
            assert [rev for _, rev in delivery] == [0, 1, 8]
