"""A FHIR R4 server that is read: resources that a second of a core takes from its histories until Kafka has them.

The server is a stand-in whose pages are written before the time counts: a real one needs far longer for a page than
whoever reads it, and shares the machine. What it serves is what a simulated ward says (results, readings of monitors,
doses), each resource of a Patient who is looked up. By the reader's processor time, from its question for the first
page to the one after the last resource was safe.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from connectors.speaking.fhir import FhirWriter, Resource
from connectors.speaking.words import OWN, Words
from streams.bench.doors.listener import Listening, listening
from streams.bench.stream import BenchmarkFailed
from twin.events import from_millis

PAGE = 200
"""Versions on a page."""

WARM_UP = 0.2
"""Share of the resources that is read before the reader's time counts."""

KINDS = ("Observation", "MedicationAdministration")

Json = dict[str, Any]


def fhir_cost(bootstrap: str, count: int, say: Callable[[str], object]) -> dict[str, Any]:
    """``fhir_per_s`` and ``fhir_mib`` of so many resources.

    Raises:
        BenchmarkFailed: the reader ended, did not read them, or refused one.
    """
    with stand_in() as server, listening(bootstrap, "fhir", server.address) as reader:
        write = FhirWriter(Words(reader.spoken.measured))
        resources: list[Resource] = []
        while len(resources) < count:
            written = (write(told.event, from_millis(told.time)) for told in reader.take(count))
            resources += [resource for resource in written if resource is not None]
        first = round(WARM_UP * count)
        say(f"{count} resources of a FHIR server")
        _read(server, reader, resources[:first])
        spent = _read(server, reader, resources[first:count])
        if refused := reader.refused():
            raise BenchmarkFailed(f"the reader refused {refused} resources")
        return {"fhir_per_s": round((count - first) / spent), "fhir_mib": round(reader.mib(), 1)}


def _read(server: StandIn, reader: Listening, resources: Sequence[Resource]) -> float:
    """Have these read; the processor seconds that it took."""
    spent: list[float] = []
    server.offer(resources, lambda: spent.append(reader.processor_seconds()))
    reader.wait_until(lambda: len(spent) == 2)
    return spent[1] - spent[0]


class StandIn(ThreadingHTTPServer):
    """Answers what a reader of histories asks; everything is on this machine."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self._lock = threading.Lock()
        self._offered: dict[str, list[bytes]] = {}
        self._open: dict[str, list[bytes]] = {}
        self._clock = "2026-03-01T00:00:00Z"
        self._mark: Callable[[], object] = lambda: None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/fhir"

    def offer(self, resources: Sequence[Resource], mark: Callable[[], object]) -> None:
        """What is new from now on; ``mark`` is called when it is first asked for, and when all of it was safe."""
        pages = {}
        for kind in KINDS:
            entries = [_entry(one) for one in reversed(resources) if one.kind == kind]
            pages[kind] = [",".join(entries[at : at + PAGE]) for at in range(0, len(entries), PAGE)]
        clock = json.loads(resources[-1].text)["meta"]["lastUpdated"]
        made = {kind: [self._bundle(kind, n, of, clock) for n in range(len(of))] for kind, of in pages.items() if of}
        with self._lock:
            self._offered, self._clock, self._mark = made, clock, mark

    def _bundle(self, kind: str, number: int, pages: Sequence[str], clock: str) -> bytes:
        more = f"{self.address}/{kind}/_history?page={number + 1}"
        links = [{"relation": "next", "url": more}] if number + 1 < len(pages) else []
        head = {"resourceType": "Bundle", "type": "history", "meta": {"lastUpdated": clock}, "link": links}
        return f'{json.dumps(head)[:-1]}, "entry": [{pages[number]}]}}'.encode()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that is stopped does not wait for its answer."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)

    def answer(self, path: str, asked: dict[str, list[str]]) -> bytes:
        """What a GET of a path beneath the base has as its body."""
        kind, _, what = path.partition("/")
        if kind == "metadata":
            can = [{"type": kind, "interaction": [{"code": "history-type"}]} for kind in ("Patient", *KINDS)]
            return json.dumps({"resourceType": "CapabilityStatement", "rest": [{"resource": can}]}).encode()
        if kind == "Patient" and "_id" in asked:
            found = [{"resource": _patient(id_)} for id_ in asked["_id"][0].split(",")]
            return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": found}).encode()
        with self._lock:
            if what == "_history" and kind == "Patient":
                self._begin()
            if what == "_history" and "page" in asked:
                return self._open[kind][int(asked["page"][0])]
            pages = self._open.get(kind)
            return pages[0] if pages else self._bundle(kind, 0, [""], self._clock)

    def _begin(self) -> None:
        """A reader begins with the Patients: what it read before is safe."""
        if self._open:
            self._open = {}
            self._mark()
        elif self._offered:
            self._open, self._offered = self._offered, {}
            self._mark()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = self.server.answer(url.path.removeprefix("/fhir/"), parse_qs(url.query))
        self.send_response(200)
        self.send_header("content-type", "application/fhir+json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said of a request."""


@contextlib.contextmanager
def stand_in() -> Iterator[StandIn]:
    """A stand-in that answers until the end of the block."""
    with StandIn() as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()


def _entry(resource: Resource) -> str:
    """A resource in a history, of a Patient on the server."""
    said: Json = json.loads(resource.text)
    number = said["subject"]["identifier"]["value"]
    said["subject"] = {"reference": f"Patient/{number.replace('/', '.')}"}
    return json.dumps({"resource": said, "request": {"method": "PUT", "url": f"{resource.kind}/{resource.id}"}})


def _patient(id_: str) -> Json:
    number, _, ward = id_.partition(".")
    return {"resourceType": "Patient", "id": id_, "identifier": [{"system": OWN, "value": f"{number}/{ward}"}]}
