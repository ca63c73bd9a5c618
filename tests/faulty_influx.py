"""A door before the real InfluxDB on an address of its own, behind which anything may go wrong.

A fault looks at the lines of a call and says what is answered instead of InfluxDB, or lets the call pass. To add one,
write a line in `OUTAGES`, or a function like `refusing`.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from connectors.services import Influx

HANG_UP = 0
"""The status of a call whose connection is closed without an answer."""


@dataclass(frozen=True)
class Answer:
    """What is said instead of InfluxDB's answer, ``after`` so many seconds; with ``passed`` the lines are written."""

    status: int
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0
    passed: bool = False


Fault = Callable[[Sequence[str]], Answer | None]


def passing(_: Sequence[str]) -> None:
    """Nothing is wrong."""


def always(answer: Answer) -> Fault:
    """The same answer to every call."""
    return lambda _: answer


def refusing(measurement: str, *, status: int = 422, message: str = "refused", seconds: float = 0.0) -> Fault:
    """Calls with a line of ``measurement`` are refused, slowly, and none of their lines is written."""

    def fault(lines: Sequence[str]) -> Answer | None:
        bad = any(line.startswith(measurement + ",") for line in lines)
        return Answer(status, message, after=seconds) if bad else None

    return fault


TOO_LONG = 1.5
"""Seconds that an answer takes where there is none in time, for a writer that waits for a third of it."""

OUTAGES: Mapping[str, Fault] = {
    "it is starting": always(Answer(503, "starting")),
    "it asks for a pause": always(Answer(503, headers={"Retry-After": "1"})),
    "too many requests": always(Answer(429, headers={"Retry-After": "1"})),
    "it fails": always(Answer(500, "internal error")),
    "its disk is full": always(Answer(500, "unexpected error writing points to database: no space left on device")),
    "its token is another": always(Answer(401, "unauthorized access")),
    "the bucket is not there yet": always(Answer(404, 'bucket "x" not found')),
    "it hangs up": always(Answer(HANG_UP)),
    "it hangs up after it has written": always(Answer(HANG_UP, passed=True)),
    "it fails after it has written": always(Answer(502, passed=True)),
    "it is too slow": always(Answer(204, after=TOO_LONG, passed=True)),
}
"""What ends by itself or by somebody's hand: until then lines wait, and none of them is to blame."""


class FaultyInflux:
    """Passes calls on to ``influx`` unless its ``fault`` says otherwise; ``calls`` has the number of lines of each."""

    def __init__(self, influx: Influx, fault: Fault = passing) -> None:
        self.fault = fault
        self.calls: list[int] = []
        door, address = self, influx.url.removeprefix("http://")

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                lines = body.decode().splitlines()
                answer = door.fault(lines)
                door.calls.append(len(lines))
                status, content, headers = 0, b"", {}
                if answer is None or answer.passed:
                    status, content = self.pass_on(body)
                if answer is not None:
                    time.sleep(answer.after)
                    status, headers = answer.status, dict(answer.headers)
                    content = json.dumps({"code": "told", "message": answer.message}).encode()
                if status != HANG_UP:
                    self.answer(status, content if status != 204 else b"", headers)

            def pass_on(self, body: bytes) -> tuple[int, bytes]:
                connection = http.client.HTTPConnection(address, timeout=60)
                try:
                    connection.request("POST", self.path, body, dict(self.headers))
                    answer = connection.getresponse()
                    return answer.status, answer.read()
                except (OSError, http.client.HTTPException):
                    return HANG_UP, b""  # it is away itself
                finally:
                    connection.close()

            def answer(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except ConnectionError:
                    pass  # who asked has not waited

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
