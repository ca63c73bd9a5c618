"""The answer that a sender asked for (MSH-15, MSH-16), and no other."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.protocols.hl7.acknowledgement import Outcome, answer
from connectors.protocols.hl7.message import Message, parse
from tests.connectors.protocols.spoken import header

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def message(accept: str, application: str, **fields: str) -> Message:
    return parse(header(f15=accept, f16=application, **fields))


def code(accept: str, application: str, outcome: Outcome) -> str | None:
    said = answer(message(accept, application), outcome, control_id="A1", now=NOW, reason="malformed")
    return None if said is None else parse(said).segments[1](1)


@pytest.mark.parametrize(
    ("accept", "application", "codes"),
    [
        ("", "", ("AA", "AE", "AR")),
        ("AL", "NE", ("CA", "CE", "CR")),
        ("AL", "AL", ("CA", "CE", "CR")),
        ("AL", "ER", ("CA", "CE", "CR")),
        ("AL", "", ("CA", "CE", "CR")),
        ("NE", "AL", ("AA", "AE", "AR")),
        ("NE", "NE", (None, None, None)),
        ("ER", "NE", (None, "CE", "CR")),
        ("SU", "NE", ("CA", None, None)),
        ("NE", "ER", (None, "AE", "AR")),
        ("NE", "SU", ("AA", None, None)),
    ],
)
def test_a_sender_gets_the_answer_that_it_reads(accept: str, application: str, codes: tuple[str | None, ...]) -> None:
    assert tuple(code(accept, application, outcome) for outcome in ("safe", "later", "never")) == codes


def test_an_answer_names_what_it_answers_byte_for_byte() -> None:
    asked = message("AL", "NE", f10=" M 1\\T\\7 ", f11="T^A", f18="UNICODE UTF-8")
    said = answer(asked, "safe", control_id="A1", now=NOW)
    assert said is not None
    found = parse(said)
    assert found.segments[1].raw(2) == " M 1\\T\\7 "
    assert (found.header(10), found.header.raw(11), found.header(18)) == ("A1", "T^A", "UNICODE UTF-8")
    assert (found.header(3), found.header(4), found.header(5), found.header(6)) == ("TWIN", "WARD", "LAB", "EAST")
    assert found.header.raw(9) == "ACK^R01^ACK"
    assert found.header(7) == "20260302090000+0000"
    assert said.endswith("\r")


@pytest.mark.parametrize(("version", "kind"), [("2.3", "ACK"), ("2.2", "ACK"), ("2.3.1", "ACK^R01^ACK")])
def test_old_versions_get_the_type_that_they_know(version: str, kind: str) -> None:
    said = answer(message("", "", f12=version), "safe", control_id="A", now=NOW)
    assert said is not None
    assert parse(said).header.raw(9) == kind


@pytest.mark.parametrize(
    ("reason", "number"),
    [("malformed", "100"), ("charset", "102"), ("unsupported", "200"), ("test_message", "202"), ("kafka", "207")],
)
def test_what_is_not_safe_says_why(reason: str, number: str) -> None:
    said = answer(message("AL", "NE"), "never", control_id="A", now=NOW, reason=reason)
    assert said is not None
    (err,) = parse(said).of("ERR")
    assert (err(3), err(4)) == (number, "E")
    safe = answer(message("AL", "NE"), "safe", control_id="A", now=NOW)
    assert safe is not None
    assert "ERR" not in safe


@pytest.mark.parametrize("kind", ["ACK^R01^ACK", "RRG^O16^RRG_O16", "MCF"])
def test_an_answer_gets_no_answer(kind: str) -> None:
    assert answer(message("AL", "AL", f9=kind), "safe", control_id="A", now=NOW) is None
    told = parse(header() + "\rMSA|AA|7")
    assert answer(told, "never", control_id="A", now=NOW) is None
