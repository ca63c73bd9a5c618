"""A fit of forty patients with values below a limit and a yes or no, its page, and a browser to look at it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from connectors.reports.fitted.page import fit_page
from connectors.reports.fitted.tables import tables
from streams.batch.population.fit import as_json, fit
from streams.batch.population.patients import Data
from tests.connectors.console.conftest import chromium
from tests.twin.population.diagnostics import cohorts
from twin.population.diagnostics.diagnosed import Diagnosed, diagnosed


@dataclass(frozen=True)
class Made:
    """What ``fit.json`` says, the diagnostics, the tables, and the page."""

    found: dict[str, Any]
    diagnosed: Diagnosed
    tables: dict[str, str]
    page: str


@pytest.fixture(scope="session")
def made() -> Made:
    found = fit(cohorts.mixed(), "laplace", lambda *_: None)
    said = json.loads(as_json(found, Data((Path("levels.csv"),), (), "0" * 32), "made_fit"))
    seen = diagnosed(cohorts.mixed(), found.evaluation.vector, "laplace", stratify="SEX", replicates=300)
    every = tables(said, seen)
    return Made(said, seen, every, fit_page(said, seen, every))


@pytest.fixture(scope="session")
def sight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A browser."""
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver
