"""A running console, and a browser that looks at it: what its tests ask and see."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import KafkaProducer
from selenium import webdriver

from connectors.kafka.topics import topic_of
from tests.streams.worker.forks import Forked
from twin.events import Heartbeat, OutputEvent, Rejected, encode

SECONDS = 60.0

AXE = os.environ.get("DOSETWIN_AXE", "")
"""axe.min.js of axe-core, which looks for what people with other senses cannot use."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""What axe-core looks for: WCAG 2.2 AA, and beyond."""


def barriers(browser: webdriver.Chrome) -> list[str]:
    """What axe-core finds wrong on the page; nothing where it is not named."""
    if not AXE:
        return []
    browser.execute_script(Path(AXE).read_text(encoding="utf-8"))
    found: list[str] = browser.execute_async_script(
        "const [rules, done] = arguments; axe.run(document, {runOnly: rules})"
        ".then(r => done(r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join())))",
        RULES,
    )
    return found


def eventually(look: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """The first truthy answer; fails with the last one when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := look()):
        assert time.monotonic() < deadline, f"still {answer!r} after {seconds} s"
        time.sleep(0.05)
    return answer


@dataclass
class Console:
    """A running ``dosetwin console`` and what it reads from."""

    kafka: str
    prefix: str
    process: Forked
    address: str

    def publish(self, *events: OutputEvent | Rejected | Heartbeat) -> None:
        producer = KafkaProducer(bootstrap_servers=self.kafka)
        for event in events:
            producer.send(
                topic_of(event, self.prefix), encode(event), key=(getattr(event, "patient_id", None) or "").encode()
            )
        producer.flush()
        producer.close()


def start_console(kafka: str, prefix: str, port: int = 0, *more: str) -> Console:
    options = ["--port", str(port), "--kafka", kafka, "--prefix", prefix, *more]
    said, says = os.pipe()
    process = Forked(["console", *options], os.environ, sys.__stderr__.fileno(), says)
    os.close(says)
    with open(said, encoding="utf-8") as lines:
        first = lines.readline()
    found = re.fullmatch(r"console: (http://127\.0\.0\.1:\d+)\n", first)
    assert found, f"expected the address, got {first!r}"
    return Console(kafka, prefix, process, found[1])


def stop_console(console: Console) -> int:
    console.process.send_signal(signal.SIGTERM)
    return console.process.wait(60)


def requests(browser: webdriver.Chrome) -> list[str]:
    """Addresses the page asked for since the last look."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [
        message["params"]["url"] if "url" in message["params"] else message["params"]["request"]["url"]
        for message in messages
        if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated")
    ]


def resize(browser: webdriver.Chrome, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def visible(browser: webdriver.Chrome, selector: str) -> list[str]:
    """The texts of what can be seen, read in one go because the page moves on between two questions."""
    texts: list[str] = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).map(e => e.innerText)",
        selector,
    )
    return [text.replace("\N{NO-BREAK SPACE}", " ") for text in texts]


def text_of(browser: webdriver.Chrome, selector: str) -> str:
    return next(iter(visible(browser, selector)), "")


def ward_order(browser: webdriver.Chrome) -> list[str]:
    return visible(browser, "#ward-rows tr a.open")


def inked(browser: webdriver.Chrome, chart: str) -> dict[str, int]:
    """Pixels of a chart by what is in them: any ink at all, and the blue of the twin's bands and lines."""
    return browser.execute_script(  # type: ignore[no-any-return]
        """
        const canvas = document.querySelector(`[data-chart="${arguments[0]}"] canvas`);
        if (!canvas) return {ink: 0, blue: 0};
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let ink = 0, blue = 0;
        for (let i = 0; i < data.length; i += 4) {
          if (data[i + 3] === 0) continue;
          ink += 1;
          if (data[i + 2] > data[i] + 40) blue += 1;
        }
        return {ink, blue};
        """,
        chart,
    )
