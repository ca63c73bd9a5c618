"""The reference of the Python API is built from the docstrings without a warning."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import dosetwin
from tests.places import ROOT


@pytest.mark.slow
def test_the_reference_is_built_without_a_warning_and_has_every_public_name(tmp_path: Path) -> None:
    words = ["-q", "-W", "--keep-going", "-d", str(tmp_path / "doctrees")]
    command = [sys.executable, "-m", "sphinx", *words, str(ROOT / "docs" / "reference"), str(tmp_path / "pages")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    page = (tmp_path / "pages" / "index.html").read_text(encoding="utf-8")
    described = set(re.findall(r'<dt class="sig[^"]*" id="([\w.]+)"', page))
    names = {f"dosetwin.{name}" for name in dosetwin.__all__ if name != "events"}
    names |= {f"dosetwin.events.{name}" for name in ("DoseGiven", "LabResult", "Estimate", "Alert")}
    assert names - described == set()
