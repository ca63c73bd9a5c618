"""The page for engineers in a real browser: who may see it, and a dead letter mended and sent again."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from connectors.audit.keeping import write_chain
from connectors.kafka.clients import kept_records
from connectors.kafka.topics import LABS, ensure_topics
from connectors.settings import Settings
from tests import factories as make
from tests.connectors.access.keys import PASSWORD, accounts_in
from tests.connectors.console.in_browser import (
    Console,
    barriers,
    eventually,
    resize,
    start_console,
    stop_console,
    text_of,
    visible,
)
from tests.connectors.console.test_log_in_in_browser import log_in
from twin.events import LabResult, Rejected, encode

LAB = LabResult.example().model_copy(update={"patient_id": "P-1"})
CAME = encode(LAB).decode().replace('"unit":"', '"unit":"x')


def refused(topic: str) -> Rejected:
    """A count whose unit nobody knows."""
    return Rejected(
        reason="unknown_unit",
        detail="field 'value.unit': 'x10*9/L' is not a UCUM unit; write '10*9/L'",
        patient_id="P-1",
        topic=topic,
        partition=0,
        offset=7,
        original_base64=base64.b64encode(CAME.encode()).decode(),
    )


def come(browser: webdriver.Chrome, console: Console, name: str) -> None:
    browser.delete_all_cookies()
    browser.get(f"{console.address}/login")
    log_in(browser, name, PASSWORD)
    eventually(lambda: visible(browser, '[data-patient="P-1"]'))


def came(console: Console) -> list[Any]:
    places = [TopicPartition(console.prefix + LABS, number) for number in range(4)]
    return [json.loads(record.value) for record in kept_records(console.kafka, places)]


def test_an_engineer_mends_a_dead_letter_by_keyboard_and_a_nurse_does_not_see_the_page(
    browser: webdriver.Chrome, kafka: str, tmp_path: Path
) -> None:
    prefix = f"e{uuid.uuid4().hex[:8]}."
    ensure_topics(kafka, prefix)
    accounts = accounts_in(tmp_path)
    console = start_console(kafka, prefix, 0, "--replayed", "--accounts", str(accounts.path))
    try:
        resize(browser, 1280, 1000)
        console.publish(make.estimate("P-1"), make.prediction("P-1"), refused(prefix + LABS))
        come(browser, console, "nurse-7")
        assert visible(browser, "#to-engineer") == []
        browser.get(f"{console.address}/engineer")
        assert "which may not mend here" in browser.find_element(By.TAG_NAME, "body").text
        come(browser, console, "engineer-2")
        eventually(lambda: visible(browser, "#to-engineer a"))
        browser.execute_script("document.querySelector('#to-engineer a').focus()")
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        eventually(lambda: visible(browser, "#letters li"))
        assert "1 letter" in text_of(browser, "#letters-told")
        assert "is not a UCUM unit" in text_of(browser, "#letters li")
        eventually(lambda: len(visible(browser, "#sources tbody tr")) == 4)
        eventually(lambda: text_of(browser, "#filter-health tbody tr").split("\t")[0] == "P-1")
        assert "well" in text_of(browser, "#filter-health tbody tr")
        browser.find_element(By.ID, "read-held").send_keys(Keys.ENTER)
        eventually(lambda: text_of(browser, "#held-told") == "Nothing is held.")
        write_chain(Settings(kafka=kafka, topic_prefix=prefix), lambda: False, follow=False)
        browser.find_element(By.ID, "verify-audit").send_keys(Keys.ENTER)
        eventually(lambda: text_of(browser, "#audit-told") == "The chains hold.")
        accessed = next(row for row in visible(browser, "#audit tbody tr") if "access" in row).split("\t")
        assert int(accessed[1]) > 0
        assert accessed[4] == "0"
        browser.find_element(By.CSS_SELECTOR, "#letters summary").send_keys(Keys.ENTER)
        eventually(lambda: visible(browser, "#letters textarea"))
        field = browser.find_element(By.CSS_SELECTOR, "#letters textarea")
        assert field.get_attribute("value") == CAME
        for mended, told in (("{", "Not sent: field 'original'"), (encode(LAB).decode(), "Sent mended on ")):
            field.send_keys(Keys.CONTROL + "a")
            field.send_keys(mended, Keys.TAB)
            browser.switch_to.active_element.send_keys(Keys.ENTER)
            eventually(lambda told=told: text_of(browser, "#letters .answer").startswith(told))
        assert came(console) == [json.loads(encode(LAB))]
        assert barriers(browser) == []
    finally:
        browser.get("about:blank")
        browser.delete_all_cookies()
        assert stop_console(console) == 0
        browser.get_log("browser")
