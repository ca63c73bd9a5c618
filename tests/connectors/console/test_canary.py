"""Canaries: values that nobody could mistake go through every part, and are sought in each log, meter, title, address.

Results, doses, levels, comments, numbers of a hospital, names that somebody types where a name does not belong, good
and bad input alike. Every part is a process of its own on real servers, logging at INFO as it does by default.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from kafka import TopicPartition
from selenium import webdriver
from websockets.sync.client import connect

from connectors.audit.reading import accesses
from connectors.kafka.clients import kept_records
from connectors.kafka.topics import ALERTS, AUDIT_TOPICS, COMMANDS, ESTIMATES, LABS, PUMP, REJECTED
from connectors.protocols.hl7.mllp import framed
from connectors.services import Influx
from connectors.services.ports import answers, free_ports
from connectors.sinks.delivery import consumer_group
from tests import factories as make
from tests.connectors.access.keys import PASSWORD, accounts_in
from tests.connectors.console.bench import Bench
from tests.connectors.console.in_browser import eventually, requests, text_of
from tests.connectors.protocols import spoken
from tests.places import ROOT
from tests.streams.worker.stage import CommandProcess, Stage, WorkerProcess, lab
from twin.events import DrugLevel, Enrolment, InputEvent, PumpDelivery, Quantity, encode

PATIENT, OTHER = "CANARY-7", "CANARY-8"
COUNT, RATE, LEVEL = 3.1415926, 27.182818, 0.5772156
BAD_COUNT, REFUSED_COUNT, WARD_COUNT = 6.0221407, 1.6180339, 2.9979245
NUMBER, NAME = "86753094 Q", "Kanarienvogel"
COMMENT, NO_PATIENT, NO_ACCOUNT = "zitrone at six", "Zitronenfalter", "Zitronenbaum"

CANARIES = ("3.14159", "27.1828", "0.57721", "6.02214", "1.61803", "2.99792", "86753094", "kanarien", "zitrone")
"""What is sought, each as it would be cut short or spelled by whoever repeated it."""


def found_in(text: str) -> list[str]:
    """The canaries in a text."""
    return [canary for canary in CANARIES if canary in text.lower()]


@dataclass
class Ward:
    """All parts at work, and where each says how it fares."""

    stage: Stage
    folder: Path
    meters: Mapping[str, int]
    console: str
    http: str
    mllp: int
    key: Mapping[str, str] = field(default_factory=dict)

    def logs(self) -> dict[str, str]:
        return {path.name: path.read_text(errors="replace") for path in self.folder.glob("*.log")}

    def pages(self) -> dict[str, str]:
        """What each part tells machines."""
        said = {}
        for name, port in self.meters.items():
            for page in ("metrics", "healthz", "readyz"):
                said[f"{name} {page}"] = httpx2.get(f"http://127.0.0.1:{port}/{page}", trust_env=False, timeout=60).text
        return said

    def topics(self, *topics: str) -> str:
        prefix, numbers = self.stage.prefix, range(self.stage.partitions)
        places = [TopicPartition(prefix + topic, number) for topic in topics for number in numbers]
        return b" ".join(record.value or b"" for record in kept_records(self.stage.bootstrap, places)).decode()


@pytest.fixture(scope="module")
def ward(kafka: str, influx: Influx, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    folder = tmp_path_factory.mktemp("canary")
    bench = Bench(kafka, influx)
    stage = Stage(kafka, bench.settings.topic_prefix, bench.settings.partitions)
    ports = dict(zip(("worker", "console", "influx", "webhook", "http", "mllp"), free_ports(6), strict=True))
    page, http, mllp, nobody = free_ports(4)
    told = {bench.to_influx.variable(n): str(value) for n, value in bench.to_influx if value is not None}
    hook = {"DOSETWIN_WEBHOOK_URL": f"http://127.0.0.1:{nobody}/alerts", "DOSETWIN_WEBHOOK_SECRET": "whsec_" + "A" * 32}
    tokens, profile = folder / "tokens.toml", folder / "lab-east.toml"
    tokens.write_text(f'[[token]]\nsource = "script"\nsha256 = "{hashlib.sha256(b"secret").hexdigest()}"\n')
    profile.write_text('id = "lab-east"\nprotocol = "hl7"\nmode = "real"\n')
    file = accounts_in(folder / "accounts", nurse_8=("clinician", "*")).path
    commands = {
        "console": ["console", "--accounts", str(file), "--port", str(page), "--replayed"],
        "influx": ["sink", "influx"],
        "webhook": ["sink", "webhook"],
        "http": ["listen", "http", str(tokens), "--port", str(http), "--memory", str(folder / "http")],
        "mllp": ["listen", "mllp", str(profile), "--port", str(mllp), "--memory", str(folder / "mllp")],
    }
    with contextlib.ExitStack() as running:
        for name, words in commands.items():
            environment = {**told, **hook, "DOSETWIN_PATIENT_KEY": "k" * 20}
            words += ["--metrics-port", str(ports[name])]
            running.enter_context(CommandProcess(stage, folder / f"{name}.log", words, environment))
        worker = WorkerProcess(
            stage, folder / "worker.log", "--metrics-port", str(ports["worker"]),
            twins="streams.worker.twin_factory:LibraryTwins", environment={"DOSETWIN_PARTICLES": "100"},
        )  # fmt: skip
        running.enter_context(worker)
        worker.wait_ready(120)
        for port in (*ports.values(), page, http, mllp):
            eventually(lambda port=port: answers(f"127.0.0.1:{port}"), 60)
        yield Ward(stage, folder, ports, f"http://127.0.0.1:{page}", f"http://127.0.0.1:{http}", mllp)
    stage.close()
    bench.close()


def good() -> list[InputEvent]:
    """A course of docetaxel whose every number is a canary."""
    at = {"patient_id": PATIENT, "source": "script"}
    rate = Quantity(value=RATE, unit="mg/h")
    return [
        Enrolment(**at, event_id="c-1", time=make.at(0), model=make.MODEL),
        PumpDelivery(**at, event_id="c-2", time=make.at(1), device_id="pump-4", drug=make.DRUG, phase="start",
                     delivery_status="delivering", rate=rate),
        PumpDelivery(**at, event_id="c-3", time=make.at(2), device_id="pump-4", drug=make.DRUG, phase="stop",
                     delivery_status="not-delivering", rate=Quantity(value=0.0, unit="mg/h")),
        DrugLevel(**at, event_id="c-4", time=make.at(3), analyte=make.DRUG, value=Quantity(value=LEVEL, unit="mg/L")),
        lab(PATIENT, 60.0 * 24, COUNT).model_copy(update={"time": make.at(24), "source": "script"}),
    ]  # fmt: skip


def feed(ward: Ward) -> None:
    """Through every way in, sound and spoilt: over HTTP, by MLLP, and onto the topics past all of them."""
    key = {"authorization": "Bearer secret", "content-type": "application/x-ndjson"}
    said = b"\n".join(encode(event) for event in good())
    spoilt = lab(PATIENT, 61, BAD_COUNT, "Kanarienvogel/L").model_copy(update={"source": "script"})
    wrong = b'{"kind":"lab_result","patient_id":"%s","value":%f}' % (OTHER.encode(), REFUSED_COUNT)
    answered = [
        httpx2.post(f"{ward.http}/v1/events", content=body, headers=key, trust_env=False, timeout=60).status_code
        for body in (said, encode(spoilt), wrong, b"Zitronenfalter {" + said[:40])
    ]
    assert answered[0] == 202
    number = spoken.PID.replace(spoken.NUMBER, NUMBER).replace(spoken.NAME, NAME)
    for message in (
        spoken.laboratory(spoken.count(str(WARD_COUNT)), pid=number),
        spoken.laboratory(spoken.count(str(BAD_COUNT), f6="Kanarienvogel"), pid=number),
        spoken.laboratory(spoken.count("zitrone"), pid=number),
        number.encode(),
    ):
        with socket.create_connection(("127.0.0.1", ward.mllp), timeout=60) as line:
            line.sendall(framed(message))
            line.settimeout(60)
            with contextlib.suppress(OSError):
                line.recv(4096)
    ward.stage.send(LABS, PATIENT, wrong)
    ward.stage.send(PUMP, OTHER, b"\xff Zitronenfalter 1.6180339")
    ward.stage.send(LABS, PATIENT, encode(lab(PATIENT, 62, -BAD_COUNT)))
    ward.stage.send(
        ESTIMATES, PATIENT, b'{"kind":"estimate","patient_id":"CANARY-8","note":"Zitronenfalter 1.6180339"}'
    )
    alert = make.alert(PATIENT, make.at(24), text=f"neutrophils {COUNT} after {RATE}")
    ward.stage.send(ALERTS, PATIENT, encode(alert)).get(60)


def act(ward: Ward) -> None:
    """Through the console: what is right, and what people type where it does not belong."""
    headers = {"x-dosetwin": "act"}

    def ask(method: str, path: str, body: Any = None, **more: str) -> httpx2.Response:
        return httpx2.request(
            method, ward.console + path, json=body, headers={**headers, **ward.key, **more}, trust_env=False, timeout=60
        )

    for name in (NO_ACCOUNT, "nurse-8"):
        assert ask("POST", "/api/session", {"name": name, "password": "Zitronenbaum am Morgen"}).status_code == 401
    cookie = ask("POST", "/api/session", {"name": "nurse-8", "password": PASSWORD}).headers["set-cookie"]
    ward.key = {"cookie": cookie.partition(";")[0]}
    eventually(lambda: PATIENT in ask("GET", "/api/ward").text, 60)
    alert = make.alert(PATIENT, make.at(24)).alert_id
    eventually(lambda: alert in ask("GET", "/api/ward").text, 60)
    for path, said in (
        (f"/api/alerts/{alert}/actions", {"action": "comment", "reason": COMMENT}),
        (f"/api/patients/{PATIENT}/advice", {"reason": COMMENT}),
        (f"/api/patients/{PATIENT}/advice", {"reason": COMMENT, "branches": [COMMENT]}),
    ):
        eventually(lambda path=path, said=said: ask("POST", path, said).status_code == 202, 60)
    for method, path, body in (
        ("GET", f"/api/patients/{NO_PATIENT}", None),
        ("GET", f"/{NO_PATIENT}?count={COUNT}", None),
        ("GET", f"/api/alerts/stream?rules={NO_PATIENT}&count={COUNT}", None),
        ("POST", f"/api/alerts/{NO_PATIENT}/actions", {"action": "comment", "reason": COMMENT}),
        ("POST", f"/api/alerts/{alert}/actions", {"action": COMMENT, "reason": COMMENT}),
        ("POST", "/api/session", {"name": NO_ACCOUNT, "password": NO_ACCOUNT, "count": COUNT}),
    ):
        assert ask(method, path, body).status_code >= 400, path
    assert ask("GET", "/api/ward", authorization=f"Bearer {NO_ACCOUNT}").status_code == 401
    assert ask("GET", "/api/ward", host="zitrone.example").status_code == 400
    with connect(ward.console.replace("http", "ws") + "/live", additional_headers=dict(ward.key), proxy=None) as page:
        for wish in (f'{{"watch": "{NO_PATIENT}"}}', f'{{"watch": "{PATIENT}"}}', f'{{"watch": {COUNT}}}', COMMENT):
            page.send(wish)
            page.recv(timeout=60)


@pytest.fixture(scope="module")
def lived(ward: Ward) -> Ward:
    """The ward after all of that, once every part has done what it had to."""
    feed(ward)
    eventually(lambda: ward.topics(REJECTED).count('"reason"') >= 3, 90)
    act(ward)
    ward.stage.wait_until_committed(90)
    outputs = (ESTIMATES, ALERTS)
    eventually(lambda: not ward.stage.lag(consumer_group("influx", ward.stage.prefix), outputs), 90)
    return ward


def test_the_canaries_came_through_all_parts(lived: Ward) -> None:
    inputs = " ".join(record.value.decode(errors="replace") for record in lived.stage.inputs())
    heard = set(found_in(inputs + lived.topics(ALERTS, REJECTED, COMMANDS)))
    at_the_door = {"86753094", "kanarien"}
    assert heard - at_the_door == {*CANARIES} - at_the_door
    assert "86753094" not in heard, "the number at the hospital ends at the door"


def test_no_log_holds_a_value(lived: Ward) -> None:
    logs = lived.logs()
    assert {name for name, text in logs.items() if text} >= {"worker.log", "console.log", "http.log", "mllp.log"}
    for name, text in logs.items():
        assert found_in(text) == [], f"{name}:\n{text}"
        assert "CANARY-" not in text, f"{name} names a patient:\n{text}"


def test_no_meter_holds_a_value_or_names_a_patient(lived: Ward) -> None:
    for name, text in lived.pages().items():
        assert found_in(text) == [], name
        assert "CANARY-" not in text, name


def test_no_access_holds_what_somebody_wrote(lived: Ward) -> None:
    assert found_in(lived.topics(*AUDIT_TOPICS)) == []
    told, _ = accesses(lived.stage.settings)
    assert {access.deed for access in told} >= {"log_in", "read", "act", "ask"}
    assert {access.patient for access in told} <= {"", PATIENT, OTHER}


def test_no_title_and_no_address_holds_a_value(lived: Ward, browser: webdriver.Chrome) -> None:
    browser.get(f"{lived.console}/login")
    cookie, _, value = lived.key["cookie"].partition("=")
    browser.add_cookie({"name": cookie, "value": value, "path": "/", "httpOnly": True, "sameSite": "Strict"})
    requests(browser)
    seen = []
    for fragment in ("", f"#patient/{PATIENT}"):
        browser.get(f"{lived.console}/{fragment}")
        eventually(lambda shown=fragment: PATIENT in text_of(browser, "#patient-title" if shown else "#ward"))
        links = browser.execute_script(
            "return [...document.querySelectorAll('[href], [src], [action]')].map(e => e.href || e.src || e.action)"
        )
        seen += [browser.title, browser.current_url, *map(str, links)]
    seen += requests(browser)
    assert {found for text in seen for found in found_in(text)} == set(), seen
    browser.get("about:blank")
    browser.delete_all_cookies()


LINKED = {"__value.raw", "__data.fields.model", "__url_time_range", "patient:percentencode"}
"""What a link of a board may carry on: a patient whose row it is, the model, the range that is looked at."""


def test_no_link_of_a_board_carries_a_value_on() -> None:
    boards = list((ROOT / "connectors" / "grafana" / "dashboards").glob("*.json"))
    addresses = [url for board in boards for url in re.findall(r'"url": "([^"]*)"', board.read_text())]
    assert addresses
    assert {name for url in addresses for name in re.findall(r"\$\{([^}]+)\}", url)} == LINKED
