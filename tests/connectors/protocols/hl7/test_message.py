"""Reading HL7 v2: delimiters of the message itself, escapes, tolerance, and one message a frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.facts.fact import NotAFact
from connectors.protocols.hl7.message import parse

HEAD = r"MSH|^~\&|A|B|||20260302||ORU^R01|7|P|2.5"


def test_fields_components_and_repetitions_are_counted_as_in_the_standard() -> None:
    message = parse(HEAD + "\rPID|1||17^^^EAST^MR~99^^^WEST^PI\r")
    (pid,) = message.of("PID")
    assert message.type == "ORU^R01"
    assert (message.header(1), message.header.raw(2), message.header(3)) == ("|", r"^~\&", "A")
    assert (pid(3), pid(3, 4), pid(3, 9), pid(40)) == ("17", "EAST", "", "")
    assert [parts[0] for parts in pid.repetitions(3)] == ["17", "99"]


def test_the_delimiters_are_those_of_the_message() -> None:
    message = parse("MSH$*!?%#$A$B$$$20260302$$ORU*R01$7$P$2.7\rPID$1$$17*x!99\r")
    (pid,) = message.of("PID")
    assert message.type == "ORU^R01"
    assert [parts[0] for parts in pid.repetitions(3)] == ["17", "99"]
    assert message.header.delimiters.truncation == "#"


@pytest.mark.parametrize(
    ("escaped", "plain"),
    [
        (r"10\S\9/L", "10^9/L"),
        (r"a\F\b\R\c\T\d\E\e", r"a|b~c&d\e"),
        (r"\X41\\X4243\ x", "ABC x"),
        (r"\H\bold\N\ text", "bold text"),
        (r"two\.br\lines", "two\nlines"),
        (r"\C2842\x", "x"),
        (r"\Q\stays", r"\Q\stays"),
        (r"half \ escape", r"half \ escape"),
    ],
)
def test_escapes_are_taken_out_after_the_fields_are_told_apart(escaped: str, plain: str) -> None:
    (obx,) = parse(HEAD + f"\rOBX|1|ST|||{escaped}\r").of("OBX")
    assert obx(5) == plain
    assert obx.raw(5) == escaped


def test_an_explicit_null_is_no_text() -> None:
    (pid,) = parse(HEAD + '\rPID|1||""^^^EAST').of("PID")
    assert (pid(3), pid.raw(3)) == ("", '""^^^EAST')


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r", "\n\r\n"])
def test_segments_end_as_senders_end_them(end: str) -> None:
    message = parse("\ufeff" + end + end.join([HEAD, "PID|1", "ZZZ|x", "OBX|1"]))
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "ZZZ", "OBX"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "malformed"),
        ("\r\n", "malformed"),
        ("PID|1", "malformed"),
        ("MSH", "malformed"),
        ("MSH|^~\\", "malformed"),
        ("MSH||||||||||", "malformed"),
        ("MSHA^~\\&A", "malformed"),
        ("MSH|^^~&|x|y", "malformed"),
        (f"{HEAD}\r{HEAD}", "malformed"),
        (f"FHS|^~\\&\rBHS|^~\\&\r{HEAD}", "unsupported"),
        (f"BHS|^~\\&\r{HEAD}", "unsupported"),
    ],
)
def test_what_is_no_single_message_is_refused(text: str, reason: str) -> None:
    with pytest.raises(NotAFact, match=reason):
        parse(text)


@given(st.text(max_size=60))
def test_whatever_follows_the_header_is_read_or_refused(text: str) -> None:
    try:
        message = parse(HEAD + "\r" + text)
    except NotAFact:
        return
    for segment in message.segments:
        assert isinstance(segment(1), str)
        assert all(isinstance(part, str) for parts in segment.repetitions(2) for part in parts)
