"""The main job on a locked Kafka, each part by its own role: none lacks a right, and all of it arrives."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx2
import pytest

from connectors.kafka.clients import open_producer
from connectors.kafka.topics import LABS
from connectors.services.ports import free_ports
from connectors.services.supervisor import environment
from tests.doors import Doors
from tests.places import ROOT
from tests.streams.worker.forks import Forked
from tests.streams.worker.stage import FAKE_TWINS
from twin.events import LabResult, encode

WARD = ("feed", "ward", "--patients", "2", "--days", "0.2", "--seed", "10", "--speed", "0")


@contextmanager
def part(doors: Doors, role: str, folder: Path, *words: object, **more: str) -> Iterator[Forked]:
    """A command of ours that knows what its role's file of settings says, and nothing of this clone's servers."""
    seen = environment(os.environ) | {"PYTHONPATH": str(ROOT), "DOSETWIN_STATE_DIR": str(folder / "nothing")}
    with (folder / f"{words[0]}-{words[1]}.log").open("wb") as said:
        process = Forked([str(word) for word in words], {**seen, **doors.roles[role], **more}, said.fileno())
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def points(doors: Doors) -> int:
    """Lines that a dashboard's token reads."""
    flux = f'from(bucket: "{doors.influx.bucket}") |> range(start: -50y) |> filter(fn: (r) => r._measurement != "door")'
    headers = {
        "Content-Type": "application/vnd.flux",
        "Authorization": f"Token {doors.roles['grafana']['DOSETWIN_INFLUX_TOKEN']}",
    }
    url = f"{doors.influx.url}/api/v2/query?org={doors.influx.org}"
    trusted = ssl.create_default_context(cafile=doors.influx.ca)
    answer = httpx2.post(url, content=(flux + " |> limit(n: 1)").encode(), headers=headers, verify=trusted)
    assert answer.status_code == 200, answer.text
    return answer.text.count("_result")


def ready(port: int) -> bool:
    try:
        return bool(httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 200)
    except httpx2.HTTPError:
        return False


MENDED = encode(LabResult.example().model_copy(update={"patient_id": "P-0001"})).decode()


def mend_as_an_engineer(doors: Doors, at: str) -> None:
    """A word that cannot be used, found on the console, mended and sent once more."""
    with pytest.MonkeyPatch.context() as patch:
        doors.act(patch, "feed")
        with closing(open_producer(doors.users, acks="all")) as feed:
            feed.send(LABS, b"{", key=b"P-0001").get(60)
    until, found = time.monotonic() + 120, []
    while not found:
        assert time.monotonic() < until
        answer = httpx2.get(f"{at}/letters", timeout=60)
        assert answer.status_code == 200, answer.text
        found = [one["place"] for one in answer.json() if one["topic"] == LABS and one["original"] == "{"]
    ours = {"Origin": at.removesuffix("/api/mending"), "X-Dosetwin": "act"}
    sent = httpx2.post(f"{at}/letters/{found[0]}/resend", json={"original": MENDED}, headers=ours, timeout=60)
    assert (sent.status_code, sent.json()) == (202, {"topic": LABS}), sent.text
    assert httpx2.get(f"{at}/held", timeout=60).status_code == 200


@pytest.mark.timeout(400)
def test_every_part_does_its_work_with_the_rights_of_its_role(locked: Doors, tmp_path: Path) -> None:
    before = len(locked.log)
    ports = dict(zip(("worker", "console", "influx", "operations", "webhook"), free_ports(5), strict=True))
    hook = {"DOSETWIN_WEBHOOK_URL": "http://127.0.0.1:9/alerts", "DOSETWIN_WEBHOOK_SECRET": "whsec_" + "A" * 32}
    with ExitStack() as running:

        def start(role: str, *words: object, **more: str) -> None:
            running.enter_context(part(locked, role, tmp_path, *words, **more))

        start("worker", "worker", "--twins", FAKE_TWINS, "--metrics-port", ports["worker"], "--barrier-seconds", "0.5")
        start("sink", "sink", "influx", "--metrics-port", ports["influx"])
        start("sink", "sink", "operations", "--metrics-port", ports["operations"])
        start("subscriber", "sink", "webhook", "--metrics-port", ports["webhook"], **hook)
        start("console", "console", "--port", ports["console"])
        with part(locked, "feed", tmp_path, *WARD) as feed:
            assert feed.wait(180) == 0, (tmp_path / "feed-ward.log").read_text()
        waiting = dict(ports)
        until = time.monotonic() + 150
        while waiting or not points(locked):
            waiting = {name: port for name, port in waiting.items() if not ready(port)}
            assert time.monotonic() < until, (waiting, *(path.read_text()[-2000:] for path in tmp_path.glob("*.log")))
            time.sleep(0.5)
        mend_as_an_engineer(locked, f"http://127.0.0.1:{ports['console']}/api/mending")
        time.sleep(5)
    refused = [line for line in locked.log[before:].splitlines() if "is Denied" in line]
    assert refused == []
