"""Results: what pytest's own report says of each test, the worst of its examples."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from streams.papers.results import ReportError, exists, read
from tests.places import ROOT

CASES = """
import pytest

@pytest.mark.parametrize("one", [1, 2])
def test_some(one):
    assert one == 1

def test_good():
    pass

async def test_left_out():
    pytest.skip("not here")

@pytest.fixture
def broken():
    raise ValueError

def test_broken(broken):
    pass
"""


def test_a_report_of_pytest_is_read(tmp_path: Path) -> None:
    (tmp_path / "tests" / "room").mkdir(parents=True)
    (tmp_path / "tests" / "room" / "test_it.py").write_text(CASES)
    run_it = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto"]
    subprocess.run([*run_it, "--junitxml=it.xml", "tests"], cwd=tmp_path, capture_output=True, timeout=120, check=False)
    run = read(tmp_path / "it.xml")
    at = "tests/room/test_it.py::"
    assert run.results == {
        f"{at}test_some": "failed",
        f"{at}test_good": "passed",
        f"{at}test_left_out": "skipped",
        f"{at}test_broken": "failed",
    }
    assert run.of(f"{at}test_never") == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("<testsuites", "unclosed token"),
        ("<page/>", "no report of pytest"),
    ],
)
def test_what_is_no_report_says_how_to_make_one(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "it.xml").write_text(text)
    with pytest.raises(ReportError, match=re.escape(said) + ".*'make test' writes one"):
        read(tmp_path / "it.xml")


@pytest.mark.parametrize(
    ("test", "there"),
    [
        ("tests/streams/papers/test_results.py::test_a_report_of_pytest_is_read", True),
        ("tests/streams/papers/test_results.py::test_nothing_of_the_kind", False),
        ("tests/streams/papers/test_results.py", False),
        ("tests/streams/papers/test_gone.py::test_it", False),
        ("", False),
    ],
)
def test_a_test_exists_or_not(test: str, there: bool) -> None:
    assert exists(ROOT, test) is there
