"""The wheel works outside the repository: it has every file that the program reads, and runs with nothing beside it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

from tests import rooms
from tests.places import ROOT

pytestmark = pytest.mark.slow

UV = Path(sys.executable).parent / "uv"
PACKAGES = tuple(package.name for package in rooms.packages())
CHARTS = {f"connectors/console/static/vendor/uPlot.{end}" for end in ("iife.min.js", "min.css", "LICENSE")}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([UV, "build", "-q", "--wheel", "--offline", "-o", out, ROOT], check=True, timeout=120)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Programs of a new virtual environment that has the wheel, and the packages of this one, but not this clone."""
    venv = tmp_path_factory.mktemp("elsewhere") / "venv"
    subprocess.run([UV, "venv", "-q", "--offline", "--python", sys.executable, venv], check=True, timeout=60)
    surroundings = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    install = [UV, "pip", "install", "-q", "--offline", "--no-deps", "--python", venv / "bin" / "python", wheel]
    subprocess.run(install, check=True, timeout=60, env=surroundings)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "packages_of_the_clone.pth").write_text(sysconfig.get_path("purelib") + "\n")
    lend_machine_code(site)
    return venv / "bin", surroundings


def lend_machine_code(site: Path) -> None:
    """Give the wheel's modules what Numba compiled of the same sources here, which takes a quarter of a minute."""
    for source in site.glob("twin/**/*.py"):
        original = ROOT / source.relative_to(site)
        for compiled in original.parent.glob(f"__pycache__/{original.stem}.*.nb?"):
            (source.parent / "__pycache__").mkdir(exist_ok=True)
            shutil.copy2(compiled, source.parent / "__pycache__")
        os.utime(source, ns=(original.stat().st_atime_ns, original.stat().st_mtime_ns))


@pytest.fixture
def run(environment: tuple[Path, dict[str, str]], tmp_path: Path) -> Run:
    programs, surroundings = environment

    def run_there(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [programs / program, *arguments]
        done = subprocess.run(
            command, env=surroundings, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stderr
        return done

    return run_there


def test_it_has_every_file_of_the_packages_and_the_charts_and_nothing_else(wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", *PACKAGES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    tracked = set(listed.stdout.splitlines())
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    of_the_wheel = {name for name in inside if ".dist-info/" in name}
    assert inside - of_the_wheel == tracked | CHARTS, "run 'make setup' if it is the charts that are missing"


def test_what_runs_is_the_wheel_and_not_the_clone(run: Run, environment: tuple[Path, dict[str, str]]) -> None:
    names = ", ".join(PACKAGES)
    said = run("python", "-c", f"import {names}\nfor one in ({names}): print(one.__file__)").stdout
    assert said.splitlines() == [
        str(next(environment[0].parent.glob("lib/python*/site-packages")) / name / "__init__.py") for name in PACKAGES
    ]
    version = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert run("dosetwin", "--version").stdout == f"dosetwin {version[1]}\n"


def test_the_whole_library_is_there(run: Run) -> None:
    listed = json.loads(run("dosetwin", "models", "list", "--json").stdout)
    assert {one["id"] for one in listed} == {path.stem for path in (ROOT / "twin" / "library").glob("*.toml")}


def test_a_record_is_replayed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text("ID,TIME,AMT,RATE,DV,EVID\n1,0,400,0,.,1\n1,24,.,.,1100,0\n")
    run("dosetwin", "replay", "one.csv", "--model", "imatinib_widmer2006", "--particles", "100", "--out", "out")
    assert "imatinib_widmer2006" in (tmp_path / "out" / "predictions.ndjson").read_text()


def test_schema_and_rules_are_those_of_the_clone(run: Run) -> None:
    assert run("dosetwin", "schema").stdout == (ROOT / "docs" / "schema" / "events.schema.json").read_text()
    assert run("dosetwin", "rules", "show").stdout == (ROOT / "docs" / "rules.md").read_text()


def test_a_wards_folder_is_written_with_its_containers_and_boards(run: Run, tmp_path: Path) -> None:
    run("dosetwin", "init", "east")
    project = (ROOT / "docker-compose.yml").read_text()
    assert (tmp_path / "east" / "compose.yaml").read_text().endswith(project[-400:])
    assert (tmp_path / "east" / "grafana" / "dashboards" / "ward.json").is_file()


def test_boards_for_grafana_and_the_lists_of_what_servers_are_made_of_are_there(run: Run) -> None:
    said = run(
        "python",
        "-c",
        "from connectors.grafana.build import outdated; print(outdated())",
    )
    assert said.stdout == "[]\n"


def test_the_console_serves_every_file_that_its_pages_name(
    environment: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    programs, surroundings = environment
    nobody = {**surroundings, "DOSETWIN_KAFKA": "127.0.0.1:9"}
    console = subprocess.Popen(
        [programs / "dosetwin", "console", "--port", "0"], env=nobody, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert console.stdout is not None
        address = console.stdout.readline().removeprefix("console: ").strip()
        page = httpx2.get(address).text
        named = set(re.findall(r'(?:src|href)="/?(static/[^"]+)"', page))
        assert {"static/vendor/uPlot.iife.min.js", "static/console.js"} <= named
        for name in named:
            found = httpx2.get(f"{address.rstrip('/')}/{name}")
            assert (found.status_code, bool(found.content)) == (200, True), name
    finally:
        console.send_signal(signal.SIGTERM)
        console.communicate(timeout=30)
    assert console.returncode == 0
