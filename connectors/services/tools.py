"""The programs outside Python that starting servers (and testing in a browser) needs, and how to get a missing one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from connectors.services.supervisor import environment


@dataclass(frozen=True)
class Tool:
    """A program: what it is needed for, its Debian package, and the oldest release (of its ``version``) that does.

    ``otherwise`` says where to get it if Debian's own is missing or too old.
    """

    command: str
    purpose: str
    debian: str
    version: tuple[str, ...] = ()
    oldest: tuple[int, int] = (0, 0)
    otherwise: str = ""


TOOLS = {
    tool.command: tool
    for tool in (
        Tool("java", "runs Kafka", "openjdk-17-jre-headless", ("-version",), (17, 0)),
        Tool("mvn", "fetches Kafka's jars", "maven"),
        Tool(
            "go", "builds InfluxDB", "golang-go", ("version",), (1, 21), "Go 1.24 from the Go project's download page"
        ),
        Tool("gcc", "builds InfluxDB", "gcc"),
        Tool("pkg-config", "builds InfluxDB", "pkg-config"),
        Tool("cargo", "builds InfluxDB's query engine", "cargo", ("--version",), (1, 72), "a stable Rust by rustup"),
        Tool("npm", "fetches the console's chart library", "npm"),
        Tool("chromium", "browser tests", "chromium"),
        Tool("chromedriver", "browser tests", "chromium-driver"),
    )
}

KAFKA_TOOLS = ("java", "mvn")
INFLUX_TOOLS = ("go", "gcc", "pkg-config", "cargo")


class MissingTool(RuntimeError):
    """A program is missing or too old; the message names each with its purpose and the way to get it."""


def problem(name: str) -> str | None:
    """What is wrong with the tool ``name`` on this machine, or ``None``."""
    tool = TOOLS[name]
    path = shutil.which(tool.command)
    if path is None:
        return f"'{tool.command}' ({tool.purpose}) is not installed: {_how_to_get(tool)}"
    if not tool.version:
        return None
    shown = subprocess.run([path, *tool.version], capture_output=True, text=True, check=False, timeout=60)
    found = re.search(r"(\d+)(?:\.(\d+))?", shown.stdout + shown.stderr)
    release = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    if release < tool.oldest:
        have, need = ".".join(map(str, release)), ".".join(map(str, tool.oldest))
        return f"'{tool.command}' ({tool.purpose}) is {have}, but {need} or newer is needed: {_how_to_get(tool)}"
    return None


def _how_to_get(tool: Tool) -> str:
    ways = f"on Debian 'apt-get install {tool.debian}'"
    return f"{ways}, or {tool.otherwise}" if tool.otherwise else ways


def require(names: Iterable[str]) -> None:
    """Check that every tool of ``names`` is usable.

    Raises:
        MissingTool: naming all that are not.
    """
    problems = [text for name in names if (text := problem(name))]
    if problems:
        raise MissingTool("; ".join(problems))


def install(names: Iterable[str], say: Callable[[str], None]) -> tuple[str, ...]:
    """Install what is missing of ``names`` with apt-get where that is allowed; returns what is still wrong.

    Allowed means: a Debian-like system, and root or a ``sudo`` that asks for no password.
    """
    missing = [name for name in names if problem(name)]
    prefix = _administrator()
    if missing and prefix is not None:
        packages = sorted({TOOLS[name].debian for name in missing})
        say(f"installing Debian packages: {' '.join(packages)}")
        seen = {**environment(os.environ), "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update"], ["apt-get", "install", "-y", "--no-install-recommends", *packages]):
            subprocess.run([*prefix, *command], check=False, env=seen, stdout=subprocess.DEVNULL)
    return tuple(text for name in missing if (text := problem(name)))


def _administrator() -> list[str] | None:
    """The words to put before ``apt-get`` here, or ``None`` where installing is not ours to do."""
    if not Path("/etc/debian_version").is_file() or shutil.which("apt-get") is None:
        return None
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0:
        return [sudo, "-n"]
    return None
