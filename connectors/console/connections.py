"""How many may be connected to the console, and how long one may take to say what it wants and to take what it is told.

A connection costs a file descriptor from its first byte on, and uvicorn waits without end: for the rest of a request's
head, for a client that takes no more of its answer, and at its own end for answers that have none. Here the first two
have deadlines, beyond a number of connections the newest is closed at once, and endless answers end with the server.
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

TAKE_SECONDS = 30.0
"""How long a client may take nothing of what waits for it."""

ENDLESS = "dosetwin.endless"
"""Key in the scope of a request whose answer has no end of its own."""


class BoundedConnection(H11Protocol):
    """A connection of uvicorn's with those bounds."""

    _deadline: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

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

    def pause_writing(self) -> None:
        """More waits for the client than should."""
        super().pause_writing()
        self._stuck = self.loop.call_later(TAKE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It has taken most of that."""
        self._take_up()
        super().resume_writing()

    def shutdown(self) -> None:
        """The server ends: answers are completed, but for those without an end."""
        super().shutdown()
        if self.scope and self.scope.get(ENDLESS):
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._forget_deadline()
        self._take_up()
        super().connection_lost(exc)

    def _take_up(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

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
