"""The other provider: the same servers by Docker Compose, for machines where a container engine answers.

The containers are those of the repository's ``docker-compose.yml``, under a project name of this clone's own, with
ports and token passed in the environment. The keeper runs ``docker compose up`` in the foreground, so that stopping it
stops the container, and removes the container afterwards; the volume stays.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

SERVICE = {"kafka": "kafka", "influx": "influxdb"}
"""Our name of a server and its service in ``docker-compose.yml``."""

_PLACEHOLDER = "unused-by-this-service"


def compose_file() -> Path:
    """The repository's ``docker-compose.yml``; it is absent where only the wheel is installed."""
    return Path(__file__).resolve().parents[2] / "docker-compose.yml"


def available() -> bool:
    """Whether a container engine answers here, with Compose, and the compose file is at hand."""
    docker = shutil.which("docker")
    if docker is None or not compose_file().is_file():
        return False
    return all(_succeeds([docker, *words]) for words in (["info"], ["compose", "version"]))


def _succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def project(directory: Path) -> str:
    """The Compose project of the clone whose run state is in ``directory``."""
    return "dosetwin-" + hashlib.blake2b(str(directory).encode(), digest_size=5).hexdigest()


def command(server: str, directory: Path) -> tuple[str, ...]:
    """Run ``server`` in the foreground."""
    return (*_compose(directory), "up", "--no-deps", "--no-color", SERVICE[server])


def afterwards(server: str, directory: Path) -> tuple[str, ...]:
    """Remove the stopped container of ``server``."""
    return (*_compose(directory), "rm", "--stop", "--force", SERVICE[server])


def pull(server: str, directory: Path) -> tuple[str, ...]:
    """Fetch the image of ``server``."""
    return (*_compose(directory), "pull", "--quiet", SERVICE[server])


def environment(server: str, port: int, token: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """What ``docker-compose.yml`` needs to start ``server``; it asks for all secrets, also of services not started."""
    placeholders = {
        name: inherited.get(name) or _PLACEHOLDER
        for name in ("DOSETWIN_INFLUX_PASSWORD", "DOSETWIN_INFLUX_TOKEN", "DOSETWIN_GRAFANA_PASSWORD")
    }
    own = {"kafka": {"DOSETWIN_KAFKA_PORT": str(port)}, "influx": {"DOSETWIN_INFLUX_PORT": str(port)}}[server]
    secrets = {"DOSETWIN_INFLUX_TOKEN": token, "DOSETWIN_INFLUX_PASSWORD": token} if server == "influx" else {}
    return {**inherited, **placeholders, **own, **secrets}


def _compose(directory: Path) -> tuple[str, ...]:
    return ("docker", "compose", "-p", project(directory), "-f", str(compose_file()))
