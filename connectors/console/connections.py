"""How many may be connected to the console, and how long one may take to say what it wants.

A connection costs a file descriptor from its first byte on, and uvicorn waits for the rest of a request's head without
end. Here a head has a deadline, and beyond a number of connections the newest is closed at once.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 250
"""Connections at one time, pages that are open among them; each page has one, and a browser a few more on loading."""

HEAD_SECONDS = 10.0
"""From the first wait for a request's head until it must be complete."""


class BoundedConnection(H11Protocol):
    """A connection of uvicorn's with those bounds."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One more; closed at once where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        super().data_received(data)
        self._watch_head()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """The head was complete; what follows is the page's."""
        self._forget_deadline()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._forget_deadline()
        super().connection_lost(exc)

    def _watch_head(self) -> None:
        if self.transport.is_closing() or self.conn.their_state is not h11.IDLE:
            self._forget_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def bounded(app: Any, **options: Any) -> Any:
    """A `uvicorn.Server` of ``app`` whose connections are bounded."""
    import uvicorn

    return uvicorn.Server(uvicorn.Config(app, http=BoundedConnection, **options))
