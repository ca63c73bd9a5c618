"""A sender over HTTP: our own events to ``/v1/events``, each source by its token, and messages to ``/v1/messages``.

What is not safe yet (429, 503, nobody there) is sent again as it was, when the answer says so; an item that is refused
is told and left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import httpx2

from connectors.speaking.counts import Counts
from twin.events import InputEvent, encode

AGAIN_SECONDS = 1.0
"""Before a request is sent again where nobody says when."""

LONGEST_SECONDS = 30.0
"""No wait is longer, whatever an answer asks for."""

TIMEOUT_SECONDS = 60.0

LATER = (429, 502, 503, 504)


class HttpSender:
    """Requests to one listener.

    Args:
        url: of the listener, as ``http://127.0.0.1:8502``.
        tokens: by source.
        stopped: whether to give up.
        counts: what became of the events.
        sleep: for a while, in seconds; given so that a test needs no time.
    """

    def __init__(
        self,
        url: str,
        tokens: Mapping[str, str],
        stopped: Callable[[], bool],
        counts: Counts,
        sleep: Callable[[float], object] = time.sleep,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"--to {url}: write a URL, as http://127.0.0.1:8502")
        self._url, self._tokens = url.rstrip("/"), tokens
        self._stopped, self._counts, self._sleep = stopped, counts, sleep
        self._client = httpx2.Client(timeout=TIMEOUT_SECONDS, transport=transport)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def events(self, events: Sequence[InputEvent]) -> None:
        """Send events in their order, those of a source that follow one another together."""
        for source, group in groupby(events, key=lambda event: event.source):
            together = list(group)
            body = b"\n".join(map(encode, together))
            answer = self._post("/v1/events", source, body, "application/x-ndjson")
            if answer is None:
                continue
            for result, event in zip(self._results(answer, len(together)), together, strict=True):
                if result["status"] == "accepted":
                    self._counts.accepted(str(event.kind))
                else:
                    self._counts.refused(f"{event.kind}: {result['reason']}: {result['detail']}")

    def message(self, source: str, kind: str, body: bytes, content_type: str) -> None:
        """Send a message of a protocol."""
        answer = self._post("/v1/messages", source, body, content_type)
        if answer is None:
            return
        results = self._results(answer, 1)
        for result in results:
            if result["status"] == "refused":
                self._counts.refused(f"{kind}: {result['place']}: {result['reason']}: {result['detail']}")
        if all(result["status"] != "refused" for result in results):
            self._counts.accepted(kind)

    def put(self, path: str, kind: str, body: bytes, content_type: str) -> None:
        """Put a resource onto a server, whatever version of it the server has."""
        answer = self._request("PUT", path, body, {"content-type": content_type})
        if answer is None:
            return
        if answer.is_success:
            self._counts.accepted(kind)
        else:
            self._counts.refused(f"{kind}: the server answered with {answer.status_code}: {answer.text[:200]}")

    def _results(self, answer: httpx2.Response, count: int) -> list[dict[str, Any]]:
        said = answer.json()
        if answer.status_code == httpx2.codes.ACCEPTED:
            found: list[dict[str, Any]] = said["results"]
            return found
        refused = {"status": "refused", "place": "message", "reason": said["title"], "detail": said["detail"]}
        return [refused] * count

    def _post(self, path: str, source: str, body: bytes, content_type: str) -> httpx2.Response | None:
        headers = {"authorization": f"Bearer {self._tokens[source]}", "content-type": content_type}
        return self._request("POST", path, body, headers)

    def _request(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> httpx2.Response | None:
        """The answer that is one for good; None where it is to stop."""
        while not self._stopped():
            try:
                answer = self._client.request(method, self._url + path, content=body, headers=headers)
            except httpx2.TransportError:
                self._counts.waited(self._url)
                self._sleep(AGAIN_SECONDS)
                continue
            if answer.status_code not in LATER:
                return answer
            self._counts.again()
            said = answer.headers.get("retry-after", "")
            self._sleep(min(float(said), LONGEST_SECONDS) if said.isdigit() else AGAIN_SECONDS)
        return None
