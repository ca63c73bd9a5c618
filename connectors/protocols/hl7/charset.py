"""Characters: bytes in the set that MSH-18 names, or that the profile does, and never by guess (HL7 table 0211)."""

from __future__ import annotations

import re

from connectors.facts.fact import NotAFact, shown

_NAMES = {
    "": "ascii",
    "ascii": "ascii",
    "8859": "iso8859-1",
    "unicode": "utf-8",
    "unicode utf-8": "utf-8",
    "unicode utf8": "utf-8",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "iso ir6": "ascii",
    "iso ir14": "iso2022_jp",
    "iso ir13": "iso2022_jp_ext",
    "iso ir87": "iso2022_jp",
    "iso ir159": "iso2022_jp_ext",
    "iso-2022-jp": "iso2022_jp",
    "iso ir100": "iso8859-1",
    "iso ir 100": "iso8859-1",
    "gb 18030-2000": "gb18030",
    "ks x 1001": "euc_kr",
    "big-5": "big5",
    "windows-1252": "cp1252",
    "windows 1252": "cp1252",
    "cp1252": "cp1252",
}

_8859 = re.compile(r"(?:iso[- ]?)?8859[-/](\d{1,2})$")

_BOM = b"\xef\xbb\xbf"


def decode_text(raw: bytes, override: str = "") -> str:
    """The text of a frame.

    Args:
        raw: its bytes.
        override: the set of the profile, in place of what the message declares.

    Raises:
        NotAFact: ``charset`` where the set is not known or the bytes are not of it.
    """
    if raw.startswith(_BOM) and not override:
        raw, declared = raw[len(_BOM) :], ["utf-8"]
    else:
        declared = [override] if override else _declared(raw)
    codec = _of_all([codec_of(name) for name in declared if name.strip()] or ["ascii"])
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        mend = "declare the set in MSH-18, or set 'charset' in the profile"
        raise NotAFact("charset", f"byte {error.start + 1} is none of {codec}; {mend}") from None
    except LookupError:
        raise NotAFact("charset", f"character set {codec!r} cannot be read here; send UNICODE UTF-8") from None


def codec_of(name: str) -> str:
    """Python's name of a character set of MSH-18 or of a profile.

    Raises:
        NotAFact: ``charset`` where there is none.
    """
    said = re.sub(r"[ _]+", " ", name.strip().strip("~").lower())
    if found := _8859.match(said):
        return f"iso8859-{found[1]}"
    if said not in _NAMES:
        raise NotAFact(
            "charset", f"character set {shown(said)} is not known; send UNICODE UTF-8, or set it in the profile"
        )
    return _NAMES[said]


def _of_all(codecs: list[str]) -> str:
    """The one set of a message that declares several: those that change within it by escapes (ISO 2022) hold ASCII
    too, and so does UTF-8; else the first, which is that of the message, and the others are never switched to.
    """
    if "utf-8" in codecs:
        return "utf-8"
    switched = [codec for codec in codecs if codec.startswith("iso2022")]
    return "iso2022_jp_ext" if "iso2022_jp_ext" in switched else next(iter(switched), codecs[0])


def _declared(raw: bytes) -> list[str]:
    """MSH-18 of the first segment, whose marks are ASCII in every set that is read."""
    head = re.split(rb"[\r\n]", raw.lstrip(b"\r\n"), maxsplit=1)[0]
    if head[:3] != b"MSH" or len(head) < 5:
        return []
    fields = head.split(head[3:4])
    repetition = fields[1][1:2] or b"~"
    return [part.decode("latin-1") for part in fields[17].split(repetition)] if len(fields) > 17 else []
