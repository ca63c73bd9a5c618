"""Containers of a ward: the project's ``docker-compose.yml``, and two files that Compose lays over it.

``compose.yaml`` is the project's file for a machine without its sources: images instead of builds, dashboards from
the ward's folder. ``compose.ward.yaml`` says what the ward has otherwise. ``compose.workers.yaml`` runs several
workers, each under a name that it keeps when its container is made anew, so that it takes its patients back at once.
"""

from __future__ import annotations

import copy
from importlib.resources import files
from typing import Any

import yaml

RULES = "/ward/rules.toml"
"""Where a worker's container has the ward's thresholds."""

_HEAD = """\
# The whole of dosetwin in containers, for {ward}. What it needs to know is in .env, which also names the files that are
# laid over this one (COMPOSE_FILE). README.md says how to start.

"""

_OVERLAY = """\
# Laid over compose.yaml: {what}. Written by 'dosetwin init', and yours to change.

"""


def project_file() -> str:
    """The text of the project's ``docker-compose.yml``, which is part of this package."""
    return files(__package__).joinpath("docker-compose.yml").read_text(encoding="utf-8")


def compose_files(ward: str, models: tuple[str, ...], workers: int) -> dict[str, str]:
    """The three files of a ward by name; ``models`` are compiled by its workers before they start."""
    base = _base(ward)
    parsed = yaml.safe_load(base)
    return {
        "compose.yaml": base,
        "compose.ward.yaml": _OVERLAY.format(what="what this ward has otherwise") + _written(_own(parsed, models)),
        "compose.workers.yaml": _OVERLAY.format(what="workers, each under a name of its own")
        + _written(_workers(parsed, models, workers)),
    }


def _base(ward: str) -> str:
    """The project's file without its head and its builds, with the dashboards from the folder beside it."""
    text = project_file()
    body = text[text.index("name: dosetwin\n") :]
    for old, new in (
        ("name: dosetwin\n", f"name: dosetwin-{ward}\n"),
        ("  build: .\n", ""),
        ("./connectors/grafana/", "./grafana/"),
    ):
        if old not in body:
            raise ValueError(f"docker-compose.yml has no {old.strip()!r} to make a ward's own file of")
        body = body.replace(old, new)
    return _HEAD.format(ward=ward) + body


def _ours(parsed: dict[str, Any]) -> list[str]:
    image = parsed["x-dosetwin"]["image"]
    return [name for name, service in parsed["services"].items() if service["image"] == image]


def _own(parsed: dict[str, Any], models: tuple[str, ...]) -> dict[str, Any]:
    """Partitions for all who make or read topics; thresholds and models for the worker."""
    partitions = {"DOSETWIN_PARTITIONS": "${DOSETWIN_PARTITIONS:?how many, in .env}"}
    services: dict[str, Any] = {name: {"environment": dict(partitions)} for name in _ours(parsed)}
    services["worker"]["environment"] |= _judging(models)
    services["worker"]["volumes"] = [_rules_mount()]
    return {"services": services}


def _judging(models: tuple[str, ...]) -> dict[str, str]:
    return {"DOSETWIN_RULES": RULES, "DOSETWIN_READY": ",".join(models)}


def _rules_mount() -> str:
    return f"./rules.toml:{RULES}:ro"


def _workers(parsed: dict[str, Any], models: tuple[str, ...], workers: int) -> dict[str, Any]:
    """The worker under a lasting host name, and as many more beside it, each with compiled kernels of its own."""
    services: dict[str, Any] = {"worker": {"hostname": "worker-1"}}
    for number in range(2, workers + 1):
        name = f"worker-{number}"
        more = copy.deepcopy(parsed["services"]["worker"])
        more["hostname"] = name
        more["environment"] |= {"DOSETWIN_PARTITIONS": "${DOSETWIN_PARTITIONS:?how many, in .env}", **_judging(models)}
        kept = [each for each in more["volumes"] if not each.startswith("worker-kernels:")]
        more["volumes"] = [f"{name}-kernels:/var/cache/dosetwin", *kept, _rules_mount()]
        services[name] = more
    volumes: dict[str, None] = {f"{name}-kernels": None for name in services if name != "worker"}
    return {"services": services, **({"volumes": volumes} if volumes else {})}


def _written(content: dict[str, Any]) -> str:
    return yaml.safe_dump(content, sort_keys=False, width=110, allow_unicode=True)
