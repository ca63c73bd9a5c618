"""Which answer a sender asked for, and the answer (HL7 v2 chapter 2, 2.9; tables 0008, 0155, 0357).

Accepted means that what it said is safe, not that a twin could use it: a message whose facts were all refused is
accepted, or its sender would repeat it for ever. ``later`` is worth repeating, ``never`` is not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from connectors.protocols.hl7.message import Message

Outcome = Literal["safe", "later", "never"]

_ORIGINAL = {"safe": "AA", "later": "AE", "never": "AR"}
_ENHANCED = {"safe": "CA", "later": "CE", "never": "CR"}

_CONDITIONS = {
    "malformed": "100",
    "incomplete": "101",
    "charset": "102",
    "unsupported": "200",
    "test_message": "202",
    "internal": "207",
}
"""HL7 table 0357, of the reasons for which a whole message is refused."""


def answer(message: Message, outcome: Outcome, *, control_id: str, now: datetime, reason: str = "") -> str | None:
    """The acknowledgement; None where the sender wants none, or where the message is an acknowledgement itself.

    Args:
        message: what is answered.
        outcome: whether it is safe, or may be, or can never be.
        control_id: MSH-10 of the answer.
        now: the time of the answer.
        reason: why it is not safe, a key of the table of conditions.
    """
    header = message.header
    if message.type.split("^")[0] in ("ACK", "RRG", "MCF") or any(message.of("MSA")):
        return None
    code = _code(header(15), header(16), outcome)
    if code is None:
        return None
    field = header.delimiters.field
    component = header.delimiters.component
    kind = component.join(part for part in ("ACK", header(9, 2), "ACK") if part)
    version = header.raw(12)
    if version.startswith(("2.1", "2.2", "2.3")) and not version.startswith("2.3.1"):
        kind = "ACK"
    said = ["MSH", header.raw(2), header.raw(5), header.raw(6), header.raw(3), header.raw(4),
            now.astimezone(UTC).strftime("%Y%m%d%H%M%S+0000"), "", kind, control_id, header.raw(11), version,
            "", "", "NE" if code[0] == "C" else "", "NE" if code[0] == "C" else "", "", header.raw(18)]  # fmt: skip
    segments = [field.join(said).rstrip(field), field.join(("MSA", code, header.raw(10)))]
    if outcome != "safe":
        condition = _CONDITIONS.get(reason, "207")
        segments.append(field.join(("ERR", "", "", f"{condition}{component}{reason or 'internal'}", "E")))
    return "\r".join(segments) + "\r"


def _code(accept: str, application: str, outcome: Outcome) -> str | None:
    """By MSH-15 and MSH-16: original mode where both are empty, else an accept or an application acknowledgement."""
    if not accept and not application:
        return _ORIGINAL[outcome]
    good = outcome == "safe"
    if accept == "AL" or (accept == "SU" and good) or (accept == "ER" and not good):
        return _ENHANCED[outcome]
    if accept in ("NE", "") and (application == "AL" or application == ("SU" if good else "ER")):
        return _ORIGINAL[outcome]
    return None
