"""What people do about alerts on the page, and programs through it.

::

    POST /api/alerts/ALERT_ID/actions
    Content-Type: application/json
    X-Dosetwin: act

    {"action": "shelve", "by": "nurse-7", "reason": "count at six", "hours": 8}

Where people log in, ``by`` is left out. The answer comes when Kafka has it: it becomes the same `alert_action` as that
of ``dosetwin alert``, and counts when the worker has read it. For what keeps other sites out see
`connectors.console.door.reading`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request

from connectors.access.roles import Who
from connectors.alerts.actions import action_on, taken_back
from connectors.console.doing.way_in import WayIn, acting
from connectors.console.door.reading import read
from connectors.console.door.visitor import visitor_of
from twin.events import Action, Alert, AlertAction

LONGEST_HOURS = 168.0
"""For which an alert may be shelved here; its rule may say less, and then counts."""

FIELDS = (
    "action (acknowledge, shelve, unshelve, comment, retract), reason, by (where nobody logs in) and, to shelve, hours"
)


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request: what, who, why, and for how many hours an alert is shelved. To ``retract`` is to take back what
    was done last."""

    action: Action | Literal["retract"]
    reason: str
    by: str = ""
    hours: Annotated[float, msgspec.Meta(gt=0, le=LONGEST_HOURS)] | None = None


_decoder = msgspec.json.Decoder(Said)


async def act(way_in: WayIn, request: Request) -> AlertAction:
    """What was done, once Kafka has it.

    Raises:
        HTTPException: it is refused, or not safe; ``detail`` names field, value and mend.
    """
    said = await read(request, _decoder, FIELDS)
    who = visitor_of(request).who
    alert = _standing(way_in, request.path_params["alert_id"], who)
    word = _word(way_in, alert, said, acting(who, said.by))
    await way_in.send(word)
    return word


def _standing(way_in: WayIn, alert_id: str, who: Who) -> Alert:
    way_in.ready("which alerts stand")
    alert = way_in.live.alerts.newest(alert_id)
    if alert is None or not who.sees(alert.patient_id):
        raise HTTPException(404, f"no alert {alert_id[:128]!r} stands; /api/ward lists those that do")
    if not alert.live:
        raise HTTPException(409, f"alert {alert_id[:128]!r} is {alert.state} since {alert.time.isoformat()}")
    return alert


def _word(way_in: WayIn, alert: Alert, said: Said, by: str) -> AlertAction:
    if not said.reason.strip():
        raise HTTPException(400, "field 'reason': it is empty; write why")
    if (said.hours is not None) != (said.action == "shelve"):
        raise HTTPException(400, "field 'hours': shelving needs it, and nothing else has it")
    time = max(way_in.time(alert.patient_id), alert.time)
    until = None if said.hours is None else time + timedelta(hours=said.hours)
    try:
        if said.action == "retract":
            return taken_back(alert, by, time, "dosetwin console", said.reason.strip())
        return action_on(alert, said.action, by, time, "dosetwin console", said.reason.strip(), until)
    except ValueError as error:
        raise HTTPException(400, str(error)) from None
