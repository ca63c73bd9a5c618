"""Births and deaths of devices, in the manner of Sparkplug: a last will that says who has fallen silent.

A device publishes ``online`` when it connects and leaves ``offline`` with the broker, which publishes it when the
device is gone. Both may be JSON, with the number of the connection that they are of:

    {"online": true, "bdSeq": 7}     {"status": "offline", "bdSeq": 7}     {"online": false, "timestamp": 1772442000000}

A death of another connection than that of the newest birth says nothing: the broker may tell it long after the device
is back. A will has no time of its own, so that of its arrival stands for it. It becomes a ``device_alert``
(``MDC_EVT_COMM_STATUS_CHANGE``): what the device delivers meanwhile nobody knows, and it may well go on, so that it is
never a stop.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import NamedTuple

import msgspec

from connectors.facts.fact import Found, NotAFact, OwnEvent, Passed
from connectors.facts.memory import Memory
from connectors.facts.profile import Profile
from twin.events import DeviceAlert, event_id

CONDITION = "MDC_EVT_COMM_STATUS_CHANGE"
"""IEEE 11073-10101: a device came or went."""

LONGEST_NAME = 64
"""Characters of a device's name in an event."""

_decoder = msgspec.json.Decoder()

_WORDS = {"online": True, "offline": False}


class Life(NamedTuple):
    """What a device's newest birth or death says: the number of its connection, and how often it has changed."""

    online: bool
    connection: str = ""
    changes: int = 0


def said_of_life(payload: bytes) -> Life:
    """Whether a payload is a birth, and of which connection.

    Raises:
        NotAFact: ``malformed`` where it is neither birth nor death.
    """
    word = payload.strip().decode("utf-8", "replace").lower()
    if word in _WORDS:
        return Life(_WORDS[word])
    try:
        said = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said = None
    if isinstance(said, dict):
        online = said.get("online")
        for name in ("status", "state"):
            if online is None and isinstance(state := said.get(name), str):
                online = _WORDS.get(state.lower())
        connection = said.get("bdSeq", said.get("timestamp", ""))
        if isinstance(online, bool) and isinstance(connection, int | str) and not isinstance(connection, bool):
            return Life(online, str(connection)[:64])
    raise NotAFact("malformed", 'neither birth nor death: send online, offline, or {"online": true, "bdSeq": 1}')


def read_status(
    payload: bytes, device: str, patient: str, profile: Profile, memory: Memory, *, repeated: bool, at: datetime
) -> Found:
    """What a birth or death tells: that the device fell silent or is back, or nothing.

    Args:
        payload: as it was published.
        device: whose it is, as the topic says.
        patient: of whom the device speaks; empty where nobody knows.
        profile: of its source.
        memory: holds each device's life so far.
        repeated: whether the broker says that it may have delivered this before.
        at: when it came.

    Raises:
        NotAFact: it is neither birth nor death, or of a device whose name is too long.
    """
    if len(device) > LONGEST_NAME:
        raise NotAFact("malformed", f"a device's name of more than {LONGEST_NAME} characters; shorten it in the topic")
    said = said_of_life(payload)
    noted = memory.noted(("life", device))
    last = Life(*json.loads(noted)) if noted else None
    if last is not None and said.online and repeated and said.connection and said.connection == last.connection:
        return Passed("status", "a birth that was told before")
    if last is not None and not said.online and said.connection != last.connection:
        return Passed("status", "a death that is not of the newest birth")
    changed = said.online != (last is None or last.online)
    changes = (last.changes if last is not None else 0) + changed
    memory.note(("life", device), json.dumps(Life(said.online, said.connection, changes)))
    if not changed:
        return Passed("status", "a device that is as it was")
    if not patient:
        return Passed("status", "a device of which nobody knows whose it is")
    alert = DeviceAlert(
        event_id=event_id(profile.source, "life", device, changes),
        patient_id=patient,
        time=at,
        source=profile.source,
        device_id=device,
        condition=CONDITION,
        phase="end" if said.online else "start",
        priority="low",
    )
    return OwnEvent(alert, "status")
