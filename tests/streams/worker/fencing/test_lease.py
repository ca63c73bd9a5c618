from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import IllegalGenerationError, RebalanceInProgressError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.produce import ProduceRequest

from streams.worker.fencing.lease import Lease, SessionLost, renew_with, seconds_since_boot, send_under


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Client:
    """Answers every request with ``code``, a second after it was sent."""

    def __init__(self, clock: Clock, code: int = 0) -> None:
        self.clock, self.code = clock, code
        self.sent: list[Any] = []

    async def send(self, node_id: int, request: Any, *, group: int = 0) -> Any:
        self.sent.append((node_id, request, group))
        self.clock.now += 1.0
        return SimpleNamespace(error_code=self.code)


@pytest.fixture
def clock() -> Clock:
    return Clock()


BEAT = HeartbeatRequest("group", 1, "member")
PRODUCE = ProduceRequest(transactional_id=None, required_acks=-1, timeout=1000, topics=[])


@pytest.mark.parametrize("code", [0, RebalanceInProgressError.errno])
async def test_an_accepted_heartbeat_renews_from_when_it_was_sent(clock: Clock, code: int) -> None:
    lease, client = Lease(6.0, clock), Client(clock, code)
    renew_with(client, lease)
    await client.send(1, BEAT, group=3)
    assert client.sent == [(1, BEAT, 3)]
    clock.now = 106.0
    lease.require()
    clock.now = 106.1
    with pytest.raises(SessionLost, match="not heard by the broker for 6 s"):
        lease.require()


async def test_what_is_no_accepted_heartbeat_renews_nothing(clock: Clock) -> None:
    lease, client = Lease(6.0, clock), Client(clock)
    renew_with(client, lease)
    await client.send(1, BEAT)
    clock.now = 105.0
    await client.send(1, FetchRequest(500, 1, 1000, 0, []))
    client.code = IllegalGenerationError.errno
    await client.send(1, BEAT)
    assert lease.is_lost


async def test_nothing_is_sent_without_a_lease_not_even_what_waited(clock: Clock) -> None:
    lease, client = Lease(6.0, clock), Client(clock)
    send_under(client, lease)
    lease.renew(sent=100.0)
    await client.send(1, PRODUCE)
    clock.now = 107.0
    with pytest.raises(SessionLost):
        await client.send(1, PRODUCE)
    assert len(client.sent) == 1
    lease.renew(sent=107.0)
    await client.send(1, PRODUCE)
    assert len(client.sent) == 2


def test_an_answer_that_comes_late_shortens_no_lease(clock: Clock) -> None:
    lease = Lease(6.0, clock)
    assert not lease.is_lost
    lease.renew(sent=100.0)
    lease.renew(sent=98.0)
    clock.now = 105.0
    assert not lease.is_lost


def test_the_clock_goes_on() -> None:
    assert seconds_since_boot() <= seconds_since_boot()
