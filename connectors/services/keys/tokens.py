"""Tokens of InfluxDB for each who needs one, with no more than it needs: sinks write, dashboards read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from connectors.services.influxdb import Influx, InfluxError, accepts, request
from connectors.services.run_state import write_private

MAY = {"sink": ("write",), "grafana": ("read",)}
"""By role, what is allowed in the bucket. Whoever may write may delete by tag too, as InfluxDB has it."""


def token_file(keys: Path, role: str) -> Path:
    """Where the token of a role stands."""
    return keys / f"{role}.token"


def give_tokens(influx: Influx, keys: Path) -> None:
    """Have a token for each role in a file of its own; one that is there and good is kept.

    Args:
        influx: with the token of the operator.
        keys: folder of the server's keys.

    Raises:
        InfluxError: the server refused.
    """
    for role, actions in MAY.items():
        path = token_file(keys, role)
        if path.is_file() and accepts(replace(influx, token=path.read_text(encoding="ascii"))):
            continue
        write_private(path, _scoped(influx, role, actions))


def _scoped(influx: Influx, role: str, actions: tuple[str, ...]) -> str:
    path = f"/api/v2/buckets?name={influx.bucket}&org={influx.org}"
    _, found = request(influx.url, "GET", path, token=influx.token, ca=influx.ca)
    bucket = next(iter(found.get("buckets") or ()), None)
    if bucket is None:
        raise InfluxError(f"InfluxDB at {influx.url} shows no bucket '{influx.bucket}' to its operator")
    resource = {"type": "buckets", "id": bucket["id"], "orgID": bucket["orgID"]}
    wanted = {
        "orgID": bucket["orgID"],
        "description": f"dosetwin {role}",
        "permissions": [{"action": action, "resource": resource} for action in actions],
    }
    path = "/api/v2/authorizations"
    status, answer = request(influx.url, "POST", path, body=wanted, token=influx.token, ca=influx.ca)
    if status != 201:
        raise InfluxError(
            f"InfluxDB at {influx.url} gave no token for {role}: {status} {answer.get('message', answer)}"
        )
    return str(answer["token"])
