"""The page of a fit: whole in itself, drawn in a browser, light and dark, wide and narrow, and no barrier."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from connectors.reports.fitted.page import fit_page
from tests.connectors.console.in_browser import AXE, barriers, requests, resize
from tests.connectors.reports.fitted.conftest import Made
from tests.connectors.reports.test_pages import Elements

pytestmark = pytest.mark.slow


def test_it_is_whole_in_itself(made: Made) -> None:
    page = Elements(re.sub(r"<input [^>]*>", "", made.page))
    assert page.open == []
    assert "script" not in page.seen
    assert all(address.startswith("data:text/csv") for address in page.asked)
    held = re.search(r'download="values.csv" href="data:text/csv;base64,([^"]+)"', made.page)
    assert held is not None
    assert base64.b64decode(held[1]).decode() == made.tables["values"]


def test_what_names_of_variances_begin_with_is_said_of_all_levels(made: Made) -> None:
    (said,) = (line for line in made.page.splitlines() if line.startswith("Names that begin with omega"))
    assert all(word in said for word in ("patients", "iov of those of occasions", "isv of those of sites", "drift"))


def test_it_says_what_there_is_none_of_and_why(made: Made) -> None:
    text = re.sub(r"\s+", " ", made.page)
    assert "Values known only by a limit have no CWRES" in text
    assert "A category has no standard deviation" in text
    assert "SEX 1" in text
    assert "below 1" in text


def test_what_did_not_converge_stands_first(made: Made) -> None:
    problem = "the search ended <stuck>"
    found = made.found | {"converged": False, "problems": [problem], "standard_errors": None, "correlation": None}
    found |= {"condition_number": None}
    page = fit_page(found, replace(made.diagnosed, influence=None), made.tables)
    assert page.index("not converged") < page.index("the search ended &lt;stuck&gt;") < page.index("Estimates</h2>")
    assert "There are no standard errors" in page
    assert "distances cannot be told" in page


def test_the_same_numbers_make_the_same_bytes(made: Made) -> None:
    assert fit_page(made.found, made.diagnosed, made.tables) == made.page


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_it_is_drawn_in_a_browser_and_is_no_barrier(
    made: Made, sight: webdriver.Chrome, tmp_path: Path, scheme: str, width: int
) -> None:
    path = tmp_path / "fit.html"
    path.write_text(made.page)
    resize(sight, width, 900)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    sight.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    sight.get_log("browser")
    sight.get_log("performance")
    sight.get(path.as_uri())
    assert {url for url in requests(sight) if not url.startswith("data:")} == {path.as_uri()}
    assert [line for line in sight.get_log("browser") if line["level"] in ("SEVERE", "WARNING")] == []
    assert sight.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    shown = sight.execute_script(
        "return [...document.querySelectorAll('figure.panel > svg')].filter(s => s.getBoundingClientRect().height > 60)"
        ".map(s => s.querySelectorAll('svg path').length)"
    )
    assert len(shown) > 50
    assert min(shown) >= 1
    paper = sight.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", paper)[:3])) < 60) is (scheme == "dark")
    # Axes change by a click, with no script.
    linear, logarithmic = (sight.find_element(By.CSS_SELECTOR, f"input.{name}") for name in ("linear", "logarithm"))
    drawn = sight.find_element(By.CSS_SELECTOR, "section .linear-axes")
    linear.click()
    assert drawn.is_displayed()
    logarithmic.click()
    assert not drawn.is_displayed()
    if AXE:
        sight.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert barriers(sight) == []
