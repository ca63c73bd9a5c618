"""The lease: how long a worker may be sure that its partitions are its own.

The broker gives a worker's partitions away when it has not heard of it for the session timeout. So a worker holds them
at least until that long after it *sent* the newest heartbeat that the broker accepted. `Lease` keeps that moment, and
all that the producer sends passes by it: a worker that was frozen for longer (SIGSTOP, a paused virtual machine) and
wakes sends nothing of what it had ready, and starts anew.

`renew_with` and `send_under` put a lease between aiokafka's clients and the broker.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from aiokafka.errors import KafkaError, RebalanceInProgressError
from aiokafka.protocol.group import HeartbeatRequest, SyncGroupRequest
from aiokafka.protocol.produce import ProduceRequest

_MEMBER = (0, RebalanceInProgressError.errno)
"""Answers to a heartbeat by which the sender is still a member: all is well, or the group is being divided anew."""


class SessionLost(KafkaError):  # type: ignore[misc]
    """The worker was silent for longer than its session timeout: others may hold its partitions, it may not write."""

    retriable = False


def seconds_since_boot() -> float:
    """Seconds that also pass while the machine sleeps, where the system has such a clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Lease:
    """A lease of ``seconds``, renewed by accepted heartbeats; used from two threads. ``clock`` gives seconds.

    >>> now = 0.0
    >>> lease = Lease(6.0, clock=lambda: now)
    >>> lease.renew(sent=1.0)
    >>> now = 7.5
    >>> lease.is_lost
    True
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = seconds_since_boot) -> None:
        self.seconds = seconds
        self.clock = clock
        self._until: float | None = None

    def renew(self, sent: float) -> None:
        """The broker accepted a heartbeat that was sent then."""
        self._until = max(sent + self.seconds, self._until or sent)

    @property
    def is_lost(self) -> bool:
        """Whether there was a lease, and it has run out."""
        return self._until is not None and self.clock() > self._until

    def require(self) -> None:
        """Raises `SessionLost` where nothing may be written."""
        if self.is_lost:
            raise SessionLost(f"not heard by the broker for {self.seconds:g} s: others may hold the partitions by now")


def renew_with(client: Any, lease: Lease) -> None:
    """Let the heartbeats of a consumer's aiokafka client renew the lease."""
    send = client.send

    async def renewing(node_id: Any, request: Any, **options: Any) -> Any:
        sent = lease.clock()
        response = await send(node_id, request, **options)
        if isinstance(request, HeartbeatRequest | SyncGroupRequest) and response.error_code in _MEMBER:
            lease.renew(sent)
        return response

    client.send = renewing


def send_under(client: Any, lease: Lease) -> None:
    """Let a producer's aiokafka client send records only while the lease holds, also those that waited to be sent."""
    send = client.send

    async def fenced(node_id: Any, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest):
            lease.require()
        return await send(node_id, request, **options)

    client.send = fenced
