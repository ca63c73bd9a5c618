"""README and the pages beside it keep their word: examples run, and what they name exists."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from connectors.kafka.topics import (
    ACCESS_AUDIT,
    ACCESSES,
    AUDIT,
    DEVICE_STATE,
    DEVICE_TOPICS,
    HEARTBEATS,
    POSTERIORS,
    REJECTED,
    TOPICS,
    topic_configs,
)
from streams.cli import app
from tests.places import ROOT
from twin.clock import DAY_MS

README = (ROOT / "README.md").read_text(encoding="utf-8")
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
CODE = "\n".join(
    block or span
    for block, span in re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", "\n".join((README, *PAGES.values())), re.DOTALL)
)
GROUPS = "feed|sink|models|services|topics|patient|rejected|held|rules|audit|devices|listen|papers"
COMMANDS = sorted(set(re.findall(rf"^dosetwin ((?:{GROUPS}) [a-z-]+|[a-z]+)\b", CODE, re.MULTILINE)))
METRICS = sorted(set(re.findall(r"dosetwin_[a-z_]+[a-z]", OPERATIONS)))


def run_example(number: int, folder: Path, particles: int | None = None) -> str:
    """What the Python example of that number prints when it is run as a script, its twins of so many particles."""
    script, text = folder / "example.py", re.findall(r"```python\n(.*?)```", README, re.DOTALL)[number]
    if particles is not None:
        text = re.sub(r"(replay|validate)\((.*?)\)", rf"\1(\2, particles={particles})", text)
    script.write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_first_python_example_runs_and_says_what_was_expected(tmp_path: Path) -> None:
    assert re.fullmatch(r"expected \d+\.\d to \d+\.\d, observed 1\.1\n", run_example(0, tmp_path))


@pytest.mark.slow
def test_the_example_of_a_data_set_runs_as_a_script(tmp_path: Path) -> None:
    said = run_example(1, tmp_path, particles=100).splitlines()
    assert said[0].split() == ["ID", "CL", "MTT", "OFV"]
    assert len(said) == 3


def test_the_readme_names_commands() -> None:
    assert {"replay", "worker", "console", "doctor", "sink influx", "feed nmtran"} <= set(COMMANDS)


def test_a_figure_of_the_readme_is_that_of_the_page_of_figures() -> None:
    rows = re.findall(r"^\| `.*\|$", README.partition("## Speed and size")[2], re.MULTILINE)
    assert len(rows) > 10
    assert set(rows) <= set(PAGES["speed.md"].splitlines())


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\]\(((?!http)[^)#]+)", README))))
def test_every_page_that_the_readme_links_to_is_there(name: str) -> None:
    assert (ROOT / name).exists()


@functools.cache
def offered() -> Any:
    return typer.main.get_command(app)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_named_exists(command: str) -> None:
    found = offered()
    context = typer.Context(found)
    for word in command.split():
        inner = found.get_command(context, word) if hasattr(found, "get_command") else None
        assert inner is not None, f"a page names 'dosetwin {command}', which does not exist"
        found = inner


def test_how_long_each_topic_is_kept_is_told() -> None:
    told = re.search(r"estimates, alerts and advice (\d+) days,\s`twin.rejected` (\d+)", OPERATIONS)
    of_accesses = re.search(r"`twin.accesses` six years \(([\d,]+) days\)", OPERATIONS)
    assert told is not None
    assert of_accesses is not None
    assert topic_configs(ACCESSES)["retention.ms"] == str(int(of_accesses[1].replace(",", "")) * DAY_MS)
    assert {topic_configs(topic)["retention.ms"] for topic in (AUDIT, ACCESS_AUDIT)} == {"-1"}
    many, rejected = (int(days) * DAY_MS for days in told.groups())
    kept = {topic: topic_configs(topic).get("retention.ms") for topic in (*TOPICS, *DEVICE_TOPICS)}
    newest_of_each_key = dict.fromkeys((HEARTBEATS, POSTERIORS, DEVICE_STATE))
    assert kept == {**dict.fromkeys(kept, str(many)), REJECTED: str(rejected), **newest_of_each_key}


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_named_is_one(name: str) -> None:
    from connectors.audit.trail import Trail
    from connectors.console.board import Board
    from connectors.console.metrics import console_metrics
    from connectors.console.topic_reader import LiveBoard
    from connectors.settings import Settings
    from connectors.sinks.metrics import SinkMetrics
    from streams.devices.metrics import DeviceMetrics
    from streams.worker.metrics import WorkerMetrics

    registries = [metrics.registry for metrics in (WorkerMetrics(), DeviceMetrics(), SinkMetrics())]
    registries.append(console_metrics(LiveBoard(Board()), Trail(Settings())))
    families = [family for registry in registries for family in registry.collect()]
    known = {f"{family.name}_total" if family.type == "counter" else family.name for family in families}
    assert name in known or name in ("dosetwin_sink", "dosetwin_feed", "dosetwin_console")
