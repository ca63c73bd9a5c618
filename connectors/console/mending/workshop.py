"""Where engineers work: the page and what it asks for. Whoever may not mend is told so at each route."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from connectors.access.roles import Deed
from connectors.audit.keeping import chain_figures
from connectors.console.door.answers import as_json
from connectors.console.door.reading import read
from connectors.console.door.visitor import may, visitor_of
from connectors.console.door.witness import visit
from connectors.console.mending.health import health_of
from connectors.console.mending.letters import MOST_TEXT, CannotMend, UnknownLetter, letter_to_send, shown_letters
from connectors.console.topic_reader import LiveBoard
from connectors.kafka.access.engineer import as_engineer
from connectors.kafka.clients import KafkaUnreachable
from connectors.kafka.dead_letters import send_again
from connectors.privacy.master_key import KeysUnusable
from connectors.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")


class HeldBack(msgspec.Struct, frozen=True):
    """What a twin keeps and does not count: an event, or what a device repeated from ``begins`` to ``ends`` (ms)."""

    patient_id: str
    event_id: str
    what: str
    begins: int
    ends: int
    why: str
    releasable: bool


class Mended(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A letter's event as it should have come; None: as it came."""

    original: str | None = None


_decoder = msgspec.json.Decoder(Mended)


@dataclass
class Workshop:
    """Answers engineers.

    Attributes:
        live: what the console knows.
        settings: where dead letters are.
        held: reads what all twins hold back; unreadable rows are named in what it gives.
        page: the page's file.
    """

    live: LiveBoard
    settings: Settings
    held: Callable[[], Iterable[HeldBack]]
    page: Path
    turn: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))

    def routes(self) -> list[Route]:
        """What engineers may ask."""
        return [
            Route("/engineer", may(Deed.MEND, self._page)),
            Route("/api/mending/health", may(Deed.MEND, self._health)),
            Route("/api/mending/letters", may(Deed.MEND, self._letters)),
            Route("/api/mending/letters/{place}/resend", may(Deed.MEND, self._resend), methods=["POST"]),
            Route("/api/mending/held", may(Deed.MEND, self._held)),
            Route("/api/mending/audit", may(Deed.MEND, self._audit)),
        ]

    async def _page(self, _: Request) -> Response:
        return FileResponse(self.page)

    async def _health(self, request: Request) -> Response:
        return as_json(health_of(self.live, visitor_of(request).who.sees))

    async def _letters(self, request: Request) -> Response:
        who = visitor_of(request).who
        return as_json(await self._asked(lambda: shown_letters(self.settings, who)))

    async def _held(self, request: Request) -> Response:
        sees = visitor_of(request).who.sees
        return as_json(await self._asked(lambda: [one for one in self.held() if sees(one.patient_id)]))

    async def _audit(self, _: Request) -> Response:
        return as_json(await self._asked(lambda: chain_figures(self.settings)))

    async def _resend(self, request: Request) -> Response:
        said = await read(request, _decoder, "original: the mended event; none to send it as it came", 4 * MOST_TEXT)
        who, place = visitor_of(request).who, request.path_params["place"]
        try:
            letter = await self._asked(lambda: letter_to_send(self.settings, who, place, said.original))
        except UnknownLetter:
            raise HTTPException(404, f"there is no dead letter at {place[:40]!r}") from None
        except CannotMend as error:
            raise HTTPException(400 if said.original is not None else 409, str(error)) from None
        if recorded := visit():
            await recorded.begins(letter.rejected.patient_id or "", f"letter {letter.place}")
        await self._asked(lambda: send_again(self.settings, [letter]))
        log.info("console_letter_sent_again", by=who.name, place=letter.place, mended=said.original is not None)
        return as_json({"topic": letter.rejected.topic}, 202)

    async def _asked(self, question: Callable[[], Answer]) -> Answer:
        """One question to Kafka at a time, off the event loop, by whom engineers are there."""
        from kafka.errors import AuthorizationError, KafkaError

        def asked() -> Answer:
            with as_engineer(self.settings.kafka):
                return question()

        try:
            return await anyio.to_thread.run_sync(asked, limiter=self.turn)
        except AuthorizationError as error:
            mend = "name who may in DOSETWIN_ENGINEER_USER and _PASSWORD_FILE of the console"
            raise HTTPException(503, f"Kafka does not let the console mend ({type(error).__name__}): {mend}") from None
        except (KafkaUnreachable, KafkaError, KeysUnusable, SettingsError) as error:
            raise HTTPException(503, str(error)) from None
