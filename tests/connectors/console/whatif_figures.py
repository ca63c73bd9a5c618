"""How fast what-ifs come: ``chrt -r 5 python -m tests.connectors.console.whatif_figures [PARTICLES] [ASKED]``.

A real Kafka, worker, console and browser, and a docetaxel patient of whom each time all what-ifs are asked that the
page offers, and one more in words. Told is, in ms from the click: until the console says that Kafka has the question;
until the broker had the question and had the answer, by its own clock; until the page had the frame with the answer;
and until the curves were drawn.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from selenium import webdriver

from connectors.kafka.clients import open_consumer, records_to
from connectors.kafka.topics import ADVICE, COMMANDS
from connectors.services import LocalServices
from tests.connectors.console.conftest import chromium
from tests.connectors.console.in_browser import Console, eventually, resize, start_console, stop_console, text_of
from tests.streams.commands.bedside.test_ask import PROTOCOL, record
from tests.streams.worker.stage import Stage, WorkerProcess
from twin.events import decode, decode_output

BRANCHES = (
    "delay docetaxel 7 d",
    "skip docetaxel",
    "scale docetaxel 0.8",
    "scale docetaxel 0.5",
    "delay docetaxel 3 d",
)

STAGES = ("question sent", "Kafka has it", "answer in Kafka", "frame in the page", "curves drawn")

WATCH = """
window.asked = {};
const Real = window.WebSocket;
window.WebSocket = class extends Real {
  set onmessage(handler) {
    super.onmessage = (event) => {
      const cause = window.asked.cause;
      if (cause && event.data.includes(cause)) window.asked.frame ??= performance.now();
      handler(event);
    };
  }
  get onmessage() { return super.onmessage; }
};
"""

TIMED = """
const [words, done] = arguments;
const form = document.querySelectorAll("#ask form")[1];
form.elements.by.value = "physician-3";
form.elements.other.value = words;
for (const box of form.querySelectorAll("input[name=branch]")) box.checked = true;
const before = document.querySelector("#ask .foreseen article")?.dataset.cause;
const fetched = window.fetch;
window.asked = {};
let answered;
window.fetch = async (...what) => {
  const answer = await fetched(...what);
  window.fetch = fetched;
  answered = performance.now();
  const copy = await answer.clone().json();
  window.asked.cause = copy.event_id;
  return answer;
};
const channel = new MessageChannel();
const began = performance.now();
const look = () => {
  const article = document.querySelector("#ask .foreseen article");
  const drawn = article && article.dataset.cause !== before && article.querySelector("svg .line");
  if (!drawn) return requestAnimationFrame(look);
  channel.port1.onmessage = () => done({
    cause: article.dataset.cause, began: performance.timeOrigin + began, answered: answered - began,
    frame: (window.asked.frame ?? NaN) - began, drawn: performance.now() - began,
  });
  channel.port2.postMessage(0);
};
form.querySelector("button").click();
requestAnimationFrame(look);
"""


def arrived(console: Console, topic: str) -> list[Any]:
    """The records of a topic."""
    with contextlib.closing(open_consumer(console.kafka)) as consumer:
        name = console.prefix + topic
        places = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name)]
        return list(records_to(consumer, consumer.end_offsets(places)))


def asked(browser: webdriver.Chrome, console: Console, number: int) -> list[dict[str, Any]]:
    """What-ifs asked one after the other."""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    browser.get(f"{console.address}/#patient/A")
    eventually(lambda: "ward_q3w" in text_of(browser, "#advised article"), seconds=120)
    browser.execute_script("document.querySelectorAll('#ask details')[1].open = true")
    return [browser.execute_async_script(TIMED, BRANCHES[each % len(BRANCHES)]) for each in range(number)]


def tell(console: Console, seen: list[dict[str, Any]]) -> None:
    """Print every stage."""
    questions = {decode(one.value).event_id: one.timestamp for one in arrived(console, COMMANDS)}
    answers = {decode_output(one.value).cause: one.timestamp for one in arrived(console, ADVICE)}
    rows = [
        (
            one["answered"],
            questions[one["cause"]] - one["began"],
            answers[one["cause"]] - one["began"],
            one["frame"],
            one["drawn"],
        )
        for one in seen
    ]
    for name, column in zip(STAGES, zip(*rows, strict=True), strict=True):
        ordered = sorted(column)
        print(
            f"{name}: median {statistics.median(ordered):.0f}, 95 % within {ordered[int(0.95 * len(ordered))]:.0f}, "
            f"longest {ordered[-1]:.0f} ms; the first {column[0]:.0f}",
            flush=True,
        )


def main(particles: int = 1000, number: int = 20) -> None:
    """Measure on servers of its own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalServices(Path(folder) / "servers", ephemeral=True, say=print) as servers,
        chromium(Path(folder) / "chromium") as browser,
    ):
        stage, allowed = Stage(servers.start_kafka()), Path(folder) / "ward.toml"
        allowed.write_text(PROTOCOL)
        stage.play(record())
        real: dict[str, Any] = {
            "twins": "streams.worker.twin_factory:LibraryTwins",
            "environment": {"DOSETWIN_PARTICLES": str(particles)},
        }
        console = start_console(stage.bootstrap, stage.prefix, 0, "--replayed")
        try:
            with WorkerProcess(stage, Path(folder) / "worker.log", "--protocols", str(allowed), **real) as worker:
                worker.wait_ready(120.0)
                resize(browser, 1280, 900)
                tell(console, asked(browser, console, number))
                assert worker.stop(120.0) == 0
        finally:
            assert stop_console(console) == 0
            stage.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
