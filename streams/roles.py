"""Who may do what on Kafka: a user for each part of dosetwin, with the topics and groups that its work needs.

Every role may see all topics, as each part looks first whether they are there. What is not written here is refused by a
broker that knows these rights, and its log says so. The operator, who makes them, enters by a certificate and may do
everything: making topics anew, taking out a patient, seeing how all is.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.audit.keeping import CHAINED, transactional_id
from connectors.console.ward.sources import SOURCES
from connectors.kafka.clients import open_admin
from connectors.kafka.topics import (
    ACCESSES,
    ALERTS,
    AUDIT_TOPICS,
    COMMANDS,
    DEVICE_TOPICS,
    DEVICES,
    HEARTBEATS,
    INPUTS,
    OUTPUTS,
    REJECTED,
    TOPICS,
)
from connectors.services.keys import keys_of
from connectors.services.keys.tokens import token_file
from connectors.services.launch import ServerFailed
from connectors.services.run_state import private_directory, read_record, state_directory, write_private
from connectors.settings import Settings
from connectors.sinks import sinks
from connectors.sinks.delivery import consumer_group

ENGINEER = "engineer"
"""Who reads what twins hold back and sends dead letters once more: the console as this user, which else only looks."""

ITERATIONS = 8192
"""Rounds of SHA-512 that a guess of a password costs whoever has stolen the broker's metadata."""


class NoKeys(ServerFailed):
    """There is no locked Kafka here to give rights on; the message says how to have one."""


@dataclass(frozen=True)
class Role:
    """What one part may do; topics, groups and transactions are named as the broker has them."""

    name: str
    does: str
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    creates: frozenset[str] = frozenset()
    configures: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    transactions: frozenset[str] = frozenset()
    sees_groups: bool = False

    def rights(self) -> Iterator[tuple[str, str]]:
        """Each topic, and what the role needs there beside seeing it."""
        for operation, topics in (
            ("READ", self.reads),
            ("WRITE", self.writes),
            ("CREATE", self.creates),
            ("DESCRIBE_CONFIGS", self.configures),
            ("ALTER_CONFIGS", self.configures),
        ):
            for topic in sorted(topics):
                yield topic, operation


def roles(settings: Settings) -> tuple[Role, ...]:
    """Every role, on the topics that the settings name."""
    from streams.worker.rows.changelog import changelog_of, group_of

    def named(*topics: str) -> frozenset[str]:
        return frozenset(settings.topic_prefix + topic for topic in topics)

    offered = sinks().offers
    subscribers = [sink for sink in offered if set(sink.TOPICS) <= {ALERTS}]
    others = [sink for sink in offered if sink not in subscribers]
    changelog = frozenset({changelog_of(settings)})

    def groups(members: list[Any]) -> frozenset[str]:
        return frozenset(consumer_group(sink.SINK, settings.topic_prefix) for sink in members)

    return (
        Role("feed", "dosetwin feed, dosetwin listen", writes=named(*INPUTS, DEVICES)),
        Role(
            "worker",
            "dosetwin worker",
            reads=named(*INPUTS) | changelog,
            writes=named(*OUTPUTS, COMMANDS) | changelog,
            creates=changelog,
            groups=frozenset({group_of(settings)}),
        ),
        Role(
            "sink",
            f"dosetwin sink {', '.join(sink.SINK for sink in others)}",
            reads=named(*{topic for sink in offered for topic in sink.TOPICS}, HEARTBEATS),
            writes=named(REJECTED),
            groups=groups(others),
            sees_groups=True,
        ),
        Role(
            "console",
            "dosetwin console",
            reads=named(*OUTPUTS, *SOURCES),
            writes=named(COMMANDS, ACCESSES),
        ),
        Role(
            ENGINEER,
            "what engineers do in dosetwin console; dosetwin rejected, dosetwin held",
            reads=named(REJECTED) | changelog,
            writes=named(*INPUTS, DEVICES),
        ),
        Role(
            "subscriber",
            f"dosetwin sink {', '.join(sink.SINK for sink in subscribers)}",
            reads=named(ALERTS, HEARTBEATS),
            writes=named(REJECTED),
            groups=groups(subscribers),
        ),
        Role(
            "audit",
            "dosetwin audit",
            reads=named(ALERTS, *AUDIT_TOPICS),
            writes=named(*(one.chain for one in CHAINED)),
            transactions=frozenset({transactional_id(settings)}),
        ),
        Role(
            "topics",
            "dosetwin topics create",
            creates=named(*TOPICS, *DEVICE_TOPICS, *AUDIT_TOPICS),
            configures=named(*TOPICS, *DEVICE_TOPICS, *AUDIT_TOPICS),
        ),
    )


def admit(settings: Settings) -> Mapping[str, Path]:
    """Give each role its password and rights on this clone's own Kafka; it keeps the password that it has.

    Returns:
        By role, a file of settings for ``set -a; . FILE``, that its owner alone may read. Where this clone's InfluxDB
        is locked too, those who need a token find it there.

    Raises:
        NoKeys: this clone runs no locked Kafka.
        KafkaUnreachable: it does not answer.
    """
    directory = state_directory()
    kafka, influx = read_record(directory, "kafka"), read_record(directory, "influx")
    if kafka is None or not kafka.get("secure"):
        raise NoKeys("this clone runs no locked Kafka: start one with 'dosetwin services up --secure'")
    keys, reached = keys_of(directory / "kafka"), kafka["settings"]
    everyone = roles(settings)
    passwords = {role.name: _password(keys, role.name) for role in everyone}
    admin = open_admin(reached["kafka"])
    try:
        give(admin, everyone, passwords)
    finally:
        admin.close()
    place = private_directory(directory / "roles")
    tokens = _tokens(influx, keys_of(directory / "influx"))
    found = {}
    for name in (*passwords, *(tokens.keys() - passwords.keys())):
        lines = dict(tokens.get(name, {}))
        if name in passwords:
            lines |= entry(name, reached["kafka_users"], str(_password_file(keys, name)), reached["kafka_ca"])
        if name == "console":
            lines |= engineers_entry(str(_password_file(keys, ENGINEER)))
        found[name] = place / f"{name}.env"
        write_private(found[name], as_file(lines))
    return found


def entry(role: str, users: str, password_file: str, ca: str) -> dict[str, str]:
    """How a role enters a Kafka that listens to ``users``, as variables."""
    return {
        "DOSETWIN_KAFKA": users,
        "DOSETWIN_KAFKA_PROTOCOL": "SASL_SSL",
        "DOSETWIN_KAFKA_USER": role,
        "DOSETWIN_KAFKA_PASSWORD_FILE": password_file,
        "DOSETWIN_KAFKA_CA": ca,
    }


def engineers_entry(password_file: str) -> dict[str, str]:
    """How the console enters where an engineer acts, as variables beside its own."""
    return {"DOSETWIN_ENGINEER_USER": ENGINEER, "DOSETWIN_ENGINEER_PASSWORD_FILE": password_file}


def as_file(variables: Mapping[str, str]) -> str:
    """A file for ``set -a; . FILE``."""
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in variables.items())


def _password_file(keys: Path, role: str) -> Path:
    return keys / f"{role}.password"


def _password(keys: Path, role: str) -> str:
    path = _password_file(keys, role)
    if not path.is_file():
        write_private(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii")


def _tokens(influx: dict[str, Any] | None, keys: Path) -> dict[str, dict[str, str]]:
    """By role, how a locked InfluxDB of this clone is reached with no more than the role needs."""
    if influx is None or not influx.get("secure"):
        return {}
    reached = {f"DOSETWIN_{name.upper()}": str(value) for name, value in influx["settings"].items()}
    return {
        role: reached | {"DOSETWIN_INFLUX_TOKEN": token_file(keys, role).read_text(encoding="ascii")}
        for role in ("sink", "grafana")
    }


def give(admin: Any, everyone: tuple[Role, ...], passwords: Mapping[str, str]) -> None:
    """Give each role its password, and its rights and no others; ``admin`` is a client of Kafka of somebody who may.

    Raises:
        NoKeys: the broker takes no password.
    """
    from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

    told = admin.alter_user_scram_credentials(
        [
            UserScramCredentialUpsertion(name, ScramMechanism.SCRAM_SHA_512, password=password, iterations=ITERATIONS)
            for name, password in passwords.items()
        ]
    )
    refused = {name: why for name, why in told.items() if why}
    if refused:
        raise NoKeys(f"the broker took no password for {', '.join(f'{name} ({why})' for name, why in refused.items())}")
    seen = {topic for role in everyone for topic, _ in role.rights()}
    wanted = {role.name: list(_rules(role, seen)) for role in everyone}
    _take_back(admin, wanted, seen)
    for rules in wanted.values():  # one at a time: a broker that has much to do takes long over all at once
        admin.create_acls(rules)


def _take_back(admin: Any, wanted: Mapping[str, list[Any]], topics: set[str]) -> None:
    """Take from each role what it may do on our topics and is to do there no more."""
    from kafka.admin import (
        ACLFilter,
        ACLOperation,
        ACLPermissionType,
        ACLResourcePatternType,
        ResourcePatternFilter,
        ResourceType,
    )

    everything = ResourcePatternFilter(ResourceType.TOPIC, None, ACLResourcePatternType.LITERAL)
    allowed = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ALLOW, everything)
    found, _ = admin.describe_acls(allowed)
    over = [
        one
        for one in found
        if one.resource_pattern.resource_name in topics
        and one.principal.removeprefix("User:") in wanted
        and one not in wanted[one.principal.removeprefix("User:")]
    ]
    if over:
        admin.delete_acls(over)


def _rules(role: Role, topics: set[str]) -> Iterator[Any]:
    """The role's rights as Kafka keeps them."""
    from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

    def may(operation: str, kind: ResourceType, name: str) -> ACL:
        pattern = ResourcePattern(kind, name)
        return ACL(f"User:{role.name}", "*", ACLOperation[operation], ACLPermissionType.ALLOW, pattern)

    for topic in sorted(topics):  # also where it reads: a right that is taken is then refused, and not silence
        yield may("DESCRIBE", ResourceType.TOPIC, topic)
    for topic, operation in role.rights():
        yield may(operation, ResourceType.TOPIC, topic)
    for group in sorted(role.groups):
        yield may("READ", ResourceType.GROUP, group)
    for transaction in sorted(role.transactions):
        yield may("WRITE", ResourceType.TRANSACTIONAL_ID, transaction)
    if role.sees_groups:
        yield may("DESCRIBE", ResourceType.GROUP, "*")
