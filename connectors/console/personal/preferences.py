"""What a reader has chosen, told and kept.

::

    GET /api/preferences   {"kept": true, "preferences": {"language": null, "zone": "Europe/Berlin",
                            "units": {"creatinine": "mg/dL"}}, "units": {KIND: [CODE, ...]}, "lines": {...}}
    PUT /api/preferences   {"language": "de", "zone": "Europe/Berlin", "units": {}}, with "X-Dosetwin: act"

``lines`` has by analyte and unit how values convert (`connectors.console.personal.unit_lines`). Where there
is no file of accounts nothing is kept here: the browser keeps it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.access.doorkeeper import Doorkeeper
from connectors.access.preferences import UNITS, Preferences, PreferencesError, preferences_of
from connectors.access.roles import Deed
from connectors.console.door.answers import as_json
from connectors.console.door.reading import read
from connectors.console.door.visitor import may, visitor_of
from connectors.console.personal.unit_lines import lines_of
from connectors.console.topic_reader import LiveBoard

_decoder = msgspec.json.Decoder(dict[str, Any])


class OwnPreferences:
    """The routes; without a file of accounts nothing is kept."""

    def __init__(self, keeper: Doorkeeper | None, live: LiveBoard) -> None:
        self._file = None if keeper is None else keeper.preferences
        self._lines = lines_of(live.board.analytes())

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/api/preferences", may(Deed.LOOK, self._told), methods=["GET"]),
            Route("/api/preferences", may(Deed.LOOK, self._kept), methods=["PUT"]),
        ]

    def of(self, name: str) -> Preferences:
        """What somebody chose. Raises `HTTPException`."""
        if self._file is None:
            return Preferences()
        try:
            return self._file.of(name)
        except PreferencesError as error:
            raise HTTPException(503, str(error)) from None

    async def _told(self, request: Request) -> Response:
        chosen = self.of(visitor_of(request).who.name)
        told = {"preferences": chosen.model_dump(), "units": UNITS, "lines": self._lines}
        return as_json({"kept": self._file is not None} | told)

    async def _kept(self, request: Request) -> Response:
        said = await read(request, _decoder, "language, zone and units")
        if self._file is None:
            raise HTTPException(404, "here is no file of accounts to keep it beside: the browser keeps what was chosen")
        try:
            chosen = preferences_of(said)
        except PreferencesError as error:
            raise HTTPException(400, str(error)) from None
        try:
            self._file.keep(visitor_of(request).who.name, chosen)
        except PreferencesError as error:
            raise HTTPException(503, str(error)) from None
        return as_json(chosen.model_dump())
