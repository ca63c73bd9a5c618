"""A real MQTT broker, and a real sender: mosquitto as it is installed, or Debian's packages (`tests.debian`)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.services.cache import cached
from connectors.services.ports import answers, free_ports
from connectors.services.progress import Say
from tests import debian
from tests.connectors.listeners.certificates import make_certificates

KEY = "mosquitto-debian"
PROGRAMS = ("mosquitto", "mosquitto_passwd", "mosquitto_pub")
PASSWORD = "secret of tests"
READER = "dosetwin"
USERS = (READER, "phone-1", "phone-2", "gateway")


def programs(say: Say = print) -> Path | None:
    """The folder whose tree holds the programs; None where they are installed. Fetched when first asked for."""
    if all(debian.installed(name) for name in PROGRAMS):
        return None
    return cached(KEY, lambda folder: debian.fetch(folder, "mosquitto", ("mosquitto", "mosquitto-clients"), say), say)


def command(name: str) -> tuple[str, dict[str, str]]:
    """A program of mosquitto, and the environment that it needs."""
    folder = programs()
    if folder is None:
        found = debian.installed(name)
        assert found is not None
        return found, dict(os.environ)
    tree = folder / "tree" / "usr"
    (found_here,) = [path for path in tree.glob(f"*bin/{name}") if path.is_file()]
    libraries = [str(path) for path in (tree / "lib", *tree.glob("lib/*-linux-*"))]
    return str(found_here), os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(libraries)}


@dataclass(frozen=True)
class Mosquitto:
    """A running broker: one port for anybody, one for `USERS` with their rights (`READER` reads, others write below
    ``.../ingest/USER/``), one with TLS for which ``authority`` vouches."""

    port: int
    guarded: int
    tls: int
    authority: Path

    def publish(
        self,
        topic: str,
        payload: bytes | str,
        *options: str,
        user: str = "",
        properties: tuple[tuple[str, str], ...] = (),
    ) -> str:
        """Publish with the real sender at QoS 1; returns what it complains of."""
        program, environment = command("mosquitto_pub")
        login = ["-p", str(self.guarded), "-u", user, "-P", PASSWORD] if user else ["-p", str(self.port)]
        named = [word for name, value in properties for word in ("-D", "publish", name, value)]
        raw = payload.encode() if isinstance(payload, str) else payload
        words = [program, "-h", "127.0.0.1", *login, "-V", "5", "-q", "1", "-t", topic, "-s", *named, *options]
        done = subprocess.run(words, input=raw, env=environment, capture_output=True, timeout=120, check=False)
        return done.stderr.decode()

    def connected(self, topic: str, birth: str, will: str) -> subprocess.Popen[bytes]:
        """A device that publishes its birth, and leaves its last will with the broker for when it is killed."""
        program, environment = command("mosquitto_pub")
        words = [program, "-h", "127.0.0.1", "-p", str(self.port), "-V", "5", "-q", "1", "-r", "-t", topic, "-l"]
        words += ["--will-topic", topic, "--will-payload", will, "--will-qos", "1", "--will-retain"]
        device = subprocess.Popen(words, env=environment, stdin=subprocess.PIPE)
        assert device.stdin is not None
        device.stdin.write(birth.encode() + b"\n")
        device.stdin.flush()
        return device


@contextlib.contextmanager
def running(folder: Path, port: int = 0) -> Iterator[Mosquitto]:
    """A broker whose files are in ``folder``; anybody may come to ``port``, if it is given."""
    program, environment = command("mosquitto")
    passwd, _ = command("mosquitto_passwd")
    free, guarded, tls = free_ports(3)
    port = port or free
    passwords = folder / "passwords"
    passwords.touch()
    for user in USERS:
        subprocess.run([passwd, "-b", passwords, user, PASSWORD], env=environment, check=True, timeout=120)
    (folder / "rights").write_text(f"user {READER}\ntopic read #\n\npattern write +/v1/ingest/%u/#\n")
    certificates = make_certificates(folder)
    lines = [
        "per_listener_settings true",
        "persistence false",
        "max_queued_messages 100000",
        "log_type none",
        *(["user root"] if os.geteuid() == 0 else []),
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        f"listener {guarded} 127.0.0.1",
        f"password_file {passwords}",
        f"acl_file {folder / 'rights'}",
        f"listener {tls} 127.0.0.1",
        "allow_anonymous true",
        f"certfile {certificates / 'server.pem'}",
        f"keyfile {certificates / 'server.key'}",
    ]
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
    with (folder / "log").open("ab") as log:
        broker = subprocess.Popen(
            [program, "-c", folder / "mosquitto.conf"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        until = time.monotonic() + 60
        while not all(answers(f"127.0.0.1:{one}") for one in (port, guarded, tls)):
            assert broker.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.02)
        yield Mosquitto(port, guarded, tls, certificates / "ward.pem")
    finally:
        broker.terminate()
        broker.wait(60)
