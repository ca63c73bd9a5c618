"""What people do about alerts on the page, and programs through it.

::

    POST /api/alerts/ALERT_ID/actions
    Content-Type: application/json
    X-Dosetwin: act

    {"action": "shelve", "by": "nurse-7", "reason": "count at six", "hours": 8}

The answer comes when Kafka has it: it becomes the same `alert_action` as that of ``dosetwin alert``, and counts when
the worker has read it. The console has no log-in, so ``by`` is what somebody says of themselves. A page of another
site in the same browser cannot send it: it would bring another origin, and neither JSON nor that header without asking
first, which is never granted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import anyio
import anyio.to_thread
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from connectors.alerts.actions import ActionSender, action_on, taken_back
from connectors.console.topic_reader import LiveBoard
from connectors.kafka.clients import KafkaUnreachable, NotConfirmed
from twin.clock import DAY_MS
from twin.events import Action, Alert, AlertAction, from_millis, to_millis

HEADER, ACTS = "x-dosetwin", "act"
"""What a request must bring that no form of another site can send."""

MOST_BYTES = 4_000
"""Of a request's body: less than the text of an event may have, so that no reason is cut short."""

BODY_SECONDS = 10.0
"""How long a body may take to come."""

MOST_WAITING = 20
"""Actions that may wait for Kafka; further ones are told to come again."""

LONGEST_HOURS = 168.0
"""For which an alert may be shelved here; its rule may say less, and then counts."""

OTHER_TIME_MS = 31 * DAY_MS
"""A ward that says nothing for so long is not of now: an action that is dated now would take its twins there."""

OFF = (
    "nothing can be done about alerts here: this console answers beyond this machine and has no log-in. Start it with "
    "--allow-actions where something in front of it checks who acts, or use 'dosetwin alert'"
)


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request: what, who, why, and for how many hours an alert is shelved. To ``retract`` is to take back what
    was done last."""

    action: Action | Literal["retract"]
    by: str
    reason: str
    hours: Annotated[float, msgspec.Meta(gt=0, le=LONGEST_HOURS)] | None = None


_decoder = msgspec.json.Decoder(Said)


@dataclass
class Actions:
    """Takes what people do.

    Attributes:
        live: says which alerts stand.
        sender: gives actions to Kafka.
        replayed: the ward is of another time than now: an action is dated by the newest word of its patient.
        now: the time.
    """

    live: LiveBoard
    sender: ActionSender
    replayed: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    turn: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))

    async def take(self, request: Request) -> AlertAction:
        """What was done, once Kafka has it.

        Raises:
            HTTPException: it is refused, or not safe; ``detail`` names field, value and mend.
        """
        said = await _read(request)
        word = self._word(self._standing(request.path_params["alert_id"]), said)
        if self.turn.statistics().tasks_waiting >= MOST_WAITING:
            raise HTTPException(503, f"{MOST_WAITING} actions wait for Kafka already; send it again in a while")
        try:
            await anyio.to_thread.run_sync(self.sender.send, word, limiter=self.turn)
        except (KafkaUnreachable, NotConfirmed) as error:
            raise HTTPException(503, getattr(error, "summary", str(error))) from None
        return word

    def _standing(self, alert_id: str) -> Alert:
        live = self.live
        if live.status.state != "live":
            raise HTTPException(503, f"which alerts stand is not known yet: the reader is {live.status.state}")
        alert = live.alerts.newest(alert_id)
        if alert is None:
            raise HTTPException(404, f"no alert {alert_id[:128]!r} stands; /api/ward lists those that do")
        if not alert.live:
            raise HTTPException(409, f"alert {alert_id[:128]!r} is {alert.state} since {alert.time.isoformat()}")
        return alert

    def _word(self, alert: Alert, said: Said) -> AlertAction:
        if not said.reason.strip():
            raise HTTPException(400, "field 'reason': it is empty; write why")
        if (said.hours is not None) != (said.action == "shelve"):
            raise HTTPException(400, "field 'hours': shelving needs it, and nothing else has it")
        time = max(self._time(alert.patient_id), alert.time)
        until = None if said.hours is None else time + timedelta(hours=said.hours)
        try:
            if said.action == "retract":
                return taken_back(alert, said.by, time, "dosetwin console", said.reason.strip())
            return action_on(alert, said.action, said.by, time, "dosetwin console", said.reason.strip(), until)
        except ValueError as error:
            raise HTTPException(400, str(error)) from None

    def _time(self, patient_id: str) -> datetime:
        now, ward = self.now(), self.live.clock()
        if self.replayed:
            return from_millis(self.live.clock(patient_id) or to_millis(now))
        if ward is not None and to_millis(now) - ward > OTHER_TIME_MS:
            raise HTTPException(
                409,
                f"the newest word of this ward is of {from_millis(ward).isoformat()}: dated now, an action would take "
                "its twins here. Start the console with --replayed if the ward is simulated or replayed, or use "
                "'dosetwin alert' with --time",
            )
        return now


async def _read(request: Request) -> Said:
    if request.headers.get(HEADER) != ACTS:
        raise HTTPException(403, f"a header is missing, which shows that no other site sent this: {HEADER}: {ACTS}")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"content-type {kind[:80]!r}: send application/json")
    raw = bytearray()
    try:
        with anyio.fail_after(BODY_SECONDS):
            async for chunk in request.stream():
                raw += chunk
                if len(raw) > MOST_BYTES:
                    raise HTTPException(413, f"more than {MOST_BYTES} bytes; write a shorter reason")
    except TimeoutError:
        raise HTTPException(408, f"the body did not come in {BODY_SECONDS:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the connection ended before the body") from None
    try:
        return _decoder.decode(raw)
    except msgspec.DecodeError as error:
        fields = "action (acknowledge, shelve, unshelve, comment, retract), by, reason and, to shelve, hours"
        raise HTTPException(400, f"{error}; expected a JSON object of {fields}") from None
    except UnicodeDecodeError:
        raise HTTPException(400, "the body is no UTF-8") from None
