"""A name in a consumer group belongs to whoever lives: two never fight over it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from connectors.kafka.membership import NameTaken, await_name, client_name, holder, name_on_this_machine
from connectors.services.supervisor import ProcessId

ELSEWHERE = "dosetwin@another-machine/7-123"


def own(process: object) -> str:
    return f"dosetwin@{socket.gethostname()}/{process}"


def wait(*seen: str | None, patience: float = 3.0) -> list[float]:
    """Waits for the name while its holders follow one another; returns the pauses."""
    pauses: list[float] = []
    told: Iterator[str | None] = iter(seen)
    last = seen[-1]
    await_name("ward-1", patience, lambda: next(told, last), pause=pauses.append)
    return pauses


@pytest.mark.parametrize(
    "who",
    [None, own("999999999-1"), own(ProcessId(os.getpid(), 1)), client_name()],
    ids=["nobody", "one that died", "one of this pid, before", "this very process"],
)
def test_a_name_is_free_when_nobody_who_lives_has_it(who: str | None) -> None:
    assert wait(who) == []


def test_a_name_of_a_living_worker_of_this_machine_is_refused_at_once_with_the_mend() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        with pytest.raises(NameTaken, match=r"--instance ward-1 .* another worker .*a name of its own.*\{host\}"):
            wait(own(ProcessId.of(other.pid)))
        other.communicate(b"\n")


def test_one_of_another_machine_is_given_the_time_after_which_it_counts_as_dead() -> None:
    assert len(wait(ELSEWHERE, ELSEWHERE, None)) == 2
    with pytest.raises(NameTaken, match="another-machine"):
        wait(ELSEWHERE)


def test_a_member_that_says_nothing_of_itself_is_waited_for_too() -> None:
    with pytest.raises(NameTaken):
        wait("kafka-python-1.0")


def test_the_machines_name_may_stand_in_a_name() -> None:
    assert name_on_this_machine("worker-{host}") == f"worker-{socket.gethostname()}"
    assert name_on_this_machine("ward-1") == "ward-1"


def test_a_group_that_is_not_there_holds_no_name(kafka: str) -> None:
    assert holder(kafka, "no-such-group", "ward-1") is None
