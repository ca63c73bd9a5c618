"""To log in, act and log out in a real browser, by keyboard alone, on the real console."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from connectors.access.accounts import AccountsFile
from connectors.kafka.topics import COMMANDS, ensure_topics, home_partition
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
    ward_order,
)
from twin.events import AlertAction, decode


@pytest.fixture
def file(tmp_path: Path) -> AccountsFile:
    return accounts_in(tmp_path)


@pytest.fixture
def guarded(kafka: str, file: AccountsFile) -> Iterator[Console]:
    prefix = f"l{uuid.uuid4().hex[:8]}."
    ensure_topics(kafka, prefix)
    console = start_console(kafka, prefix, 0, "--replayed", "--accounts", str(file.path))
    console.publish(
        *(make.estimate(patient, make.at(20)) for patient in ("P-1", "P-3")), make.alert("P-1", make.at(20))
    )
    yield console
    assert stop_console(console) == 0


def focused(browser: webdriver.Chrome) -> Any:
    return browser.switch_to.active_element


def log_in(browser: webdriver.Chrome, name: str, password: str) -> None:
    """By keyboard alone: the first field has the focus already."""
    eventually(lambda: focused(browser).get_attribute("id") == "name")
    focused(browser).send_keys(name, Keys.TAB)
    focused(browser).send_keys(password, Keys.ENTER)


def test_a_nurse_logs_in_acts_as_that_account_and_logs_out(
    browser: webdriver.Chrome, guarded: Console, file: AccountsFile
) -> None:
    browser.get(f"{guarded.address}/#patient/P-1")
    assert browser.current_url == f"{guarded.address}/login#patient/P-1"
    log_in(browser, "nurse-7", "wrong")
    eventually(lambda: text_of(browser, "#answer") == "Not logged in: name or password is wrong")
    assert focused(browser).get_attribute("id") == "password"
    focused(browser).send_keys(PASSWORD, Keys.ENTER)
    eventually(lambda: visible(browser, "#alerts .act summary"))
    assert browser.current_url == f"{guarded.address}/#patient/P-1"
    assert text_of(browser, "#who") == "nurse-7"
    browser.execute_script("document.querySelector('#alerts .act summary').focus()")
    focused(browser).send_keys(Keys.ENTER)
    eventually(lambda: visible(browser, "#alerts .act form"))
    assert visible(browser, "#alerts .act input[name=by]") == []
    browser.execute_script("document.querySelector('#alerts .act input[name=reason]').focus()")
    focused(browser).send_keys("seen", Keys.ENTER)
    eventually(lambda: text_of(browser, "#alerts .answer").startswith("Sent."))
    assert [word.by for word in sent(guarded)] == ["nurse-7"]
    browser.execute_script("location.hash = ''")
    eventually(lambda: ward_order(browser) == ["P-1"])
    browser.execute_script("document.getElementById('log-out').focus()")
    focused(browser).send_keys(Keys.ENTER)
    eventually(lambda: browser.current_url.startswith(f"{guarded.address}/login"))
    browser.get(guarded.address)
    assert browser.current_url == f"{guarded.address}/login"
    log_in(browser, "viewer-1", PASSWORD)
    eventually(lambda: ward_order(browser) == ["P-1"])
    browser.execute_script("location.hash = '#patient/P-1'")
    eventually(lambda: visible(browser, "#alerts .what"))
    assert visible(browser, "#alerts .act summary") == []
    file.change(lambda all_: all_.with_disabled("viewer-1", disabled=True))
    eventually(lambda: browser.current_url == f"{guarded.address}/login#patient/P-1")
    browser.get_log("browser")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_to_log_in_fits_and_is_axe_clean(
    browser: webdriver.Chrome, guarded: Console, scheme: str, width: int
) -> None:
    resize(browser, width, 700)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        browser.get(f"{guarded.address}/login")
        eventually(lambda: focused(browser).get_attribute("id") == "name")
        assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        named = "return [...document.querySelectorAll('input')].map(e => e.labels[0].textContent)"
        eventually(lambda: browser.execute_script(named) == ["Account (pseudonym)", "Password"])
        assert barriers(browser) == []
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        browser.get_log("browser")
        browser.get("about:blank")


def sent(console: Console) -> list[AlertAction]:
    """What was done about the alerts of P-1, as it stands on the topic."""
    place = TopicPartition(console.prefix + COMMANDS, home_partition(b"P-1", 4))
    consumer = KafkaConsumer(bootstrap_servers=console.kafka)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    records = eventually(lambda: [one for batch in consumer.poll(500).values() for one in batch])
    consumer.close()
    words = [decode(record.value) for record in records]
    return [word for word in words if isinstance(word, AlertAction)]
