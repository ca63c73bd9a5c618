"""Dose advice on a patient's page, in a real browser: what is told, what is asked, and by keyboard alone."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from connectors.kafka.clients import open_consumer, records_to
from connectors.kafka.topics import COMMANDS
from tests import factories as make
from tests.connectors.console.in_browser import (
    AXE,
    Console,
    barriers,
    eventually,
    resize,
    start_console,
    stop_console,
    text_of,
    visible,
)
from tests.streams.commands.bedside.test_ask import MODEL, PROTOCOL, record
from tests.streams.worker.stage import Stage, WorkerProcess
from twin.events import AdviceRequested, decode

NOW = datetime.now(UTC).replace(microsecond=0)


def opened(page: webdriver.Chrome, console: Console, *events: Any) -> None:
    console.publish(make.estimate("P-1", NOW - timedelta(hours=1)), *events)
    page.get(f"{console.address}/#patient/P-1")
    eventually(lambda: visible(page, "#advised > *"))


def asked(console: Console) -> list[AdviceRequested]:
    """What people asked, as it stands on the topic of commands."""
    with contextlib.closing(open_consumer(console.kafka)) as consumer:
        name = console.prefix + COMMANDS
        places = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name)]
        words = [decode(record.value) for record in records_to(consumer, consumer.end_offsets(places))]
    return [word for word in words if isinstance(word, AdviceRequested)]


def test_every_way_stands_with_its_odds_as_a_table_and_as_a_plot(page: webdriver.Chrome, console: Console) -> None:
    opened(page, console, make.advice("P-1", NOW - timedelta(hours=3)))
    article = "#advised article"
    eventually(lambda: "120 mg (75 % of the plan) is advised" in text_of(page, f"{article} h4"))
    rows = visible(page, f"{article} .beside:first-of-type tbody tr")
    assert [row.split("\t")[0].strip() for row in rows[:6]] == [
        "planned",
        "-20 %",
        "-10 %",
        "+10 %",
        "+20 %",
        "advised",
    ]
    assert "45 % ± 1.5" in rows[0]
    assert "over the limit 25 %" in rows[0]
    assert len(page.find_elements(By.CSS_SELECTOR, f"{article} .panels svg circle")) == 12
    said = text_of(page, article)
    for words in (
        "within 25%",
        "(2 h ago)",
        "asked for",
        "AUC guided",
        "130 to 140 mg",
        "Next sample: neutrophils at",
        "Not to be chosen, as the protocol does not allow it: +10 %, +20 %.",
        "What if “stop docetaxel” cannot be followed: nothing of docetaxel runs now",
        "a person decides",
    ):
        assert words in said, words
    assert len(page.find_elements(By.CSS_SELECTOR, f"{article} .curves path.line")) == 2


def test_advice_says_that_the_record_has_moved_and_what_late_data_changed(
    page: webdriver.Chrome, console: Console
) -> None:
    first = make.advice("P-1", NOW - timedelta(minutes=50))
    opened(page, console, first)
    eventually(lambda: visible(page, "#advised article"))
    assert visible(page, "#advised .moved") == []
    console.publish(make.prediction("P-1", NOW - timedelta(minutes=30), observed=0.9))
    eventually(lambda: "The record has moved since: 1 value measured" in text_of(page, "#advised .moved"))
    console.publish(make.advice("P-1", NOW - timedelta(minutes=20), about="level", reason="By the newest count."))
    eventually(lambda: "By the newest count." in text_of(page, "#advised"))
    assert visible(page, "#advised .moved") == []
    assert text_of(page, "#advised-before-summary") == "1 earlier answer"
    page.find_element(By.ID, "advised-before-summary").click()
    eventually(lambda: "120 mg (75 % of the plan) advised" in text_of(page, "#advised-before-list"))
    page.find_element(By.CSS_SELECTOR, "#advised-before-list summary").click()
    eventually(lambda: visible(page, "#advised-before-list table"))
    gone = {"outcome": "withdrawn", "alternatives": (), "published": (), "branches": (), "ahead": ()}
    console.publish(make.advice("P-1", NOW - timedelta(minutes=50), reason="Withdrawn.", next_sample=None, **gone))
    eventually(lambda: "withdrawn, as the data that it rested on have changed" in text_of(page, "#advised-before-list"))


def test_no_advice_says_why(page: webdriver.Chrome, console: Console) -> None:
    nothing = {"alternatives": (), "published": (), "next_sample": None, "branches": (), "ahead": (), "ess": None}
    none = make.advice("P-1", NOW, outcome="none", reason="nothing runs and nothing is planned; send a plan", **nothing)
    opened(page, console, none)
    eventually(lambda: "no dose is advised" in text_of(page, '#advised [data-outcome="none"] h4'))
    assert "send a plan" in text_of(page, "#advised")


def unfold(page: webdriver.Chrome, summary: str) -> None:
    """Come to a form by keyboard and open it."""
    eventually(lambda: visible(page, "#ask summary"))
    for _ in range(40):
        if page.switch_to.active_element.text == summary:
            break
        page.switch_to.active_element.send_keys(Keys.TAB)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    eventually(lambda: visible(page, "#ask button"))


def test_a_twin_is_asked_by_keyboard_with_a_genotype(page: webdriver.Chrome, console: Console) -> None:
    opened(page, console)
    unfold(page, "Ask what should be given next")
    for text in ("physician-3", "second cycle", "DPYD=1.5"):
        page.switch_to.active_element.send_keys(Keys.TAB + text)
    console.publish(make.estimate("P-1", NOW))  # a frame that comes meanwhile takes nothing of what is being written
    page.switch_to.active_element.send_keys(Keys.ENTER)
    eventually(lambda: "Asked." in text_of(page, "#ask .answer"))
    (word,) = asked(console)
    assert (word.by, word.reason, word.patient_id) == ("physician-3", "second cycle", "P-1")
    assert [(one.gene, one.value) for one in word.genotypes] == [("DPYD", "1.5")]
    assert (word.asks, word.branches) == ("dose", ())
    console.publish(make.advice("P-1", NOW, cause=word.event_id))
    eventually(lambda: text_of(page, "#ask .answer") == "Answered.")
    page.find_element(By.CSS_SELECTOR, "#ask input[name=by]").send_keys(Keys.ESCAPE)
    assert visible(page, "#ask form") == []
    assert text_of(page, "#patient-title") == "P-1"


def test_what_ifs_alone_are_asked_by_keyboard_and_stand_beside_the_advice(
    page: webdriver.Chrome, console: Console
) -> None:
    opened(page, console, make.advice("P-1", NOW - timedelta(hours=3)))
    unfold(page, "What if something is changed?")
    page.switch_to.active_element.send_keys(Keys.TAB + "physician-3" + Keys.TAB)
    page.switch_to.active_element.send_keys(" ")
    page.find_element(By.CSS_SELECTOR, "#ask input[name=other]").send_keys("delay docetaxel 7 d" + Keys.ENTER)
    (word,) = eventually(lambda: asked(console))
    assert (word.asks, word.reason, word.branches) == ("what_if", "", ("stop docetaxel", "delay docetaxel 7 d"))
    alone = {"alternatives": (), "published": (), "next_sample": None, "protocol": None, "protocol_hash": None}
    answer = make.advice("P-1", NOW, cause=word.event_id, outcome="foreseen", decision=None, **alone)
    console.publish(answer)
    eventually(lambda: "Answered." in visible(page, "#ask .answer"))
    assert len(page.find_elements(By.CSS_SELECTOR, "#ask .foreseen .curves path.line")) == 2
    assert "“stop docetaxel” cannot be followed" in text_of(page, "#ask .foreseen")
    assert "120 mg (75 % of the plan) is advised" in text_of(page, "#advised article h4"), "it stands"
    console.publish(answer.model_copy(update={"event_id": "gone", "outcome": "withdrawn", "branches": (), "ahead": ()}))
    eventually(lambda: not visible(page, "#ask .foreseen"))
    assert visible(page, "#advised-before") == []


def test_what_cannot_be_asked_is_said_beside_the_form(page: webdriver.Chrome, console: Console) -> None:
    opened(page, console)
    page.find_element(By.CSS_SELECTOR, "#ask summary").click()
    for name, text in (("by", "physician-3"), ("reason", "rounds"), ("genotypes", "DPYD poor")):
        page.find_element(By.CSS_SELECTOR, f"#ask input[name={name}]").send_keys(text)
    page.find_element(By.CSS_SELECTOR, "#ask button").click()
    eventually(lambda: "write genotypes as gene=value" in text_of(page, "#ask .answer"))
    assert asked(console) == []


TIMED = """
const [words, done] = arguments;
const form = document.querySelectorAll("#ask form")[1];
form.elements.by.value = "physician-3";
form.elements.other.value = words;
const before = document.querySelector("#ask .foreseen article")?.dataset.cause;
const began = performance.now();
const look = () => {
  const article = document.querySelector("#ask .foreseen article");
  if (!article || article.dataset.cause === before || !article.querySelector("svg .line")) requestAnimationFrame(look);
  else done(performance.now() - began);
};
form.querySelector("button").click();
look();
"""


def click_to_curves(browser: webdriver.Chrome, words: str) -> float:
    """Ms from the click until the curves of a what-if are drawn."""
    took: float = browser.execute_async_script(TIMED, words)
    assert words in text_of(browser, "#ask .foreseen")
    return round(took)


def test_a_question_on_the_page_is_answered_there_by_the_worker_that_has_the_patient(
    browser: webdriver.Chrome, kafka: str, tmp_path: Path
) -> None:
    stage, allowed = Stage(kafka), tmp_path / "ward.toml"
    allowed.write_text(PROTOCOL)
    stage.play(record())
    real: dict[str, Any] = {
        "twins": "streams.worker.twin_factory:LibraryTwins",
        "environment": {"DOSETWIN_PARTICLES": "100"},
    }
    console = start_console(kafka, stage.prefix, 0, "--replayed")
    try:
        with WorkerProcess(stage, tmp_path / "worker.log", "--protocols", str(allowed), **real) as worker:
            worker.wait_ready(120.0)
            resize(browser, 1280, 900)
            browser.get(f"{console.address}/#patient/A")
            eventually(lambda: "ward_q3w" in text_of(browser, "#advised article"), seconds=120)
            browser.find_element(By.CSS_SELECTOR, "#ask summary").click()
            for name, text in (("by", "physician-3"), ("reason", "rounds")):
                browser.find_element(By.CSS_SELECTOR, f"#ask input[name={name}]").send_keys(text)
            browser.find_element(By.CSS_SELECTOR, "#ask button").click()
            eventually(lambda: text_of(browser, "#ask .answer") == "Answered.", seconds=120)
            browser.execute_script("document.querySelectorAll('#ask details')[1].open = true")
            took = [
                click_to_curves(browser, words)
                for words in ("delay docetaxel 7 d", "skip docetaxel", "scale docetaxel 0.8")
            ]
            assert worker.stop(120.0) == 0
        dose, *what_ifs = asked(console)
        assert (dose.by, dose.asks, {one.asks for one in what_ifs}) == ("physician-3", "dose", {"what_if"})
        print(f"from the click to the curves: {took} ms")
        assert MODEL.split("_")[0] in text_of(browser, "#advised article h4").lower()
    finally:
        browser.get("about:blank")
        assert stop_console(console) == 0
        stage.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE, reason="set DOSETWIN_AXE to axe.min.js of axe-core")
def test_nothing_of_the_advice_is_a_barrier(page: webdriver.Chrome, console: Console, scheme: str) -> None:
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    try:
        opened(page, console, make.advice("P-1", NOW - timedelta(hours=2)))
        eventually(lambda: visible(page, "#advised article"))
        page.find_element(By.CSS_SELECTOR, "#ask summary").click()
        assert barriers(page) == []
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
