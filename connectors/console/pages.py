"""Open browser pages: what each is told over its WebSocket, and when.

A page gets a snapshot when it connects and then, a few times a second at most, what changed since the frame it got
last; who looks at a patient gets an answer of the twin at once. There is no queue per page: a slow one gets its next,
larger frame when its connection takes it. Pages that are in step share one encoded frame. The page says ``{"watch":
"PATIENT"}`` to follow one patient. A client that must miss no alert says ``{"alerts": "ID"}`` with the last id that it
got, or "" at first: it is told what stands, and then every transition, as on the stream of
`connectors.console.alert_stream`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
import msgspec
from pydantic import TypeAdapter, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from connectors.access.roles import Deed
from connectors.audit.trail import NoRoom
from connectors.console.alert_log import Follower, Place
from connectors.console.board import UnknownPatient
from connectors.console.door.seen import Seen
from connectors.console.door.visitor import HERE, Visitor
from connectors.console.door.witness import NO_ROOM, visit
from connectors.console.pulse import Pulse
from connectors.console.topic_reader import LiveBoard, ReaderStatus
from twin.events import PatientId

LATER = 1013
"""With which a socket is closed that reads what cannot be recorded."""

GONE = 4401
"""With which a socket is closed whose visitor is not let in any more."""

PATIENT_ID: TypeAdapter[str] = TypeAdapter(PatientId)
PATIENT_ID_RULE = "1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit"


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a page may say: follow this patient, or (``null``) none; tell alerts from this id on, or (``null``) none."""

    watch: str | msgspec.UnsetType | None = msgspec.UNSET
    alerts: str | msgspec.UnsetType | None = msgspec.UNSET


_wishes = msgspec.json.Decoder(Wish)


class StatusFrame(msgspec.Struct, frozen=True):
    """The server is there, and this is how its reader fares, how the twins do, the worst of all and the one that the
    page watches, and whether a ``feed`` has fallen silent. ``sealed`` says of twins that take nothing any more why not.
    ``who`` is logged in; None where nobody logs in. ``acts``: something can be done about alerts, ``asks``: twins can
    be asked, ``exports``: figures taken along, and ``mends``: what was refused or is held can be seen to, by them.
    ``boards``: where Grafana has them."""

    type: str
    reader: ReaderStatus
    pulse: Pulse
    watched: Pulse | None
    feed: Pulse
    sealed: dict[str, str]
    who: str | None
    acts: bool
    asks: bool
    exports: bool
    mends: bool
    boards: str | None


class Notice(msgspec.Struct, frozen=True):
    """An answer to one page: ``error`` (what it said is not understood) or ``absent`` (no such patient yet, but perhaps
    one whose id is ``near``)."""

    type: str
    detail: str
    near: str | None = None


class Frames:
    """Frames as JSON text, encoded once for all pages that are in step."""

    def __init__(self, live: LiveBoard) -> None:
        self._live = live
        self._version = -1
        self._encoded: dict[tuple[object, str | None, int], tuple[str, int]] = {}
        self._heard: dict[tuple[object, int], tuple[str, int]] = {}
        self._turn = -1

    def ward(self, since: int, seen: Seen) -> tuple[str, int] | None:
        """The ward frame since that fold (-1: nothing told yet) and the fold it reaches; None when nothing is new."""
        if since == self._live.board.version:
            return None
        return self._frame(None, max(since, 0), seen)

    def heard(self, since: int, seen: Seen) -> tuple[str, int] | None:
        """When sources were heard after that turn (-1: all), and the turn it reaches; None while that one lasts."""
        turn = self._live.sources.turn() - 1
        if turn <= since:
            return None
        if turn != self._turn:
            self._heard.clear()
            self._turn = turn
        key = seen.share, since
        known = self._heard.get(key)
        if known is None:
            frame = seen.heard(since)
            known = self._heard[key] = (msgspec.json.encode(frame).decode(), frame.turn)
        return known

    def patient(self, patient_id: str, since: int, seen: Seen) -> tuple[str, int] | None:
        """The patient's frame; None when there is nothing new. Raises `UnknownPatient`."""
        if since > 0 and not self._live.board.patient_changed(patient_id, since):
            return None
        return self._frame(patient_id, since, seen)

    def _frame(self, patient_id: str | None, since: int, seen: Seen) -> tuple[str, int]:
        if self._live.board.version != self._version:
            self._encoded.clear()
            self._version = self._live.board.version
        key = seen.share, patient_id, since
        known = self._encoded.get(key)
        if known is None:
            frame = seen.ward(since) if patient_id is None else seen.patient(patient_id, since)
            known = (msgspec.json.encode(frame).decode(), frame.version)
            self._encoded[key] = known
        return known


class Page:
    """One connected browser page, and who looks at it."""

    def __init__(
        self,
        websocket: WebSocket,
        live: LiveBoard,
        frames: Frames,
        tick: float,
        heartbeat: float,
        visitor: Visitor = HERE,
        *,
        acts: bool,
        boards: str | None = None,
    ) -> None:
        self._websocket = websocket
        self._boards = boards
        self._visitor = visitor
        self._acts = acts
        self._live = live
        self._seen = Seen(live, visitor.who)
        self._frames = frames
        self._tick = tick
        self._heartbeat = heartbeat
        self._watching: str | None = None
        self._watched_since = 0
        self._told_absent = False
        self._follower: Follower | None = None
        self._woken = anyio.Event()

    async def run(self) -> None:
        """Talk until the page leaves, or what it reads cannot be recorded."""
        try:
            self._opens("ward")
        except NoRoom:
            await self._websocket.close(LATER, NO_ROOM)
            return
        loop = asyncio.get_running_loop()

        def answered(patient_id: str) -> None:
            if patient_id == self._watching:
                with suppress(RuntimeError):  # the server has ended meanwhile
                    loop.call_soon_threadsafe(lambda: self._woken.set())

        self._live.waiting[self] = answered
        try:
            async with anyio.create_task_group() as talk:
                for part in (self._listen, self._tell):
                    talk.start_soon(self._until_gone, part, talk.cancel_scope)
        finally:
            del self._live.waiting[self]

    async def _until_gone(self, part: Callable[[], Awaitable[None]], talk: anyio.CancelScope) -> None:
        """Whichever part first finds that the page has left ends the other one too."""
        try:
            await part()
        except WebSocketDisconnect:
            pass
        except NoRoom:
            await self._websocket.close(LATER, NO_ROOM)
        talk.cancel()

    async def _listen(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            await self._heed(message.get("text"))

    async def _heed(self, text: str | None) -> None:
        try:
            wish = _wishes.decode(text or "")
            if wish == Wish():
                raise ValueError("it says nothing")
            if isinstance(wish.watch, str):
                PATIENT_ID.validate_python(wish.watch)
            after = Place.read(wish.alerts) if isinstance(wish.alerts, str) and wish.alerts else None
        except (msgspec.DecodeError, ValueError) as error:
            reason = f"patient id: {PATIENT_ID_RULE}" if isinstance(error, ValidationError) else str(error)
            expected = 'expected {"watch": "PATIENT"} or {"watch": null}, {"alerts": "ID"} or {"alerts": null}'
            await self._send(Notice("error", f"{expected}: {reason}"))
            return
        self._visitor.does_something()
        if wish.watch is not msgspec.UNSET:
            self._watching, self._watched_since, self._told_absent = wish.watch, 0, False
        if wish.alerts is not msgspec.UNSET:
            if wish.alerts is not None:
                self._opens("alerts")
            self._follower = None if wish.alerts is None else Follower(self._live.alerts, after, self._seen.wants)
        self._woken.set()

    async def _tell(self) -> None:
        since, heard, told_at, told = -1, -1, float("-inf"), None
        while self._visitor.still_in():
            self._woken = anyio.Event()
            frame = self._frames.ward(since, self._seen)
            if frame is not None:
                text, since = frame
                await self._websocket.send_text(text)
            sources = self._frames.heard(heard, self._seen)
            if sources is not None:
                text, heard = sources
                await self._websocket.send_text(text)
            await self._tell_watched()
            await self._tell_alerts()
            status = self._status()
            watched = status.watched and status.watched.level
            matter = status.reader.state, status.pulse.level, watched, self._watching, status.feed.level, status.sealed
            if anyio.current_time() - told_at >= self._heartbeat or matter != told:
                told_at, told = anyio.current_time(), matter
                await self._send(status)
            with anyio.move_on_after(self._tick):
                await self._woken.wait()
        await self._websocket.close(GONE, "log in again")

    def _status(self) -> StatusFrame:
        who, watched = self._visitor.who, None if self._watching is None else self._seen.pulse(self._watching)
        acts, asks, mends = (self._acts and who.may(deed) for deed in (Deed.ACT, Deed.ASK, Deed.MEND))
        return StatusFrame(
            "status",
            self._live.status,
            self._seen.pulse(),
            watched,
            self._live.feed(),
            self._seen.sealed(),
            who.name or None,
            acts,
            asks,
            who.may(Deed.EXPORT),
            mends,
            self._boards,
        )

    async def _tell_watched(self) -> None:
        patient_id = self._watching
        if patient_id is None:
            return
        try:
            frame = self._frames.patient(patient_id, self._watched_since, self._seen)
        except UnknownPatient:
            if not self._told_absent:
                self._told_absent = True
                if patient_id in self._live.board:
                    self._opens("patient", patient_id, may=False)
                close = self._seen.near(patient_id)
                hint = f"; did you mean '{close}'?" if close else ""
                await self._send(Notice("absent", f"nothing is known of patient {patient_id} yet{hint}", close))
            return
        if frame is not None:
            if not self._watched_since:
                self._opens("patient", patient_id)
            text, self._watched_since = frame
            await self._websocket.send_text(text)

    async def _tell_alerts(self) -> None:
        while (follower := self._follower) is not None:
            told = follower.next(up_to_date=self._live.status.state == "live")
            for one in told:
                frame = {"type": one.kind, "id": one.place, one.kind: msgspec.Raw(one.text.encode())}
                await self._websocket.send_text(msgspec.json.encode(frame).decode())
            if not told:
                return

    def _opens(self, what: str, patient_id: str = "", *, may: bool = True) -> None:
        """Have it recorded that the page reads something; raises `NoRoom`."""
        if recorded := visit():
            recorded.reads(what, patient_id, may=may)

    async def _send(self, frame: StatusFrame | Notice) -> None:
        await self._websocket.send_text(msgspec.json.encode(frame).decode())
