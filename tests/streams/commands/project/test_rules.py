from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from streams.commands.project.rules import DOCUMENT, app, page
from tests.places import ROOT
from twin.alerts.rules import rules, rules_hash
from twin.alerts.thresholds import DEFAULT

RUNNER = CliRunner()


def test_the_document_has_every_rule_with_its_numbers_and_is_current() -> None:
    text = (ROOT / DOCUMENT).read_text()
    assert text == page(DEFAULT), "renew it with 'dosetwin rules show --write'"
    for rule in rules().offers:
        assert f"## `{rule.RULE}`: {rule.TITLE}\n" in text
    assert "| `gross` | 0.5 | assumed: from half as much again on it may kill, and does not wait |" in text
    assert rules_hash() in text


def test_a_file_is_checked_and_shown_beside_the_rules_own_numbers(tmp_path: Path) -> None:
    file = tmp_path / "ward.toml"
    entry = 'rule = "twin.surprise"\nward = "icu"\nset = { raise_above = 2.5 }\nassumed = "calm"\n'
    file.write_text(f'version = "1"\n[[overrides]]\n{entry}')
    checked = RUNNER.invoke(app, ["check", str(file)])
    assert (checked.exit_code, checked.output.startswith(f"{file}: 1 entries, version 1, ")) == (0, True)
    assert "| `raise_above` for ward icu | 2.5 | assumed: calm |" in RUNNER.invoke(app, ["show", str(file)]).output


def test_a_file_that_is_wrong_ends_with_code_2_and_says_where(tmp_path: Path) -> None:
    file = tmp_path / "ward.toml"
    file.write_text('version = "1"\n[[overrides]]\nrule = "twin.suprise"\n')
    found = RUNNER.invoke(app, ["check", str(file)])
    assert found.exit_code == 2
    assert "overrides[0].rule: no rule 'twin.suprise'; did you mean 'twin.surprise'?" in found.output
    assert RUNNER.invoke(app, ["check", str(tmp_path / "none.toml")]).exit_code == 2
