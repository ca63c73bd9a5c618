"""The files with which a listener understands a simulated ward: a profile, the table of its patients, its tokens.

They are as a hospital would write them by hand, and made anew by each run of the same ward, with the same content; only
tokens are drawn by chance, once, and kept.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from connectors.feeds.stream import Spoken
from connectors.services.run_state import write_private
from connectors.speaking.words import OWN, Words, hospital_number

PROFILE, TABLE, TOKENS, SECRETS = "profile.toml", "patients.csv", "tokens.toml", "tokens.secret.json"

MESSAGES = "messages"
"""Name of the token with which a source's messages are sent to ``/v1/messages``."""

PER_SECOND = 5_000
"""Events that each of the ward's tokens may send in a second."""


def write_source(spoken: Spoken) -> Path:
    """Write what a listener needs to hear this ward; the file that it is given.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = spoken.folder
    if spoken.protocol in ("hl7", "fhir"):
        rows = [f"{OWN},{hospital_number(patient)},{patient}" for patient in spoken.patients]
        write_private(folder / TABLE, "\n".join(["authority,id,patient_id", *rows, ""]))
    if spoken.protocol != "http":
        write_private(folder / PROFILE, profile_text(spoken))
    if spoken.protocol in ("hl7", "mqtt"):
        return folder / PROFILE
    names = spoken.sources if spoken.protocol == "http" else (source_name(spoken),)
    tokens = tokens_of(folder, names)
    write_private(folder / TOKENS, tokens_text(spoken, tokens))
    return folder / TOKENS


def listens(spoken: Spoken, given: Path) -> str:
    """The command that listens to this ward, given what `write_source` wrote."""
    place = urlsplit(spoken.to if "//" in spoken.to else f"//{spoken.to}")
    match spoken.protocol:
        case "hl7":
            return f"dosetwin listen mllp {given} --port {place.port}"
        case "mqtt":
            return f"dosetwin listen mqtt {given} --broker {spoken.to}"
        case "fhir" if place.path.strip("/"):
            return f"dosetwin listen fhir {given.with_name(PROFILE)} --server {spoken.to}"
        case _:
            return f"dosetwin listen http {given} --port {place.port}"


def source_name(spoken: Spoken) -> str:
    """What the listener calls this ward as a source."""
    return f"ward-{spoken.protocol}"


def profile_text(spoken: Spoken) -> str:
    """The profile of the ward as a source of its protocol."""
    words = Words(spoken.measured)
    lines = ["# Made by dosetwin feed ward --speak.", f"id = {_text(source_name(spoken))}"]
    if spoken.protocol == "mqtt":
        who = ", ".join(_text(f"{ward}-*") for ward in _wards(spoken))
        lines += ['protocol = "dosetwin"', 'mode = "real"', "", "[mqtt]"]
        return "\n".join([*lines, 'topic = "dosetwin/v1/ingest/{user}/{patient}"', f"users.ward = [{who}]", ""])
    lines += [f"protocol = {_text(spoken.protocol)}", 'mode = "real"', "", "[patients]"]
    lines += [f"authorities = [{_text(OWN)}]", f"table = {_text(TABLE)}"]
    lines += ["", "[devices]", f"authorities = [{_text(OWN)}]"] if spoken.protocol == "fhir" else []
    lines += ["", "[drugs]"]
    lines += [f"{_text('|' + drug)} = {_text(drug)}" for drug in spoken.drugs]
    lines += ["", "[codes]"]
    lines += [f"{_text(f'{OWN}|{named.key}')} = {_text(named.key)}" for named in words.named.values()]
    renamed = {named.key: name for (_, name), named in words.named.items() if named.key != name}
    lines += ["", "[names]", *(f"{_text(key)} = {_text(name)}" for key, name in renamed.items())] if renamed else []
    for named in words.named.values():
        if not named.what.words:
            lines += ["", f"[quantities.{_text(named.key)}]"]
            lines += [f"kind = {_text(named.what.kind)}", f"unit = {_text(named.what.unit)}"]
    return "\n".join([*lines, ""])


def tokens_of(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The secret tokens by name, those of an earlier run where there are any; the file is the user's alone."""
    path = folder / SECRETS
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    tokens = {name: known.get(name) or secrets.token_urlsafe(32) for name in names}
    if tokens != known:
        write_private(path, json.dumps(tokens, indent=1) + "\n")
    return tokens


def tokens_text(spoken: Spoken, tokens: dict[str, str]) -> str:
    """The file of tokens, in which only their digests stand."""
    lines = ["# Made by dosetwin feed ward --speak; the tokens themselves are in " + SECRETS + "."]
    for name, token in tokens.items():
        lines += ["", "[[token]]", f"source = {_text(name)}"]
        lines += [f"sha256 = {_text(hashlib.sha256(token.encode()).hexdigest())}", f"per_second = {PER_SECOND}.0"]
        if spoken.protocol == "http":
            lines += [f"patients = [{', '.join(_text(f'{ward}-*') for ward in _wards(spoken))}]"]
        else:
            lines += [f"profile = {_text(PROFILE)}"]
    return "\n".join([*lines, ""])


def _wards(spoken: Spoken) -> list[str]:
    """The first part of its patients' ids."""
    return sorted({patient.rpartition("-")[0] for patient in spoken.patients})


def _text(said: str) -> str:
    """A string of TOML: the escapes of JSON are among its own."""
    return json.dumps(said)
