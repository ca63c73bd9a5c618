"""Keys of servers in containers: a folder for each part, which is all of them that it gets to see.

::

    FOLDER/compose.env      for ``docker compose --env-file``: where the keys are, and whose
    FOLDER/authority/       signs certificates; no container has it
    FOLDER/kafka/           the broker's certificate, and how its health is asked
    FOLDER/operator/        a certificate that may do everything
    FOLDER/ROLE/            password and settings of a role, as its container finds them under /keys
    FOLDER/influxdb/        InfluxDB's certificate
    FOLDER/grafana/         the address of InfluxDB, the authority of its certificate, and a token that reads

Files are open to the group of who made them, as a container's user is another one; to everybody the folder is shut.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from connectors.kafka.clients import open_admin
from connectors.kafka.topics import AUDIT_TOPICS, DEVICE_TOPICS, TOPICS, ensure_topics
from connectors.services.keys.certificates import BROKER, INFLUXDB, OPERATOR, authority, issue
from connectors.services.keys.tokens import MAY, give_tokens, token_file
from connectors.services.run_state import private_directory, replace_private
from connectors.services.servers import named_influx, named_kafka
from connectors.settings import load_settings
from streams.roles import ENGINEER, NoKeys, as_file, engineers_entry, entry, give, roles

KAFKA, CERTIFICATES, USERS = "kafka", "kafka:19093", "kafka:19092"
"""The broker's name, and where it listens to certificates and to users with passwords."""

SEEN_AS = "/keys"
"""Where a container has its folder."""

HEALTH = f"""\
security.protocol=SSL
ssl.keystore.type=PEM
ssl.keystore.location={SEEN_AS}/{BROKER}.pem
ssl.truststore.type=PEM
ssl.truststore.location={SEEN_AS}/ca.pem
"""
"""How the broker is asked for its health, by itself."""


def make_keys(folder: Path, hosts: tuple[str, ...] = ()) -> Path:
    """The folder with all that can be made before the servers run; certificates are made anew, passwords are kept.

    Args:
        folder: is made where it is missing.
        hosts: names of the broker beside ``kafka``, of InfluxDB beside ``influxdb``, and of both beside ``localhost``.

    Returns:
        The file for ``docker compose --env-file``.
    """
    folder = private_directory(folder.absolute())
    signs = private_directory(folder / "authority")
    ca = authority(signs).read_text(encoding="ascii")
    for name, part in ((BROKER, "kafka"), (OPERATOR, "operator"), (INFLUXDB, "influxdb")):
        made = issue(signs, name, INFLUXDB if name == INFLUXDB else KAFKA, *hosts)
        _write(folder / part / f"{name}.pem", made.read_text(encoding="ascii"))
        made.unlink()
        _write(folder / part / "ca.pem", ca)
    _write(folder / "kafka" / "health.properties", HEALTH)
    for role in roles(load_settings()):
        place = folder / role.name
        _write(place / "ca.pem", ca)
        if not (place / "password").is_file():
            _write(place / "password", secrets.token_urlsafe(32))
        _write(place / "env", as_file(entry(role.name, USERS, f"{SEEN_AS}/password", f"{SEEN_AS}/ca.pem")))
    _give_the_console_the_engineers_password(folder)
    _write(folder / "grafana" / "env", "")
    _write(folder / "grafana" / "ca.pem", ca)
    whose = {"KEYS": str(folder), "KEYS_USER": f"{os.getuid()}:{os.getgid()}", "KEYS_GROUP": str(os.getgid())}
    _write(folder / "compose.env", "".join(f"DOSETWIN_{name}={value}\n" for name, value in whose.items()))
    return folder / "compose.env"


def _give_the_console_the_engineers_password(folder: Path) -> None:
    """The console acts as the engineer where one does."""
    place, name = folder / "console", f"{ENGINEER}.password"
    _write(place / name, (folder / ENGINEER / "password").read_text("ascii"))
    own = (place / "env").read_text("utf-8")
    _write(place / "env", own + as_file(engineers_entry(f"{SEEN_AS}/{name}")))


def admit_all(folder: Path) -> tuple[str, ...]:
    """Topics, passwords and rights on the Kafka, and tokens of the InfluxDB, that the environment names.

    Returns:
        The roles.

    Raises:
        NoKeys: the folder has none, or no server is named.
        KafkaUnreachable, InfluxError, TopicError: a server does not answer, or refuses.
    """
    settings, influx = load_settings(), named_influx()
    if named_kafka() is None or influx is None:
        raise NoKeys("set DOSETWIN_KAFKA and DOSETWIN_INFLUX_URL with DOSETWIN_INFLUX_TOKEN, and enter as the operator")
    everyone = roles(settings)
    for role in everyone:
        if not (folder / role.name / "password").is_file():
            raise NoKeys(f"{folder} has no password of {role.name}: dosetwin services keys {folder}")
    ensure_topics(settings.kafka, settings.topic_prefix, settings.partitions, (*TOPICS, *DEVICE_TOPICS, *AUDIT_TOPICS))
    passwords = {role.name: (folder / role.name / "password").read_text(encoding="ascii") for role in everyone}
    admin = open_admin(settings.kafka)
    try:
        give(admin, everyone, passwords)
    finally:
        admin.close()
    tokens = private_directory(folder / "authority" / "tokens")
    give_tokens(influx, tokens)
    for name in MAY:
        path = folder / name / "env"
        told = {"DOSETWIN_INFLUX_URL": influx.url, "DOSETWIN_INFLUX_TOKEN": token_file(tokens, name).read_text("ascii")}
        told |= {"DOSETWIN_INFLUX_CA": f"{SEEN_AS}/ca.pem"} if influx.ca else {}
        kept = [line for line in path.read_text("utf-8").splitlines(keepends=True) if "_INFLUX_" not in line]
        _write(path, "".join(kept) + as_file(told))
    return tuple(role.name for role in everyone)


def _write(path: Path, text: str) -> None:
    """A file that its group may read, as it may the folder of a part, within one that is shut."""
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o750)
    replace_private(path, text)
    path.chmod(0o640)
