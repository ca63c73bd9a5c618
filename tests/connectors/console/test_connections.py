"""Half a request holds a connection for a while only, and there are not more than so many."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.request import urlopen

import pytest

from connectors.console import connections
from connectors.console.board import Board
from connectors.console.server import create_app, listen, server_of
from connectors.console.topic_reader import LiveBoard, ReaderStatus


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a console with small bounds."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 12)
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.6)
    server = server_of(create_app(LiveBoard(Board(), ReaderStatus(state="live"))))
    with listen("127.0.0.1", 0) as listener:
        running = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        running.start()
        yield int(listener.getsockname()[1])
        server.should_exit = True
        running.join(60)


def open_half(stack: ExitStack, port: int) -> socket.socket:
    """A connection that has said half of what it wants."""
    one = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
    one.sendall(b"GET /api/ward HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    return one


def ended(one: socket.socket) -> bool:
    """Whether the console closes it within a while, whatever it still says before."""
    try:
        while one.recv(10_000):
            pass
        return True
    except ConnectionResetError:
        return True


def ward(port: int) -> int:
    with urlopen(f"http://127.0.0.1:{port}/api/ward", timeout=60) as answer:
        return int(answer.status)


def test_half_sent_heads_are_ended_and_the_ward_is_served_on(port: int) -> None:
    with ExitStack() as stack:
        halves = [open_half(stack, port) for _ in range(8)]
        assert ward(port) == 200
        began = time.monotonic()
        assert all(ended(one) for one in halves)
        assert time.monotonic() - began < 4
    assert ward(port) == 200


def test_beyond_so_many_connections_the_newest_is_closed_at_once(port: int) -> None:
    with ExitStack() as stack:
        halves = [open_half(stack, port) for _ in range(12)]
        assert ended(open_half(stack, port))
        halves[0].sendall(b"\r\n")
        assert halves[0].recv(12) == b"HTTP/1.1 200"
    time.sleep(0.1)
    assert ward(port) == 200


def test_a_second_request_on_a_connection_has_its_time_too(port: int) -> None:
    with ExitStack() as stack:
        one = open_half(stack, port)
        one.sendall(b"\r\n")
        assert one.recv(10_000).startswith(b"HTTP/1.1 200")
        one.sendall(b"GET /api/ward HTTP/1.1\r\n")
        assert ended(one)
