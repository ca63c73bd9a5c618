"""The inbox in a real browser: worked through by keyboard alone, why an alert stands, and what others do meanwhile.

The tests share one console, on whose ward more and more happens.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from connectors.kafka.topics import ensure_topics
from tests import factories as make
from tests.connectors.access.keys import PASSWORD, accounts_in
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
from tests.connectors.console.test_browser import sent_actions
from tests.connectors.console.test_log_in_in_browser import log_in
from tests.streams.commands.bedside.test_ask import record
from tests.streams.worker.stage import Stage, WorkerProcess, lab
from twin.events import Alert, AlertEvidence, AlertHandling, AlertThreshold, Deciding

NOW = datetime.now(UTC).replace(microsecond=0)
PICKS = "#inbox-list .pick"


@pytest.fixture(scope="module")
def console(kafka: str) -> Iterator[Console]:
    prefix = f"i{uuid.uuid4().hex[:8]}."
    ensure_topics(kafka, prefix)
    console = start_console(kafka, prefix)
    console.publish(*ward())
    yield console
    assert stop_console(console) == 0


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def resting_on_a_count(patient: str = "P-2") -> list[Any]:
    """A patient whose alert was decided by a count, with what was believed before and after it."""
    levels = {4: 3.2, 3: 3.0, 2: 1.1, 1: 0.9}
    estimates = [
        make.estimate(patient, ago(hours), outputs=(make.band("neutrophils", "10*9/L", level),))
        for hours, level in levels.items()
    ]
    threshold = AlertThreshold(0.35, 0.2, margin=0.03, assumed="two in three are right")
    count = Deciding("lab_result", "neutrophils", ago(2), "count 1")
    rests_on = AlertEvidence(ago(2), 0.62, 0.016, threshold, None, (count,))
    return [
        *estimates,
        make.prediction(patient, ago(2), observed=1.4),
        make.forecast(patient, ago(3), p_grade4=0.15),
        make.forecast(patient, ago(2), p_grade4=0.62),
        make.alert(patient, ago(2), evidence=rests_on, advice="Take a full blood count."),
    ]


def ward() -> list[Any]:
    """Three patients, of whom two call for somebody."""
    return [
        make.estimate("P-1", ago(1)),
        make.alert("P-1", ago(5), rule="delivery.underinfusion", severity="medium", probability=None),
        *resting_on_a_count(),
        make.estimate("P-3", ago(1)),
        make.alert("P-3", ago(1), rule="data.dropout", severity="low", probability=None),
    ]


def names(page: webdriver.Chrome) -> list[str]:
    """Whose alerts are listed, in order."""
    return [text.split()[1] for text in visible(page, PICKS)]


def press(page: webdriver.Chrome, *keys: str) -> None:
    for key in keys:
        page.switch_to.active_element.send_keys(key)


def opened(page: webdriver.Chrome, console: Console, *events: Any, view: str = "") -> None:
    console.publish(*events)
    page.get(f"{console.address}/#inbox{view}")
    eventually(lambda: visible(page, PICKS))


def pick(page: webdriver.Chrome, patient: str) -> None:
    """Open the first alert of a patient."""
    page.execute_script(
        "[...document.querySelectorAll(arguments[0])].find(e => e.innerText.includes(arguments[1])).click()",
        PICKS,
        patient,
    )


def acknowledged(alert: Alert, by: str) -> Alert:
    done = AlertHandling("acknowledge", by, NOW, "seen", "done 1")
    return alert.model_copy(
        update={
            "event_id": "a1",
            "revision": 1,
            "time": NOW,
            "state": "acknowledged",
            "phase": "acknowledged",
            "handled": done,
        }
    )


def test_the_inbox_is_worked_through_by_keyboard_alone(page: webdriver.Chrome, console: Console) -> None:
    opened(page, console)
    eventually(lambda: names(page) == ["P-2", "P-1", "P-3"])
    assert text_of(page, "#inbox-summary") == "3 waiting, 3 in all"
    assert text_of(page, "#inbox-count") == "3"
    for _ in range(20):
        if "pick" in (page.switch_to.active_element.get_attribute("class") or ""):
            break
        press(page, Keys.TAB)
    press(page, Keys.ARROW_DOWN, "k", Keys.END, Keys.HOME)
    assert "P-2" in page.switch_to.active_element.text
    press(page, "?")
    eventually(lambda: visible(page, "#keys"))
    press(page, Keys.ESCAPE)
    eventually(lambda: not visible(page, "#keys"))
    assert "P-2" in page.switch_to.active_element.text
    press(page, "a")
    assert page.switch_to.active_element.get_attribute("name") == "by"
    press(page, "nurse-7", Keys.TAB, "seen by")
    console.publish(make.estimate("P-2", NOW))  # a frame that comes meanwhile takes nothing of what is being written
    eventually(lambda: "2 h ago" in visible(page, PICKS)[0])
    press(page, " me", Keys.ENTER)
    eventually(lambda: "Sent." in text_of(page, "#inbox-list .answer"))
    (word,) = sent_actions(console)
    assert (word.action, word.by, word.reason) == ("acknowledge", "nurse-7", "seen by me")
    alert = ward()[-3]
    assert isinstance(alert, Alert)
    console.publish(acknowledged(alert, "nurse-7"))
    eventually(lambda: "acknowledged by nurse-7: seen" in text_of(page, "#inbox-list .head .handled"))
    assert names(page) == ["P-2", "P-1", "P-3"], "what is open stays until it is closed"
    press(page, Keys.ESCAPE, Keys.ESCAPE)
    eventually(lambda: names(page) == ["P-1", "P-3"])
    assert "P-1" in page.switch_to.active_element.text, "the focus goes to the next one"
    press(page, "s")
    assert page.switch_to.active_element.get_attribute("name") == "hours"
    press(page, Keys.TAB)
    page.execute_script("location.hash = '#inbox/seen'")
    eventually(lambda: names(page) == ["P-2", "P-1"])


def test_an_alert_says_why_it_stands(page: webdriver.Chrome, console: Console) -> None:
    opened(page, console, view="/all")
    pick(page, "P-2")
    eventually(lambda: visible(page, "#inbox-list .story table"))
    said = text_of(page, "#inbox-list .panel")
    for words in (
        "Take a full blood count.",
        "lab result of neutrophils",
        "1.4 ×10⁹/L measured; expected 4.4 ×10⁹/L",
        "lower than expected",
        "raised above 35 % by 3 %",
        "dosetwin explain",
        "History (2)",
    ):
        assert words in said, words
    rows = [row.replace("\t", " | ") for row in visible(page, "#inbox-list .story tbody tr")]
    assert rows[0].startswith("neutrophils | 3 ×10⁹/L")
    assert "1.1 ×10⁹/L" in rows[0]
    assert "P(grade 4) | 15 % | 62 %" in rows
    assert "probability of this alert | it did not stand | 62 %" in rows


def test_what_keeps_a_twin_from_moving_stands_above_the_alerts_and_on_its_patients_page(
    page: webdriver.Chrome, console: Console
) -> None:
    sealed = make.heartbeat(0, NOW, sealed={"P-1": "too_many_failures"})
    opened(page, console, sealed, make.rejected("P-3", detail="no unit"))
    eventually(lambda: len(visible(page, "#inbox-troubles li")) == 2)
    assert "P-1" in visible(page, "#inbox-troubles li")[0]
    assert "too_many_failures" in visible(page, "#inbox-troubles li")[0]
    assert "1 event refused" in visible(page, "#inbox-troubles li")[1]
    page.execute_script("location.hash = '#patient/P-3'")
    eventually(lambda: "no unit" in text_of(page, "#patient-troubles"))
    press(page, Keys.ESCAPE)
    eventually(lambda: visible(page, "#inbox-list"))


def test_a_sound_is_played_where_somebody_wants_it_and_is_never_the_only_sign(
    page: webdriver.Chrome, console: Console
) -> None:
    opened(page, console)
    before = len(names(page))
    assert not page.execute_script("return document.getElementById('sound').checked")
    page.execute_script(
        "window.tones = 0; const make = AudioContext.prototype.createOscillator;"
        "AudioContext.prototype.createOscillator = function () { window.tones += 1; return make.call(this); };"
    )
    tones = "return window.tones"
    try:
        console.publish(make.alert("P-3", NOW, severity="high"))
        eventually(lambda: len(names(page)) == before + 1)
        assert page.execute_script(tones) == 0
        page.find_element(By.ID, "sound").click()
        assert page.execute_script(tones) == 1, "how it sounds is heard when it is asked for"
        console.publish(make.alert("P-1", NOW, severity="high"))
        eventually(lambda: page.execute_script(tones) == 6)
        said = page.execute_script("return document.getElementById('announce').textContent")
        assert said == "P-1: Neutropenia grade 4: neutrophils begun"
        page.refresh()
        eventually(lambda: visible(page, PICKS))
        assert page.execute_script("return document.getElementById('sound').checked"), "it is remembered"
    finally:
        page.execute_script("localStorage.clear()")


def test_what_one_user_does_is_seen_by_another_within_a_second(
    browser: webdriver.Chrome, second_browser: webdriver.Chrome, kafka: str, tmp_path: Path
) -> None:
    stage, patients = Stage(kafka), ("A", "B", "C")
    for patient in patients:
        told = [*record(), lab("A", 8 * 24 * 60, value=0.3)]
        stage.play([one.model_copy(update={"patient_id": patient, "event_id": patient + one.event_id}) for one in told])
    file = accounts_in(tmp_path, nurse_1=("clinician", "*"), doctor_2=("clinician", "*"))
    console = start_console(kafka, stage.prefix, 0, "--replayed", "--accounts", str(file.path))
    real = {"twins": "streams.worker.twin_factory:LibraryTwins", "environment": {"DOSETWIN_PARTICLES": "100"}}
    try:
        with WorkerProcess(stage, tmp_path / "worker.log", **real) as worker:  # type: ignore[arg-type]
            for each, name, view in ((browser, "nurse-1", ""), (second_browser, "doctor-2", "/all")):
                resize(each, 1280, 900)
                each.get(f"{console.address}/login#inbox{view}")
                log_in(each, name, PASSWORD)
            for each in (browser, second_browser):
                eventually(lambda each=each: " ".join(visible(each, PICKS)).count("high") == len(patients), seconds=120)
            browser.execute_script("document.querySelector(arguments[0]).focus()", PICKS)
            took = []
            for done in range(len(patients)):
                press(browser, "a", "seen to")
                began = time.monotonic()
                press(browser, Keys.ENTER)
                eventually(lambda done=done: len(visible(second_browser, "#inbox-list .handled")) == done + 1)
                took.append(time.monotonic() - began)
                eventually(lambda: visible(browser, "#inbox-list .head .handled"))
                press(browser, Keys.ESCAPE, Keys.ESCAPE)
            assert set(visible(second_browser, "#inbox-list .handled")) == {"acknowledged by nurse-1: seen to"}
            assert text_of(browser, "#inbox-empty") == "No alert waits for anybody."
            assert browser.switch_to.active_element.get_attribute("id") == "inbox-title"
            assert min(took) < 1.0, took
            assert worker.stop(120.0) == 0
    finally:
        for each in (browser, second_browser):
            each.get("about:blank")
        browser.get_log("browser")
        assert stop_console(console) == 0
        stage.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.skipif(not AXE, reason="set DOSETWIN_AXE to axe.min.js of axe-core")
def test_nothing_of_the_inbox_is_a_barrier(page: webdriver.Chrome, console: Console, scheme: str) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        opened(page, console, make.rejected("P-3", detail="no unit"), view="/all")
        pick(page, "P-2")
        eventually(lambda: visible(page, "#inbox-list .story table"))
        page.execute_script(
            "document.querySelectorAll('#inbox-list summary').forEach(e => e.parentElement.open = true)"
        )
        assert barriers(page) == []
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
