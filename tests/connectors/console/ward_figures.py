"""How fast a ward of hundreds is shown: ``python -m tests.connectors.console.ward_figures [PATIENTS] [MINUTES]``.

A real Kafka, a real console and a real browser. Measured in the page: from navigation until the first lines and until
all of them are painted; from a frame's arrival until what it changed is painted, while estimates come from many
patients every second, and what page and console compute for it; and the heap after a collection of garbage and the
console's memory, minute by minute, with the slopes of both once they have settled.

The console begins with all stores full that fill within months: its estimates (by ``--keep-estimates``), forecasts,
ended alerts of each patient and the log of alerts. Then the ward's time runs 144 times as fast as a ward's: each
estimate is of the next hour, a forecast comes with every sixth, alerts begin and as many end. So what slopes has no
bound, or one that nobody stated.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from kafka import KafkaProducer
from selenium import webdriver

from connectors.kafka.topics import VITALS, ensure_topics, topic_of
from connectors.services import LocalServices
from tests import factories as make
from tests.connectors.console.conftest import chromium
from tests.connectors.console.in_browser import Console, eventually, resize, start_console, stop_console
from twin.events import Alert, DueDose, OutputEvent, Quantity, encode

HOURS = 168
"""Estimates that each patient has already, and that the console keeps: a week of hourly ones."""

FORECASTS = 16
"""Forecasts that each patient has already: as many as are kept."""

AHEAD = tuple(float(hour) for hour in range(6, 504, 6))
"""Hours ahead of which a forecast speaks."""

ENDED = 100
"""Alerts of each patient that have ended already: as many as are kept."""

A_SECOND = 20
"""Estimates a second while updates are measured: a ward of 500 with hourly ones says one in seven seconds."""

SETTLED = 10.0
"""Minutes before the slopes of what is held begin."""

WATCH = """
window.figures = {first: null, all: null, updates: []};
const painted = (then) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = then;
  channel.port2.postMessage(0);
});
const Real = window.WebSocket;
window.WebSocket = class extends Real {
  set onmessage(handler) {
    super.onmessage = (event) => {
      const began = performance.now();
      const kind = /"type":"(\\w+)"/.exec(event.data.slice(0, 60))?.[1];
      handler(event);
      painted(() => figures.updates.push([kind, event.data.length, performance.now() - began]));
    };
  }
  get onmessage() { return super.onmessage; }
};
const look = () => {
  const lines = document.querySelectorAll("#ward-rows tr").length;
  if (lines > 0 && figures.first === null) { figures.first = 0; painted(() => { figures.first = performance.now(); }); }
  if (lines >= PATIENTS) painted(() => { figures.all = performance.now(); });
  else requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


def estimate(chance: random.Random, patient: str, hour: float) -> OutputEvent:
    """An estimate as a worker writes it."""
    due = {"docetaxel": DueDose(time=make.at(hour + 40), amount=Quantity(value=75.0, unit="mg"))}
    count = make.band("neutrophils", "10*9/L", chance.uniform(0.4, 6.0))
    return make.estimate(patient, make.at(hour), outputs=(make.band("docetaxel_plasma", "mg/L", 0.4), count), due=due)


def ended(alert: Alert, at: datetime) -> Alert:
    """The word that an alert is over."""
    return make.alert(
        alert.patient_id, at, alert.rule, "end", alert.severity, revision=alert.revision + 1, onset=alert.onset
    )


def standing(patients: list[str]) -> Iterator[Alert]:
    """Two alerts of every third patient."""
    chance = random.Random(7)
    for patient in patients[::3]:
        yield make.alert(patient, make.at(HOURS - 2), severity=chance.choice(("low", "medium", "high")))
        yield make.alert(patient, make.at(HOURS - 2), severity="medium", rule="delivery.underinfusion")


def past(patients: list[str]) -> Iterator[tuple[str, str, bytes]]:
    """Topic, patient and record of a week of a ward: what each patient has, written once, and what stands of alerts."""
    stencil = [(event.kind, topic_of(event), encode(event)) for event in week("P-STENCIL")]
    for patient in patients:
        for kind, topic, raw in stencil:
            own = raw.replace(b"P-STENCIL", patient.encode())
            own = own.replace(b'"event_id":"', f'"event_id":"{patient}.'.encode(), 1)
            if kind == "alert":
                own = own.replace(b'"alert_id":"', f'"alert_id":"{patient}.'.encode())
            yield topic, patient, own
    for alert in standing(patients):
        yield topic_of(alert), alert.patient_id, encode(alert)


def week(patient: str) -> Iterator[OutputEvent]:
    """Alerts that ended, hourly estimates, a count and the newest forecasts."""
    chance = random.Random(7)
    for number in range(ENDED):
        over = make.alert(patient, make.at(number), severity="low")
        yield from (over, ended(over, make.at(number + 1)))
    yield from (estimate(chance, patient, hour) for hour in range(HOURS))
    yield make.prediction(patient, make.at(HOURS - 20))
    for hour in range(HOURS - FORECASTS, HOURS):
        yield make.forecast(patient, make.at(hour), hours=AHEAD)


def publish(console: Console, records: Iterator[tuple[str, str, bytes]]) -> None:
    """Send records, a thousand at a time so that few wait in memory."""
    producer = KafkaProducer(bootstrap_servers=console.kafka, linger_ms=20)
    for number, (topic, patient, raw) in enumerate(records):
        producer.send(console.prefix + topic, raw, key=patient.encode())
        if number % 1_000 == 0:
            producer.flush()
    producer.close()


class Now:
    """A ward that goes on: who speaks each second, in turns, and what is said."""

    def __init__(self, patients: list[str]) -> None:
        self._chance, self._patients = random.Random(11), patients
        self._standing = deque(standing(patients))
        self._turn = 0

    @property
    def hours(self) -> int:
        """Hours that every patient has gone through."""
        return self._turn // len(self._patients)

    def second(self) -> Iterator[OutputEvent]:
        """What is said in a second."""
        for _ in range(A_SECOND):
            hour, place = divmod(self._turn, len(self._patients))
            at, patient = HOURS + hour, self._patients[place]
            yield estimate(self._chance, patient, at)
            if at % 6 == 0:
                yield make.forecast(patient, make.at(at), hours=AHEAD)
            if self._turn % 40 == 0:
                begins = make.alert(patient, make.at(at), severity="high")
                self._standing.append(begins)
                yield from (begins, ended(self._standing.popleft(), make.at(at)))
            self._turn += 1


def heap(browser: webdriver.Chrome) -> dict[str, float]:
    """MB of the page's heap after a collection, its nodes, and the processor's seconds of its thread before that."""
    seconds = _metrics(browser)["TaskDuration"]
    browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    found = _metrics(browser)
    return {"MB": found["JSHeapUsedSize"] / 1e6, "nodes": found["Nodes"], "seconds": seconds}


def _metrics(browser: webdriver.Chrome) -> dict[str, float]:
    told = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return {one["name"]: one["value"] for one in told}


def opened(browser: webdriver.Chrome, console: Console) -> dict[str, Any]:
    """The page opened anew, once all lines are painted."""
    browser.get("about:blank")
    browser.get(console.address)
    figures: dict[str, Any] = eventually(
        lambda: browser.execute_script("return figures.all === null ? null : figures"), seconds=60
    )
    return figures


def rss(console: Console) -> float:
    """MB of the console's process."""
    status = Path(f"/proc/{console.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1e3


def processor(console: Console) -> float:
    """Seconds of the processor that the console has taken."""
    spent = Path(f"/proc/{console.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")


def measure(browser: webdriver.Chrome, console: Console, patients: list[str], minutes: float) -> None:
    """Print every figure."""
    resize(browser, 1280, 900)
    script = WATCH.replace("PATIENTS", str(len(patients)))
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    opened(browser, console)
    seen = [opened(browser, console) for _ in range(5)]
    for name in ("first", "all"):
        print(f"{name} lines painted: {_spread([one[name] for one in seen], 'ms')}", flush=True)
    ward, producer = Now(patients), KafkaProducer(bootstrap_servers=console.kafka)
    began = time.monotonic()
    next_look, minute = 1.0, Minute(browser, console)
    while (passed := (time.monotonic() - began) / 60) < minutes:
        for event in ward.second():
            key = event.patient_id.encode()
            producer.send(topic_of(event, console.prefix), encode(event), key=key)
            if event.kind == "estimate":
                producer.send(console.prefix + VITALS, b"-", key=key)
        producer.flush()
        if passed >= next_look:
            next_look += 1.0
            minute.tell(passed)
        time.sleep(max(0.0, 1.0 - (time.monotonic() - began) % 1.0))
    minute.tell(minutes)
    minute.slopes()
    producer.close()


class Minute:
    """What each minute was like, and what page and console hold as minutes go by."""

    def __init__(self, browser: webdriver.Chrome, console: Console) -> None:
        self._browser, self._console = browser, console
        browser.execute_script("figures.updates = []")
        self._before = heap(browser)["seconds"], processor(console)
        self._held: list[tuple[float, float, float]] = []

    def tell(self, passed: float) -> None:
        """What it was like since the last word."""
        browser, console = self._browser, self._console
        updates = browser.execute_script("const last = figures.updates; figures.updates = []; return last")
        browser.get_log("performance")  # the driver keeps what nobody takes
        ward = [one for one in updates if one[0] == "ward"]
        if not ward:
            print(f"{passed:5.1f} min: no ward frame", flush=True)
            return
        page, held = heap(browser), rss(console)
        spent = page["seconds"], processor(console)
        each = [1e3 * (now - then) / len(ward) for now, then in zip(spent, self._before, strict=True)]
        self._before = spent
        self._held.append((passed, page["MB"], held))
        size = statistics.median(one[1] for one in ward) / 1e3
        print(
            f"{passed:5.1f} min: {len(ward)} ward frames, {_spread([one[2] for one in ward], 'ms')}, {size:.1f} kB; "
            f"computed for each {each[0]:.0f} ms in the page, {each[1]:.0f} in the console; page {page['MB']:.2f} MB, "
            f"{page['nodes']:.0f} nodes; console {held:.1f} MB",
            flush=True,
        )

    def slopes(self) -> None:
        """What is held once it has settled, as it grows in an hour, with the standard error."""
        settled = [each for each in self._held if each[0] >= SETTLED]
        if len(settled) > 2:
            for place, name in ((1, "page"), (2, "console")):
                slope, error = _slope([each[0] / 60 for each in settled], [each[place] for each in settled])
                print(f"{name}: {slope:+.2f} MB an hour, standard error {error:.2f}, over {len(settled)} minutes")


def _slope(times: list[float], values: list[float]) -> tuple[float, float]:
    """Slope of the line of least squares, and its standard error."""
    slope, start = statistics.linear_regression(times, values)
    left = sum((value - start - slope * at) ** 2 for at, value in zip(times, values, strict=True))
    middle = statistics.fmean(times)
    return slope, (left / (len(times) - 2) / sum((at - middle) ** 2 for at in times)) ** 0.5


def _spread(values: list[float], unit: str) -> str:
    values = sorted(values)
    most = values[int(0.95 * len(values))]
    return f"median {statistics.median(values):.0f}, 95 % within {most:.0f}, longest {values[-1]:.0f} {unit}"


def main(patients: int = 500, minutes: float = 2.0) -> None:
    """Measure on servers of its own."""
    names = [f"P-{number:04d}" for number in range(1, patients + 1)]
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalServices(Path(folder) / "servers", ephemeral=True, say=print) as servers,
        chromium(Path(folder) / "chromium") as browser,
    ):
        kafka = servers.start_kafka()
        ensure_topics(kafka, "w.")
        console = start_console(kafka, "w.", 0, "--replayed", "--keep-estimates", str(HOURS))
        try:
            publish(console, past(names))
            eventually(lambda: _read(browser, console) >= patients, seconds=900)
            measure(browser, console, names, minutes)
        finally:
            assert stop_console(console) == 0


def _read(browser: webdriver.Chrome, console: Console) -> int:
    """Patients whose whole past the console has read."""
    browser.get(f"{console.address}/healthz")
    told: dict[str, Any] = browser.execute_script("return JSON.parse(document.body.textContent)")
    return int(told["patients"]) if told["reader"]["state"] == "live" and told["reader"]["behind"] == 0 else 0


if __name__ == "__main__":
    main(*(kind(said) for kind, said in zip((int, float), sys.argv[1:], strict=False)))
