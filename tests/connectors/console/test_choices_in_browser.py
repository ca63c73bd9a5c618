"""What a reader chooses, in a real browser: units and time zone in all that is shown, one page of paper, a file."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from connectors.kafka.topics import ensure_topics
from tests import factories as make
from tests.connectors.access.keys import PASSWORD, accounts_in
from tests.connectors.console.in_browser import (
    Console,
    eventually,
    inked,
    start_console,
    stop_console,
    text_of,
    visible,
)
from tests.connectors.console.test_browser import course
from tests.connectors.console.test_messages_in_browser import choose
from twin.events import Advice, Alert, OutputEvent


@pytest.fixture
def chosen(page: webdriver.Chrome, console: Console) -> Iterator[webdriver.Chrome]:
    """A page of one who reads counts per microlitre, substance concentrations, and New York's time."""
    console.publish(*course(), standing(0))
    eventually(lambda: visible(page, '[data-patient="P-1"] .chip'))
    choose(page, zone="America/New_York", unit_count="/uL", unit_concentration="umol/L")
    eventually(lambda: "America/New_York" in text_of(page, "#chosen summary"))
    yield page
    page.execute_script("localStorage.clear()")


def standing(n: int) -> OutputEvent:
    alert = make.alert("P-1", make.at(20 + n), alert_id=f"one-{n}", text="Neutrophils fall. " * 20)
    return alert.model_copy(update={"evidence": Alert.example().evidence})


def test_everything_is_shown_in_the_units_and_the_time_that_were_chosen(
    chosen: webdriver.Chrome, console: Console
) -> None:
    line = '[data-patient="P-1"]'
    eventually(lambda: visible(chosen, f"{line} .chip"))
    assert text_of(chosen, "#chosen summary") == "English · America/New_York · /µL · µmol/L", "it is always said"
    assert text_of(chosen, f'{line} [data-column="count"]').startswith("4200 /µL")
    assert text_of(chosen, f'{line} [data-column="concentration"]').startswith("2.23 µmol/L")
    assert "4 Mar 2026, 03:00 (America/New_York)" in text_of(chosen, "#ward-summary")
    chosen.get(f"{console.address}/#patient/P-1")
    eventually(lambda: inked(chosen, "level:neutrophils")["blue"] > 2000)
    shown = text_of(chosen, "#patient-body")
    assert "10⁹" not in shown, "counts are in one unit on the whole page"
    assert "mg/L" not in shown.replace("mg·h/L", "")
    assert "Neutrophils, /µL" in shown
    chosen.find_element(By.CSS_SELECTOR, "#alerts .grounds summary").click()
    assert "limit 500 /µL, not below" in text_of(chosen, "#alerts .grounds dl")
    story = eventually(lambda: text_of(chosen, "#alerts .grounds .story table"))
    assert ("/µL" in story, "10⁹" in story) == (True, False), "what was believed is told in them too"
    assert text_of(chosen, "#measured-rows tr").startswith("3 Mar 2026, 19:00")
    link = chosen.find_element(By.ID, "export").get_attribute("href") or ""
    assert link.endswith("api/patients/P-1/csv?zone=America%2FNew_York")


def test_a_patient_is_one_page_of_paper_however_much_there_is(page: webdriver.Chrome, console: Console) -> None:
    advice = Advice.example().model_copy(update={"patient_id": "P-1", "time": make.at(40)})
    console.publish(*course(), advice, *map(standing, range(12)))
    page.get(f"{console.address}/#patient/P-1")
    eventually(lambda: len(visible(page, "#alerts > li")) == 12)
    eventually(lambda: inked(page, "level:neutrophils")["blue"] > 2000)
    for scheme in ("light", "dark"):
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        printed = page.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
        paper = base64.b64decode(printed["data"])
        assert len(re.findall(rb"/Type */Page\b", paper)) == 1, scheme
        assert re.search(rb"/MediaBox \[0 0 59[45](\.\d+)? 84[12]", paper), "A4"
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    foot = page.find_element(By.ID, "sheet-foot").get_attribute("textContent") or ""
    assert re.search(r"\d+ more alerts on the screen", foot)
    assert "(UTC)" in foot
    eventually(lambda: inked(page, "level:neutrophils")["blue"] > 2000)
    assert not page.execute_script("return document.documentElement.classList.contains('printing')")


def test_nothing_that_is_printed_is_cut_off_and_what_has_no_room_is_counted(
    page: webdriver.Chrome, console: Console
) -> None:
    advice = Advice.example().model_copy(update={"patient_id": "P-1", "time": make.at(40)})
    console.publish(*course(), advice, *map(standing, range(12)))
    page.get(f"{console.address}/#patient/P-1")
    eventually(lambda: len(visible(page, "#alerts > li")) == 12 and visible(page, "#advised article"))
    eventually(lambda: inked(page, "level:neutrophils")["blue"] > 2000)
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    try:
        high, shown, wide, most = page.execute_script(
            "const e = document.getElementById('patient'); return [e.scrollHeight, e.clientHeight, e.scrollWidth, 719]"
        )
        assert high <= shown + 1 <= 1045, "276 mm"
        assert wide <= most, "190 mm"
        alerts = len(visible(page, "#alerts > li"))
        assert 2 <= alerts < 12
        assert f"{12 - alerts} more alerts on the screen" in text_of(page, "#sheet-foot")
        assert len(visible(page, "#charts figure")) >= 2
    finally:
        page.execute_script("dispatchEvent(new Event('afterprint'))")
    eventually(lambda: len(visible(page, "#alerts > li")) == 12)
    assert visible(page, "#sheet-foot") == []


def test_who_logs_in_finds_their_choice_in_another_browser(
    browser: webdriver.Chrome, kafka: str, tmp_path: Path
) -> None:
    prefix = f"b{uuid.uuid4().hex[:8]}."
    ensure_topics(kafka, prefix)
    accounts = accounts_in(tmp_path)
    console = start_console(kafka, prefix, 0, "--accounts", str(accounts.path))
    try:
        for n in range(2):
            browser.delete_all_cookies()
            browser.get(f"{console.address}/login")
            eventually(lambda: visible(browser, "#name"))
            assert text_of(browser, "#log-in-title") == "Log in"
            browser.execute_script("localStorage.clear()")
            for field, value in (("name", "viewer-1"), ("password", PASSWORD)):
                browser.find_element(By.ID, field).send_keys(value)
            browser.find_element(By.ID, "enter").click()
            eventually(lambda: text_of(browser, "#who") == "viewer-1")
            if n == 0:
                choose(browser, language="de", zone="Asia/Tokyo")
            eventually(lambda: text_of(browser, "#chosen summary") == "Deutsch · Asia/Tokyo")
        console.publish(make.estimate("P-1"))
        browser.get(f"{console.address}/#patient/P-1")
        eventually(lambda: visible(browser, "#print"))
        assert visible(browser, "#export") == [], "who only looks takes no file along"
    finally:
        browser.get("about:blank")
        browser.delete_all_cookies()
        assert stop_console(console) == 0
