"""A patient's figures as a file: every line and column, both times, and nothing that a spreadsheet would calculate."""

from __future__ import annotations

import csv
import io
import re

import pytest
from starlette.testclient import TestClient

from connectors.console.board import Board
from connectors.console.server import create_app
from connectors.console.topic_reader import LiveBoard, ReaderStatus
from tests import factories as make

HARMFUL = ('=HYPERLINK("http://elsewhere")', "+1", "-2+3", "@SUM(A1)", "\tx", "\rx")


def client_of(*events: object) -> TestClient:
    live = LiveBoard(Board(), ReaderStatus(state="live"))
    live.fold(list(events))  # type: ignore[arg-type]
    return TestClient(create_app(live), base_url="http://127.0.0.1")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_a_file_has_estimates_values_the_forecast_and_alerts_in_the_order_of_time() -> None:
    alert = make.alert("P-1", make.at(20), text='Neutrophils "low",\nlook')
    counted = make.prediction("P-1", make.at(10), observed=3.9)
    events = (make.estimate("P-1", make.at(0)), make.estimate("P-1", make.at(1)), counted, alert)
    with client_of(*events, make.forecast("P-1", make.at(1), hours=(6, 12)), make.estimate("P-2")) as client:
        answer = client.get("/api/patients/P-1/csv?zone=America/New_York")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.headers["content-disposition"] == 'attachment; filename="P-1.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text.endswith("\r\n")
    assert not re.search(r"(?<!\r)\n(?!look)", answer.text), "lines end as RFC 4180 has it"
    rows = table(answer.text)
    assert [row["record"] for row in rows] == [
        "estimate", "estimate", "parameters", "forecast", "measured", "forecast", "alert",
    ]  # fmt: skip
    assert {row["patient"] for row in rows} == {"P-1"}
    first = rows[0]
    assert (first["time (UTC)"], first["time (America/New_York)"]) == (
        "2026-03-02T08:00:00+00:00",
        "2026-03-02T03:00:00-05:00",
    )
    assert float(first["neutrophils median (10*9/L)"]) == 4.2
    assert float(first["docetaxel_auc so far (mg.h/L)"]) > 0
    assert float(first["docetaxel rate (mg/h)"]) == 96.0
    assert first["neutrophils measured (10*9/L)"] == ""
    own = rows[2]
    assert float(own["CL median (L/h)"]) == 32.6
    assert [float(own[f"CL of patients like this one {part} (L/h)"]) for part in ("q05", "median", "q95")] == [
        19.0, 35.7, 67.2,
    ]  # fmt: skip
    assert float(rows[4]["neutrophils measured (10*9/L)"]) == 3.9
    assert rows[-1]["text"] == 'Neutrophils "low",\nlook'


@pytest.mark.parametrize("text", HARMFUL)
def test_no_text_begins_as_a_formula(text: str) -> None:
    with client_of(make.estimate("P-1"), make.alert("P-1", text=text)) as client:
        rows = table(client.get("/api/patients/P-1/csv").text)
    assert rows[-1]["text"] == f"'{text}"
    assert all(not value.startswith(("=", "+", "@")) for row in rows for value in row.values())


def test_a_wrong_zone_and_an_unknown_patient_are_said() -> None:
    with client_of(make.estimate("P-1")) as client:
        wrong = client.get("/api/patients/P-1/csv?zone=Mars/Olympus")
        assert (wrong.status_code, "write an IANA name such as Europe/Berlin" in wrong.text) == (400, True)
        assert client.get("/api/patients/P-9/csv").status_code == 404
        assert client.get("/api/patients/%2E%2E/csv").status_code in (400, 404)
        assert "time (UTC)" in client.get("/api/patients/P-1/csv").text
