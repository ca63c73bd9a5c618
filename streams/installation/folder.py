"""What stands in a ward's folder, and its writing: all of it, or nothing where something is there already."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, PackageLoader, StrictUndefined

from streams.installation.containers import compose_files

PRIVATE = ".env"
"""The file with the secrets: nobody else may read it."""


class WardError(ValueError):
    """A ward cannot be set up so; the message names the field, its value and what would be accepted."""


@dataclass(frozen=True)
class Ward:
    """What a ward's configuration depends on.

    Attributes:
        name: lower-case letters, digits and hyphens; containers, source and thresholds are called by it.
        zone: time zone of what its devices and laboratory say without an offset.
        models: ids of library models that its workers have ready when they start.
        workers: processes that share its patients.
        partitions: of every topic; no more workers than these have work, and they can never be changed.
    """

    name: str
    zone: str = "UTC"
    models: tuple[str, ...] = ("docetaxel_ozawa2007",)
    workers: int = 3
    partitions: int = 12

    def __post_init__(self) -> None:
        """
        Raises:
            WardError: a field that cannot be.
        """
        from twin.modelfile.library import library
        from twin.registry import nearest

        if not re.fullmatch(r"[a-z][a-z0-9-]{0,31}", self.name):
            raise WardError(f"ward {self.name!r}: lower-case letters, digits and hyphens, such as haematology-3")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise WardError(f"zone {self.zone!r}: no time zone; write one such as Europe/Berlin") from None
        for model in self.models:
            if model not in library().names:
                raise WardError(f"model {model!r}: not in the library; {nearest(model, library().names)}")
        if not 1 <= self.workers <= self.partitions <= 1024:
            raise WardError(
                f"{self.workers} workers for {self.partitions} partitions: from one worker to one for each partition, "
                "of which there may be 1,024"
            )


def contents(ward: Ward, secret: Callable[[], str] = lambda: secrets.token_hex(24)) -> dict[str, str]:
    """Every file of the folder by its path; ``secret`` makes one of the keys that only this ward has."""
    pages = Environment(
        loader=PackageLoader(__package__),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    templates = files(__package__).joinpath("templates")
    made = {
        name.removesuffix(".in"): pages.get_template(name).render(ward=ward, secret=secret)
        for name in _below(templates)
    }
    boards = files("connectors.grafana")
    grafana = {
        f"grafana/{folder}/{name}": boards.joinpath(folder, name).read_text(encoding="utf-8")
        for folder in ("dashboards", "provisioning")
        for name in _below(boards.joinpath(folder))
    }
    return {**made, **compose_files(ward.name, ward.models, ward.workers), **grafana}


def write(ward: Ward, folder: Path) -> list[Path]:
    """Write a ward's folder, which must be new or empty; what was written.

    Raises:
        FileExistsError: something is there already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there already and not empty: nothing was written; name another folder")
    written = []
    for name, text in contents(ward).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600 if name == PRIVATE else 0o644)
        path.chmod(0o600 if name == PRIVATE else 0o644)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    for below in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        below.chmod(0o755)  # containers, under users of their own, read what is mounted of it
    return written


def _below(place: Traversable, under: str = "") -> list[str]:
    """Paths of all files below ``place``."""
    found: list[str] = []
    for one in sorted(place.iterdir(), key=lambda one: one.name):
        name = f"{under}{one.name}"
        found += _below(one, f"{name}/") if one.is_dir() else [name]
    return found
