"""Who holds a name in a consumer group, so that two processes do not fight over it.

A member that names itself (static membership) takes the name, and the partitions with it, from whoever has it: right
for a process that was started again, and an endless fight between two that both live. So a process that wants a name
looks first who has it. Each says in its client id on which machine it runs and as which process: one of this machine
is asked itself whether it lives; one of another machine is given the time after which Kafka takes it for dead.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any

import psutil

from connectors.kafka.clients import open_admin
from connectors.services.supervisor import ProcessId

LOOK_SECONDS = 1.0
"""Between two looks at who has the name."""

HOST = "{host}"
"""Stands in a name for that of this machine."""


class NameTaken(RuntimeError):
    """Another living process has the name; the message says which, and how to mend it."""


def client_name() -> str:
    """Of this process, as the broker shows it."""
    return f"dosetwin@{socket.gethostname()}/{ProcessId.of(os.getpid())}"


def name_on_this_machine(name: str) -> str:
    """The name with `HOST` in it replaced."""
    return name.replace(HOST, socket.gethostname())


def members(bootstrap: str, group: str) -> list[Any]:
    """The members of a consumer group as the broker describes them; none where there is no such group.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
    """
    from kafka.errors import KafkaError

    admin = open_admin(bootstrap)
    try:
        return list(admin.describe_groups([group])[group]["members"])
    except (KafkaError, KeyError):  # no such group yet
        return []
    finally:
        admin.close()


def holder(bootstrap: str, group: str, name: str) -> str | None:
    """Client id of the member that has the name; None where there is none.

    Raises:
        KafkaUnreachable: no broker answers at ``bootstrap``.
    """
    found = (each for each in members(bootstrap, group) if each.get("group_instance_id") == name)
    return next((str(each["client_id"]) for each in found), None)


def await_name(
    name: str,
    patience: float,
    look: Callable[[], str | None],
    *,
    say: Callable[[str], object] = lambda _: None,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Return when nobody who lives has the name; ``look`` gives its holder, ``patience`` the seconds for one elsewhere.

    Raises:
        NameTaken: somebody who lives has it.
    """
    waited = 0.0
    while (who := look()) is not None and (alive := lives(who)) is not False:
        if alive or waited >= patience:
            raise NameTaken(
                f"--instance {name} is that of another worker that runs ({who}): give each worker a name of its own, "
                f"or write --instance '{HOST}' for that of its machine"
            )
        if not waited:
            say(f"--instance {name} is still held by {who}; waiting up to {patience:.0f} s for it to end")
        pause(LOOK_SECONDS)
        waited += LOOK_SECONDS


def lives(client: str) -> bool | None:
    """Whether the process of a client id lives; None where this machine cannot know."""
    host, _, process = client.removeprefix("dosetwin@").rpartition("/")
    if host != socket.gethostname():
        return None
    try:
        found = ProcessId.parse(process)
        return found != ProcessId.of(os.getpid()) and found.alive()
    except (ValueError, psutil.NoSuchProcess):
        return None
