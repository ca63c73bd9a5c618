"""An application on a real port of this machine, in the loop of the test that needs it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import httpx2
import uvicorn
from starlette.applications import Starlette


@contextlib.asynccontextmanager
async def served(application: Starlette) -> AsyncIterator[str]:
    """Its address, as ``http://127.0.0.1:PORT``."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="off", date_header=False))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()


def client_of_tests() -> httpx2.AsyncClient:
    """A client for addresses of this machine; reading the system's certificates would take longer than a test."""
    return httpx2.AsyncClient(timeout=120, verify=False)
