"""The ward in a real browser: who needs somebody now, what is due, who was heard, and what stopped."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from kafka import KafkaProducer
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from connectors.kafka.topics import HEARTBEATS, LABS, PUMP, VITALS, ensure_topics
from connectors.services import LocalServices
from tests import factories as make
from tests.connectors.console.in_browser import (
    Console,
    barriers,
    eventually,
    resize,
    start_console,
    stop_console,
    text_of,
    visible,
    ward_order,
)
from twin.events import DueDose, Heartbeat, OutputEvent, Quantity, Rejected, encode

DUE = {
    "docetaxel": DueDose(time=make.at(33), amount=Quantity(value=75, unit="mg"), duration=Quantity(value=1, unit="h"))
}
NO_MODEL = "field 'model': 'docetaxl' is not in the library; did you mean 'docetaxel_ozawa2007'?"


def ward() -> list[OutputEvent | Rejected]:
    """P-1 is well, P-2 has an alert that waits, P-3 one that somebody has seen, P-4 fell behind by half a year, P-5
    runs nothing, and P-9's enrolment was refused."""
    falling = [
        make.estimate("P-1", make.at(hour), outputs=(make.band("neutrophils", "10*9/L", 4.0 - hour / 10),), due=DUE)
        for hour in range(25)
    ]
    idle = {"docetaxel": Quantity(value=0.0, unit="mg/h")}
    return [
        *falling,
        *(make.estimate(patient, make.at(24)) for patient in ("P-2", "P-3")),
        make.estimate("P-4", make.at(24) - timedelta(days=182)),
        make.estimate("P-5", make.at(24), delivered_rate=idle),
        make.alert("P-2", make.at(24), severity="low", rule="data.dropout"),
        make.alert("P-2", make.at(24), severity="medium", rule="delivery.underinfusion"),
        make.alert("P-3", make.at(24), severity="high", state="acknowledged"),
        make.rejected("P-9", reason="unknown_model", detail=NO_MODEL),
    ]


def beat(producer: KafkaProducer, console: Console, sealed: dict[str, str] | None = None) -> None:
    """A word of a worker that lives."""
    told = Heartbeat.example().model_copy(
        update={"state": "live", "partition": 0, "partitions": 1, "sealed": sealed or {}}
    )
    producer.send(console.prefix + HEARTBEATS, encode(told), key=b"0")
    producer.flush()


@contextmanager
def speaking(console: Console, sealed: dict[str, str] | None = None) -> Iterator[threading.Event]:
    """A worker that lives, and vitals of P-1 ten times a second until the event is set."""
    ended, silent = threading.Event(), threading.Event()

    def speak() -> None:
        producer = KafkaProducer(bootstrap_servers=console.kafka)
        while not ended.wait(0.1):
            beat(producer, console, sealed)
            if not silent.is_set():
                producer.send(console.prefix + VITALS, b"for its twin alone", key=b"P-1")
        producer.close(timeout=1)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield silent
    finally:
        ended.set()
        thread.join()


def cell(page: webdriver.Chrome, patient: str, column: str) -> list[str]:
    return text_of(page, f'[data-patient="{patient}"] [data-column="{column}"]').split("\n")


def test_who_needs_somebody_now_comes_first_and_twins_that_watch_nobody_before_all(
    page: webdriver.Chrome, console: Console
) -> None:
    console.publish(*ward())
    with speaking(console, {"P-5": "degenerate"}):
        eventually(lambda: ward_order(page) == ["P-5", "P-9", "P-2", "P-4", "P-3", "P-1"])
        eventually(lambda: text_of(page, "#link-text").startswith("twins not live"))
        assert cell(page, "P-5", "alerts") == ["▲Twin sealed, nothing moves it: degenerate"]
        assert cell(page, "P-9", "alerts") == ["▲No twin: unknown_model"]
        chip = page.find_element(By.CSS_SELECTOR, '[data-patient="P-9"] .chip')
        assert chip.get_attribute("title") == NO_MODEL
        assert cell(page, "P-2", "alerts") == ["◆Under-infusion: docetaxel 62 %", "and 1 more alert"]
        assert cell(page, "P-4", "alerts") == ["◆182 d behind the ward"]
        assert visible(page, '[data-patient="P-3"] .chip.high.seen')
        assert "6 patients, 4 need somebody now, 2 of them urgently; 2 without a twin that lives" in text_of(
            page, "#ward-summary"
        )
        assert page.find_element(By.TAG_NAME, "body").get_attribute("data-stopped") == "", "five twins live"
        console.publish(make.alert("P-1", make.at(25), severity="high"))
        eventually(lambda: ward_order(page)[2] == "P-1")
    assert "182 d ago" in " ".join(cell(page, "P-4", "sources"))


WATCHED = """
window.moved = 0;
new MutationObserver((all) => all.forEach((one) => { moved += one.addedNodes.length; }))
  .observe(document.getElementById("ward-rows"), {childList: true});
window.made = 0;
for (const kind of ["NumberFormat", "PluralRules", "DateTimeFormat"])
  Intl[kind] = new Proxy(Intl[kind], {construct: (...all) => { made += 1; return Reflect.construct(...all); }});
const written = Number.prototype.toLocaleString;
Number.prototype.toLocaleString = function (...all) { made += 1; return written.apply(this, all); };
"""


def test_a_frame_moves_the_lines_that_it_changed_and_no_others_and_makes_nothing_anew_that_writes_numbers(
    page: webdriver.Chrome, console: Console
) -> None:
    def publish(hour: float, risks: dict[int, float]) -> None:
        console.publish(*(make.forecast(f"P-{n}", make.at(hour), p_grade4=risk) for n, risk in risks.items()))

    def lines(page: webdriver.Chrome) -> list[str]:
        return page.execute_script(  # type: ignore[no-any-return]
            "return [...document.querySelectorAll('#ward-rows tr')].map(line => line.dataset.patient)"
        )

    def ordered(risks: dict[int, float]) -> list[str]:
        return [f"P-{n}" for n in sorted(risks, key=lambda n: (-risks[n], n))]

    risks = {n: (n * 7 % 10) / 10 for n in range(1, 41)}
    publish(24, risks)
    eventually(lambda: lines(page) == ordered(risks))
    page.execute_script(WATCHED)
    changed = {9: 0.9, 30: 0.1, 12: 0.5}
    publish(25, changed)
    eventually(lambda: lines(page) == ordered(risks | changed))
    assert page.execute_script("return [moved, made]") == [3, 0]


def test_a_line_says_what_is_due_how_the_count_went_and_when_each_source_was_heard(
    page: webdriver.Chrome, console: Console
) -> None:
    console.publish(*ward())
    producer = KafkaProducer(bootstrap_servers=console.kafka)
    for topic in (PUMP, VITALS, LABS):
        producer.send(console.prefix + topic, b"for its twin alone", key=b"P-1")
    producer.flush()
    producer.close()
    eventually(lambda: cell(page, "P-1", "sources")[:3] == ["pump now", "vitals now", "labs now"])
    assert cell(page, "P-1", "due") == ["in 9 h", "75 mg docetaxel over 1 h", "3 Mar 2026, 17:00"]
    assert cell(page, "P-2", "due") == ["nothing planned"]
    trend = page.find_element(By.CSS_SELECTOR, '[data-patient="P-1"] .trend')
    label = (trend.get_attribute("aria-label") or "").replace("\u00a0", " ")
    assert label == "neutrophils in the last 24 h: from 4 to 1.6 ×10⁹/L"
    assert cell(page, "P-2", "sources")[0] == "not heard"
    for width, height, scheme in ((390, 800, "light"), (1280, 900, "dark"), (3840, 2160, "light")):
        resize(page, width, height)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        assert barriers(page) == []
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_filters_stand_in_the_address_and_nothing_there_is_of_a_patient(
    page: webdriver.Chrome, console: Console
) -> None:
    console.publish(*ward())
    eventually(lambda: len(ward_order(page)) == 6)
    Select(page.find_element(By.ID, "filter-show")).select_by_value("running")
    eventually(lambda: set(ward_order(page)) == {"P-1", "P-2", "P-3", "P-4"})
    Select(page.find_element(By.ID, "filter-drug")).select_by_value("docetaxel")
    eventually(lambda: page.current_url == f"{console.address}/#ward?show=running&drug=docetaxel")
    assert text_of(page, "#filter-told") == "4 of 6 shown"
    page.find_element(By.ID, "filter-search").send_keys("p-2")
    eventually(lambda: ward_order(page) == ["P-2"])
    assert "p-2" not in page.current_url.lower()
    for key in (Keys.TAB, Keys.TAB, Keys.ENTER):  # past the button that shows all, to the line
        page.switch_to.active_element.send_keys(key)
    eventually(lambda: text_of(page, "#patient-title") == "P-2")
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    eventually(lambda: ward_order(page) == ["P-2"])
    assert page.current_url.endswith("/#ward?show=running&drug=docetaxel")
    page.find_element(By.ID, "filter-none").send_keys(Keys.ENTER)
    eventually(lambda: len(ward_order(page)) == 6)
    assert page.current_url == f"{console.address}/#"
    page.get(f"{console.address}/#ward?show=late&drug=cisplatin&what=ever")
    eventually(lambda: text_of(page, "#filter-told") == "0 of 6 shown")
    page.get(f"{console.address}/#ward?show=late")
    eventually(lambda: set(ward_order(page)) == {"P-4", "P-9"})


@pytest.mark.usefixtures("kafka")
def test_a_page_says_within_five_seconds_what_stopped_feed_console_or_kafka(
    browser: webdriver.Chrome, tmp_path: Path
) -> None:
    def stopped() -> str:
        return browser.find_element(By.TAG_NAME, "body").get_attribute("data-stopped") or ""

    def said_of(what: str, banner: str, words: str, since: float) -> None:
        eventually(lambda: stopped() == what and words in text_of(browser, banner), seconds=5.0)
        assert time.monotonic() - since < 5.0

    with LocalServices(tmp_path, ephemeral=True) as servers:
        kafka = servers.start_kafka()
        ensure_topics(kafka, "s.", 1)
        console = start_console(kafka, "s.")
        try:
            console.publish(make.estimate("P-1"))
            with speaking(console) as silent:
                resize(browser, 1280, 900)
                browser.get(console.address)
                eventually(lambda: text_of(browser, "#link-text").startswith("live"))
                time.sleep(6)  # until the feed is known for one that speaks all the time
                assert stopped() == ""
                silent.set()
                said_of("feed", "#feed", "No word of any source of vitals (iomt.vitals)", time.monotonic())
                silent.clear()
                eventually(lambda: stopped() == "")
                console.process.send_signal(signal.SIGSTOP)
                said_of("page", "#banner", "No word from the console", time.monotonic())
                greyed = "return getComputedStyle(document.getElementById('ward-rows')).filter"
                assert browser.execute_script(greyed) == "grayscale(1)"
                console.process.send_signal(signal.SIGCONT)
                eventually(lambda: stopped() == "")
            servers.stop()
            said_of("kafka", "#banner", "Kafka cannot be reached", time.monotonic())
        finally:
            browser.get("about:blank")
            console.process.send_signal(signal.SIGCONT)
            assert stop_console(console) == 0
        browser.get_log("browser")
