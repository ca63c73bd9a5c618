"""A locked Kafka and InfluxDB for the tests, and the keys of every role."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.kafka.access.entry import KafkaAccess
from connectors.kafka.topics import AUDIT_TOPICS, TOPICS, ensure_topics
from connectors.services import Influx, LocalServices
from connectors.settings import load_settings
from connectors.sinks.influx import Settings as InfluxSettings
from streams.roles import admit

NAMED = (*(KafkaAccess.variable(name) for name in KafkaAccess.model_fields), "DOSETWIN_KAFKA")
INFLUX = tuple(InfluxSettings.variable(name) for name in InfluxSettings.model_fields)


@dataclass(frozen=True)
class Doors:
    """Servers that let nobody in without a key, and by role the settings that open them."""

    directory: Path
    operators: str
    users: str
    influx: Influx
    roles: Mapping[str, Mapping[str, str]]

    @property
    def log(self) -> str:
        """What Kafka logged, refusals above all."""
        return (self.directory / "kafka" / "log").read_text()

    def act(self, patch: pytest.MonkeyPatch, role: str | None, **other: object) -> None:
        """Be ``role`` from now on (`None`: the operator), with ``other`` settings of Kafka (or, ``INFLUX_...``, of
        InfluxDB) instead, "" for none."""
        patch.setenv("DOSETWIN_STATE_DIR", str(self.directory))
        for name in (*NAMED, *INFLUX):
            patch.delenv(name, raising=False)
        said = dict(self.roles[role]) if role else {}
        said |= {
            f"DOSETWIN_{'' if name.startswith('INFLUX_') else 'KAFKA_'}{name}": str(value)
            for name, value in other.items()
        }
        for name, value in said.items():
            if value:
                patch.setenv(name, value)


def _settings(path: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in path.read_text().splitlines())
    return {name: value for name, _, value in lines}


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[Doors]:
    """Servers in ``directory``, with all roles and topics; stopped at the end."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*NAMED, *INFLUX):  # these servers are ours, whatever the environment names
            patch.delenv(name, raising=False)
        patch.setenv("DOSETWIN_SERVICES", "local")
        patch.setenv("DOSETWIN_STATE_DIR", str(directory))
        with LocalServices(directory, ephemeral=True, secure=True, say=print) as servers:
            operators, influx = servers.kafka, servers.influx
            found = {role: _settings(path) for role, path in admit(load_settings()).items()}
            ensure_topics(operators, topics=(*TOPICS, *AUDIT_TOPICS))
            patch.undo()
            yield Doors(directory, operators, found["feed"]["DOSETWIN_KAFKA"], influx, found)
