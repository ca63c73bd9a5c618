"""The documentation keeps its word: it is built without a warning, what it shows can be run, and the tutorials are."""

from __future__ import annotations

import functools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click import Context
from typer.main import get_command
from typer.testing import CliRunner

import dosetwin
from streams.cli import app
from tests.places import ROOT
from twin.events import decode

PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))
}
PAGES = {name: text for name, text in PAGES.items() if "/made/" not in name} | {
    "README.md": (ROOT / "README.md").read_text(encoding="utf-8")
}

TUTORIALS = ROOT / "docs" / "tutorials"


def blocks(text: str, *languages: str) -> list[str]:
    """Code of these languages (``""``: of none) on a page."""
    return [
        code
        for found, code in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        if found in languages
    ]


def commands(text: str) -> Iterator[list[str]]:
    """Words of each ``dosetwin`` command in the blocks for a shell, also of those inside ``$(...)``."""
    for block in blocks(text, "sh", ""):
        for line in block.replace("\\\n", " ").splitlines():
            inside, outside = re.findall(r"\$\((dosetwin [^)]*)\)", line), re.sub(r"\$\(.*?\)", "x", line)
            for part in (*inside, outside):
                if not re.match(r"\s*dosetwin\b", part):
                    continue
                lexer = shlex.shlex(part, posix=True, punctuation_chars="|>&;")
                lexer.whitespace_split = True
                words = []
                for word in lexer:
                    if set(word) <= set("|>&;"):
                        break
                    words.append(word)
                yield words[1:]


@functools.cache
def dosetwin_command() -> Any:
    return get_command(app)


def accepted(words: list[str]) -> None:
    """Raise unless ``dosetwin`` has this command and each of its options; values are not looked at."""
    command = dosetwin_command()
    context = Context(command, info_name="dosetwin")
    while hasattr(command, "commands"):
        if not words or words[0].startswith("-"):
            break
        name, *words = words
        inner = command.get_command(context, name)
        assert inner is not None, f"no command {name!r} of {context.command_path}"
        command, context = inner, Context(inner, info_name=name, parent=context)
    command.make_parser(context).parse_args(list(words))


@pytest.mark.slow
def test_it_is_built_without_a_warning_and_describes_every_public_name(tmp_path: Path) -> None:
    words = ["-q", "-W", "--keep-going", "-d", str(tmp_path / "doctrees")]
    command = [sys.executable, "-m", "sphinx", *words, str(ROOT / "docs"), str(tmp_path / "pages")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "pages" / "reference" / "index.html").read_text(encoding="utf-8")
    described = set(re.findall(r'<dt class="sig[^"]*" id="([\w.]+)"', page))
    names = {f"dosetwin.{name}" for name in dosetwin.__all__ if name != "events"}
    names |= {f"dosetwin.events.{name}" for name in ("DoseGiven", "LabResult", "Estimate", "Alert")}
    assert names - described == set()
    made = {name: (tmp_path / "pages/reference/made" / f"{name}.html").read_text() for name in ("commands", "events")}
    assert "dosetwin models sign" in made["commands"]
    assert all(kind in made["events"] for kind in ("lab_result", "pump_delivery", "estimate", "alert"))


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_command_on_a_page_is_one_that_dosetwin_accepts(name: str) -> None:
    for words in commands(PAGES[name]):
        try:
            accepted(words)
        except Exception as error:  # what click says of it, with the command
            raise AssertionError(f"{name}: dosetwin {' '.join(words)}: {error}") from error


def test_a_command_or_option_that_is_none_would_be_noticed() -> None:
    text = "```sh\ndosetwin models list --jsn | head\nexport A=$(dosetwin listen sekret)\n```"
    first, second = commands(text)
    with pytest.raises(Exception, match="jsn"):
        accepted(first)
    with pytest.raises(AssertionError, match="sekret"):
        accepted(second)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_python_example_on_a_page_is_python(name: str) -> None:
    for code in blocks(PAGES[name], "python"):
        compile(code, name, "exec")


def run_here(folder: Path, page: str, monkeypatch: pytest.MonkeyPatch, last: str) -> list[str]:
    """What each command of a tutorial prints, run in order in ``folder`` up to the first that begins with ``last``."""
    monkeypatch.chdir(folder)
    said = []
    for words in commands((TUTORIALS / page).read_text(encoding="utf-8")):
        if " ".join(words).startswith(last):
            break
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (words, done.output)
        said.append(done.stdout)
    return said


@pytest.mark.slow
def test_the_pharmacist_gets_parameters_and_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (table,) = blocks((TUTORIALS / "pharmacist.md").read_text(), "csv")
    (tmp_path / "levels.csv").write_text(table.partition("\n")[2])
    *_, advised = run_here(tmp_path, "pharmacist.md", monkeypatch, "never")
    assert "P-17" in (tmp_path / "parameters.csv").read_text()
    value = (tmp_path / "predictions.csv").read_text().splitlines()[1].split(",")
    assert (value[2], abs(float(value[5])) < 3) == ("1100", True), "the table is in the unit of the model"
    assert re.search(r"\d+ mg in 8 doses", advised)
    odds = re.findall(r"^(?:planned|-20 %|\+20 %) .*yes +\d+ +([\d.]+)%", advised, re.MULTILINE)
    assert len(set(odds)) == 3, "another dose has other odds"


@pytest.mark.slow
def test_the_pharmacometrician_gets_a_sound_model_and_estimates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, checked, card = run_here(tmp_path, "pharmacometrician.md", monkeypatch, "validate")
    assert "sound" in checked
    assert "ASSUMED" in card
    (example,) = blocks((TUTORIALS / "pharmacometrician.md").read_text(), "python")
    printed: list[object] = []
    exec(example, {"print": printed.append})
    assert printed == [3]


def test_the_engineers_events_are_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (TUTORIALS / "engineer.md").read_text()
    (lines,) = blocks(page, "json")
    assert [decode(line.encode()).kind for line in lines.splitlines()] == ["enrolment", "lab_result"]
    (tmp_path / "first.ndjson").write_text(lines)
    monkeypatch.chdir(tmp_path)
    (words,) = [words for words in commands(page) if "--out" in words]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert len((tmp_path / "checked.ndjson").read_bytes().splitlines()) == 2


def test_the_subscribers_secret_is_one() -> None:
    page = (TUTORIALS / "subscriber.md").read_text()
    (words,) = [words for words in commands(page) if words[:2] == ["listen", "secret"]]
    assert CliRunner().invoke(app, words).stdout.startswith("whsec_")
