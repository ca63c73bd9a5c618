"""Characters: in the set that is declared or configured, never by guess."""

from __future__ import annotations

import pytest

from connectors.facts.fact import NotAFact
from connectors.protocols.hl7.charset import codec_of, decode_text


def message(charset: str, name: str, codec: str) -> bytes:
    return f"MSH|^~\\&|A|B|||20260302||ORU^R01|7|P|2.5||||||{charset}\rPID|||1||{name}\r".encode(codec)


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("UNICODE UTF-8", "utf-8"),
        ("UTF8", "utf-8"),
        ("8859/1", "latin-1"),
        ("8859", "latin-1"),
        ("ISO-8859-1", "latin-1"),
        ("8859/15", "iso8859-15"),
        ("WINDOWS-1252", "cp1252"),
        ("GB 18030-2000", "gb18030"),
        ("ASCII~UNICODE UTF-8", "utf-8"),
        ("UNICODE UTF-8~8859/1", "utf-8"),
        ("Windows 1252", "cp1252"),
        ("ISO_IR 100", "latin-1"),
    ],
)
def test_the_declared_set_is_taken_by_any_of_its_names(declared: str, codec: str) -> None:
    name = "Hohn" if declared.startswith("ASCII") else "Höhn"
    assert name in decode_text(message(declared, name, codec))


def test_two_bytes_of_a_character_are_no_delimiters() -> None:
    for declared in ("~ISO IR87", "ISO IR6~ISO IR87", "ISO-2022-JP"):
        assert "PID|||1||山田" in decode_text(message(declared, "山田", "iso2022_jp"))
    assert "PID|||1||山ｱ" in decode_text(message("~ISO IR13~ISO IR87", "山ｱ", "iso2022_jp_ext"))


@pytest.mark.parametrize("declared", ["", "ASCII"])
def test_bytes_that_the_set_does_not_have_are_refused(declared: str) -> None:
    for codec in ("utf-8", "latin-1"):
        with pytest.raises(NotAFact, match="charset"):
            decode_text(message(declared, "Höhn", codec))
    with pytest.raises(NotAFact, match="charset"):
        decode_text(message("UNICODE UTF-8", "Höhn", "latin-1"))


def test_the_profile_says_what_an_undeclared_set_is() -> None:
    raw = message("", "Höhn", "latin-1")
    assert "Höhn" in decode_text(raw, "8859/1")
    assert "Höhn" in decode_text(b"\xef\xbb\xbf" + message("", "Höhn", "utf-8"))


@pytest.mark.parametrize("name", ["UNICODE UTF-16", "Geheimnis^Eva", "8859/77"])
def test_a_set_that_is_not_known_is_refused_without_being_shown(name: str) -> None:
    with pytest.raises(NotAFact, match="charset") as caught:
        decode_text(message(name, "x", "ascii"))
    assert "eheimnis" not in caught.value.detail


def test_a_codec_is_found_by_name() -> None:
    assert codec_of("~8859/2") == "iso8859-2"
    with pytest.raises(NotAFact, match="charset"):
        codec_of("EBCDIC")


@pytest.mark.parametrize("raw", [b"", b"MSH", b"\r\n", b"\xff\xfe"])
def test_bytes_of_no_message_are_text_or_refused(raw: bytes) -> None:
    try:
        assert isinstance(decode_text(raw), str)
    except NotAFact as error:
        reason = error.reason
        assert reason == "charset"
