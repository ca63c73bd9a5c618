"""To log in and out through a certified provider, and to take another password, in a real browser.

The provider is another site to the browser than the console: ``127.0.0.1`` and ``localhost``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from connectors.kafka.topics import ensure_topics
from connectors.services.ports import free_ports
from tests import factories as make
from tests import identities
from tests.connectors.access.keys import PASSWORD, accounts_in
from tests.connectors.console.in_browser import barriers, eventually, start_console, stop_console, text_of, visible

WORDS = "other words of a ward"


@pytest.fixture
def ward(kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a console that both accounts and a provider open, with a patient of nora's and one of others."""
    (port,), prefix = free_ports(1), f"o{uuid.uuid4().hex[:8]}."
    address = f"http://localhost:{port}"
    ensure_topics(kafka, prefix)
    with identities.provider_for(address) as provider:
        for name, value in identities.settings(provider, address).items():
            monkeypatch.setenv(name, value)
        console = start_console(kafka, prefix, port, "--replayed", "--accounts", str(accounts_in(tmp_path).path))
        console.publish(*(make.estimate(patient, make.at(20)) for patient in ("P-1", "P-3")))
        yield address
        assert stop_console(console) == 0


def is_clean(browser: webdriver.Chrome) -> None:
    """axe-core, where it is named, finds nothing wrong on a page that fits."""
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    assert barriers(browser) == []


def fill(browser: webdriver.Chrome, **fields: str) -> None:
    """Type into fields, and send the form by the last."""
    for name, value in fields.items():
        field = eventually(lambda n=name: browser.find_elements("name", n))[0]
        field.send_keys(value)
    field.send_keys(Keys.ENTER)


@pytest.mark.timeout(600)  # the first fetches the provider
def test_a_nurse_comes_by_the_provider_to_her_patient_and_leaves_it_too(browser: webdriver.Chrome, ward: str) -> None:
    browser.get(f"{ward}/#patient/P-1")
    eventually(lambda: text_of(browser, "#provider") == "Log in by the hospital's log-in")
    assert visible(browser, "#log-in label") == ["Account (pseudonym)", "Password"]
    eventually(lambda: browser.switch_to.active_element.get_attribute("id") == "provider")
    is_clean(browser)
    browser.switch_to.active_element.send_keys(Keys.ENTER)
    eventually(lambda: "/interaction/" in browser.current_url)
    assert browser.current_url.startswith("http://127.0.0.1:")
    fill(browser, login="nora", password="any")
    eventually(lambda: text_of(browser, "#who") == "nora-7")
    assert browser.current_url == f"{ward}/#patient/P-1"
    assert browser.execute_script("return sessionStorage.length") == 0
    browser.find_element("id", "who").click()
    eventually(
        lambda: text_of(browser, "#whose").startswith(
            "nora-7: clinician (acts on alerts, asks twins, takes patients as files, looks), patients P-1,P-2"
        )
    )
    assert (visible(browser, "#change"), visible(browser, "#outside")) == (
        [],
        ["Your password is the log-in service's: change it there."],
    )
    browser.get(ward)
    eventually(lambda: text_of(browser, "#who") == "nora-7")
    browser.find_element("id", "log-out").click()
    eventually(lambda: browser.find_elements("name", "logout"))[0].click()
    eventually(lambda: browser.current_url == f"{ward}/login")
    browser.get(f"{ward}/oidc/callback?code=x&state=y")
    eventually(lambda: "begun elsewhere, or too long ago" in text_of(browser, "#why"))
    fill(browser, name="nurse-7", password=PASSWORD)
    eventually(lambda: text_of(browser, "#who") == "nurse-7")
    browser.get(f"{ward}/account")
    eventually(lambda: visible(browser, "#change"))
    is_clean(browser)
    fill(browser, old=PASSWORD, new=WORDS, again="other words of a word")
    eventually(lambda: text_of(browser, "#answer") == "Not changed: the new password was typed in two ways")
    browser.find_element("name", "again").clear()
    fill(browser, again=WORDS)
    eventually(lambda: text_of(browser, "#answer") == "Changed. Your other sessions have ended.")
    browser.get(ward)
    eventually(lambda: text_of(browser, "#who") == "nurse-7")
    browser.get("about:blank")
    browser.get_log("browser")
