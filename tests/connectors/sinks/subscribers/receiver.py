"""A receiver over HTTP that proves every message with the library of Standard Webhooks, and answers as it is told."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from connectors.webhooks import new_secret


@dataclass(frozen=True)
class Answer:
    """What is said to a message."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Receiver:
    """``ids`` and ``messages`` that it took, in order; ``asked`` are the paths of all calls."""

    port: int = 0
    secret: str = field(default_factory=new_secret)
    answers: Callable[[dict[str, Any]], Answer] = lambda _: Answer()
    ids: list[str] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}/alerts"

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The answer to a call."""
        self.asked.append(path)
        Webhook(self.secret).verify(body, headers)
        said = json.loads(body)
        answer = self.answers(said)
        if answer.status < 300:
            self.headers.append(headers)
            self.ids.append(headers["webhook-id"])
            self.messages.append(said)
        return answer

    @contextmanager
    def up(self) -> Iterator[None]:
        """It answers, at the port that it had before if it had one."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = receiver.take(self.path, {name.lower(): text for name, text in self.headers.items()}, body)
                try:
                    self.send_response(answer.status)
                    for name, text in {**answer.headers, "content-length": str(len(answer.body))}.items():
                        self.send_header(name, text)
                    self.end_headers()
                    self.wfile.write(answer.body)
                except OSError:  # who asked has not waited
                    pass

            def log_message(self, *_: Any) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = server.server_address[1]
        if self.tls is not None:
            server.socket = self.tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
