"""``dosetwin plugins``: what was found, and what cannot be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.feeds import feeds
from streams.cli import app
from streams.commands.project.plugins import OK, everything
from tests.plugins import install
from twin.modelfile.library import library


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages; feeds and models are looked for anew before and after."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for found in (feeds, library):
        found.cache_clear()
    yield tmp_path
    for found in (feeds, library):
        found.cache_clear()


def test_all_that_is_ours_can_be_used_and_says_what_it_is() -> None:
    listed = list(everything())
    assert {one.kind for one in listed} == {"command", "feed", "model", "output kind", "rule", "sink"}
    assert [one for one in listed if one.state != OK or one.origin != "dosetwin" or not one.summary] == []
    assert not any("``" in one.summary for one in listed)


def test_what_cannot_be_used_is_in_the_table_and_the_exit_code(installed: Path) -> None:
    files = {"bad_feed.py": "import no_such_module", "bad_models/x_2031.toml": "id = 3"}
    install(installed, "bad", files, {"dosetwin.feeds": {"hl7": "bad_feed"}, "dosetwin.models": {"m": "bad_models"}})
    result = CliRunner().invoke(app, ["plugins", "--json"])
    assert result.exit_code == 1
    wrong = {one["name"]: one for one in json.loads(result.stdout) if one["state"] != OK}
    assert wrong.keys() == {"hl7", "x_2031"}
    assert wrong["hl7"]["state"] == "cannot be imported (ModuleNotFoundError: No module named 'no_such_module')"
    assert wrong["hl7"]["origin"] == wrong["x_2031"]["origin"] == "bad 1.0"
    assert all(one["mend"] for one in wrong.values())
    table = CliRunner().invoke(app, ["plugins"])
    assert "hl7" in table.stdout
    asked = CliRunner().invoke(app, ["feed", "hl7"])
    assert asked.exit_code == 1
    assert "dosetwin: feed hl7 of bad 1.0: cannot be imported" in asked.stderr
