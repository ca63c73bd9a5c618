"""A way to a broker that can be closed and opened: whoever asks there finds nobody while it is closed."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

from connectors.services.ports import free_ports


class Relay:
    """``with`` it; ``address`` is where to ask, of a broker that tells its own address to who has come in."""

    def __init__(self, broker: str) -> None:
        (self._port,) = free_ports(1)
        self.address = f"127.0.0.1:{self._port}"
        host, _, port = broker.partition(":")
        self._broker = host, int(port)
        self._listener: socket.socket | None = None

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._listener is not None:
            self._listener.close()

    def open(self) -> None:
        """From now on somebody answers."""
        self._listener = socket.create_server(("127.0.0.1", self._port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                inside, _ = listener.accept()
                outside = socket.create_connection(self._broker)
                for one, other in ((inside, outside), (outside, inside)):
                    threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError), one, other:
        while chunk := one.recv(65536):
            other.sendall(chunk)
