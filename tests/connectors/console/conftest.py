"""A console of its own for each test, and one browser for those that look at it."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from connectors.kafka.topics import ensure_topics
from tests.connectors.console.in_browser import (
    Console,
    eventually,
    requests,
    resize,
    start_console,
    stop_console,
    text_of,
)

BOARDS = "http://boards.example/grafana"


@pytest.fixture
def console(kafka: str) -> Iterator[Console]:
    prefix = f"b{uuid.uuid4().hex[:8]}."
    ensure_topics(kafka, prefix)
    console = start_console(kafka, prefix, 0, "--boards", BOARDS)
    yield console
    assert stop_console(console) == 0


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser without a window that keeps what it must in a folder."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    assert program, "the browser tests need chromium: apt-get install chromium"
    assert chromedriver, "the browser tests need chromedriver: apt-get install chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(chromedriver, log_output=subprocess.DEVNULL, env={**os.environ, "TZ": "UTC"})
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def second_browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Another person's, with a profile of its own."""
    with chromium(tmp_path / "chromium") as driver:
        yield driver


@pytest.fixture
def page(browser: webdriver.Chrome, console: Console) -> Iterator[webdriver.Chrome]:
    """The ward page at 1280 pixels; afterwards nothing may have gone wrong or been asked of anyone else."""
    resize(browser, 1280, 900)
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(console.address)
    eventually(lambda: text_of(browser, "#link-text").startswith("twins not live"))  # there is no worker here
    yield browser
    complaints = [line["message"] for line in browser.get_log("browser") if line["level"] in ("SEVERE", "WARNING")]
    assert [text for text in complaints if "willReadFrequently" not in text] == [], "that one is about `inked`"
    asked = requests(browser)
    assert asked
    assert [url for url in asked if not url.startswith((console.address, "ws://127.0.0.1:", "data:"))] == []
    browser.get("about:blank")
