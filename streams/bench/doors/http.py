"""Our own events over HTTP: how long one takes from when it was due until its sender knows that Kafka has it.

Events come one by one at a steady pace, whether or not the last one was answered, over a few connections that stay
open. The sender is as plain as can be, since it shares the machine with what it measures.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from connectors.speaking.source import SECRETS
from streams.bench.doors.listener import listening
from streams.bench.stream import BenchmarkFailed
from twin.events import InputEvent, encode

PER_SECOND = 500
CONNECTIONS = 16
WARM_UP_SECONDS = 2.0
PATIENCE = 60.0


def http_latency(bootstrap: str, seconds: float, say: Callable[[str], object]) -> dict[str, Any]:
    """``http_ms`` with ``p50`` and ``p99`` at `PER_SECOND` events a second, and ``http_mib``.

    Raises:
        BenchmarkFailed: the listener ended, or did not take an event.
    """
    with listening(bootstrap, "http") as listener:
        tokens = json.loads((listener.spoken.folder / SECRETS).read_text(encoding="utf-8"))
        events = [told.event for told in listener.take(round(PER_SECOND * (WARM_UP_SECONDS + seconds)))]
        say(f"{PER_SECOND} events a second over HTTP, for {seconds:.0f} s")
        requests = [_request(event, tokens[event.source], listener.address) for event in events]
        took = asyncio.run(_sent(listener.address, requests))[round(PER_SECOND * WARM_UP_SECONDS) :]
        p50, p99 = (round(1000 * float(np.quantile(took, q)), 1) for q in (0.5, 0.99))
        return {"http_ms": {"p50": p50, "p99": p99}, "http_mib": round(listener.mib(), 1)}


def _request(event: InputEvent, token: str, address: str) -> bytes:
    body = encode(event)
    head = f"POST /v1/events HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n"
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def _sent(address: str, requests: Sequence[bytes]) -> list[float]:
    """Seconds that each took, from when it was due."""
    host, _, port = address.rpartition(":")
    due: asyncio.Queue[tuple[int, float, bytes]] = asyncio.Queue()
    took = [0.0] * len(requests)

    async def lane() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            while True:
                number, at, request = await due.get()
                writer.write(request)
                status = await _status(reader)
                if status != b"202":
                    raise BenchmarkFailed(f"the listener answered an event with {status.decode()}")
                took[number] = time.monotonic() - at
                due.task_done()
        finally:
            writer.close()

    async with asyncio.timeout(PATIENCE + len(requests) / PER_SECOND), asyncio.TaskGroup() as group:
        lanes = [group.create_task(lane()) for _ in range(CONNECTIONS)]
        began = time.monotonic()
        for number, request in enumerate(requests):
            at = began + number / PER_SECOND
            await asyncio.sleep(max(at - time.monotonic(), 0.0))
            due.put_nowait((number, at, request))
        await due.join()
        for one in lanes:
            one.cancel()
    return took


async def _status(reader: asyncio.StreamReader) -> bytes:
    """The status of an answer, which is read to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    await reader.readexactly(int(length.split(b":")[1]))
    return head.split(b" ", 2)[1]
