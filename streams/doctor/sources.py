"""Sources of facts: their profiles and tokens, what each is remembered to have told, and whether its way in is open.

A folder of sources holds their profiles and the files of tokens that name them, all TOML. What runs is seen in the
folder of memories, where each way in keeps a plate.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
import tomllib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from connectors.facts.memory import glance
from connectors.facts.profile import Profile, ProfileError, read_profile
from connectors.feeds.messages import key_of_patients
from connectors.listeners.doorplate import Plate, plates
from connectors.listeners.tokens import TokensError, read_grants
from connectors.services.ports import answers
from connectors.settings import SettingsError
from connectors.tls import certified_until
from streams.doctor.finding import Finding

SOON_DAYS = 30
"""A certificate that ends sooner is to be renewed now."""

UNSENT_SECONDS = 10.0
"""What Kafka does not have so long after its source was heard is not just on its way."""

USUAL = {"hl7": ("mllp", 2575)}
"""Protocols with a port of their own, and the command that listens there."""

ASKED = {"mqtt": "broker", "fhir": "server"}
"""Protocols whose ways in connect to somebody, where others listen."""

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}
"""Where on this machine a door is reached that listens on every address."""


def check_sources(folder: Path | None, memory: Path, now: datetime) -> Iterator[Finding]:
    """Can every source be read and heard, and did all that it told reach Kafka?

    Args:
        folder: profiles and files of tokens; without one only what is in ``memory`` is looked at.
        memory: folder of what each source told before, and of the plates of ways in.
        now: the time.
    """
    profiles: dict[str, Profile] = {}
    if folder is not None and not folder.is_dir():
        yield Finding("sources", f"no folder {folder}", "name that of the profiles: --sources or DOSETWIN_SOURCES")
        return
    for path in sorted(folder.glob("*.toml")) if folder is not None else ():
        if _holds_tokens(path):
            yield _tokens(path)
            continue
        try:
            profile = read_profile(path, key_of_patients())
        except (ProfileError, SettingsError) as error:
            yield Finding(f"profile {path.name}", str(error), "mend the field, or set the variable, that is named")
            continue
        yield _profile(path, profile, taken=profile.source in profiles)
        profiles.setdefault(profile.source, profile)
    yield from _folder(memory, wanted=bool(profiles))
    doors = plates(memory) if memory.is_dir() else []
    for door in doors:
        yield from _door(door, now)
    heard = {path.stem: path for path in sorted(memory.glob("*.sqlite"))} if os.access(memory, os.X_OK) else {}
    for source in sorted({*profiles, *heard}):
        if source in heard:
            yield _remembered(source, heard[source], now, any(source in door.sources and door.held for door in doors))
        if source in profiles and not any(source in door.sources for door in doors):
            yield _unheard(source, profiles[source], doors)


def _holds_tokens(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return not {"token", "webhook"}.isdisjoint(tomllib.load(file))
    except (OSError, ValueError):
        return False  # reading it as a profile says what is wrong


def _profile(path: Path, profile: Profile, *, taken: bool) -> Finding:
    """What a profile says, and whether another one has its id."""
    if taken:
        seen = f"another profile has the id {profile.source!r} too"
        return Finding(f"profile {path.name}", seen, "give each source an id of its own")
    table = profile.pseudonyms.table
    by = "a key" if isinstance(key := profile.pseudonyms.key, bytes) else f"key {key.ring[-1].id} of a store"
    patients = f"pseudonyms by {by}" if table is None else f"pseudonyms by a table of {len(table)}"
    kind = "of tests" if profile.test else "of real patients"
    return Finding(f"source {profile.source}", f"{path.name}, {profile.protocol}, {kind}, {patients}")


def _tokens(path: Path) -> Finding:
    """Whose tokens a file has, and whether their profiles are there."""
    subject, mend = (
        f"tokens {path.name}",
        "mend the field or variable that is named; 'dosetwin listen token' makes a token",
    )
    try:
        grants = read_grants(path, time.monotonic).each
    except TokensError as error:
        return Finding(subject, str(error), mend)
    missing = sorted(str(one.profile) for one in grants if one.profile is not None and not one.profile.is_file())
    if missing:
        return Finding(subject, f"no profile {', '.join(missing)}", mend)
    return Finding(subject, f"of {', '.join(sorted({one.source for one in grants}))}")


def _folder(memory: Path, *, wanted: bool) -> Iterator[Finding]:
    """Is the folder of memories the user's own alone, and can it be written to?"""
    if not memory.is_dir():
        if wanted or memory.exists():
            mend = "name a folder: --memory" if memory.exists() else ""
            yield Finding("memory", f"{memory} is {'no folder' if mend else 'made by the first way in'}", mend)
        return
    mode = stat.S_IMODE(memory.stat().st_mode)
    if mode & 0o077:
        yield Finding("memory", f"{memory} has the mode {mode:o}: it names patients", f"chmod 700 {memory}")
    elif not os.access(memory, os.W_OK | os.X_OK):
        yield Finding(
            "memory", f"{memory} cannot be written to", f"chown it to the ways in's user, or chmod 700 {memory}"
        )
    else:
        yield Finding("memory", f"{memory}, its user's alone")


def _door(door: Plate, now: datetime) -> Iterator[Finding]:
    """Does a way in live, does somebody answer where it is, and are its certificates good for a while?"""
    subject, sources = f"way in {door.protocol} {door.address}", ", ".join(door.sources)
    if not door.held:
        yield Finding(subject, f"was killed; {sources} is not heard", f"start 'dosetwin listen {door.protocol}' again")
    elif answers(_from_here(door.address)):
        yield Finding(subject, f"answers, for {sources}")
    elif asked := ASKED.get(door.protocol):
        mend = "start it, or mend the way to it: what it keeps comes when it answers again"
        yield Finding(subject, f"runs for {sources}, but the {asked} does not answer", mend)
    else:
        yield Finding(subject, f"runs for {sources}, but nobody answers there", "its log says why; start it again")
    for path in door.certificates:
        yield _certificate(Path(path), now)


def _from_here(address: str) -> str:
    """Where a door is reached that listens on every address."""
    host, _, port = address.rpartition(":")
    return f"{EVERYWHERE.get(host, host)}:{port}"


def _certificate(path: Path, now: datetime) -> Finding:
    subject = f"certificate {path}"
    try:
        until = certified_until(path)
    except (OSError, ValueError) as error:
        return Finding(subject, f"cannot be read: {error}", "give its way in a PEM file that its user can read")
    days = (until - now).days
    seen = f"ended on {until:%Y-%m-%d}" if until <= now else f"ends on {until:%Y-%m-%d}, in {days} days"
    return Finding(subject, seen, "" if days >= SOON_DAYS else "renew it, and start its way in again")


def _remembered(source: str, path: Path, now: datetime, alive: bool) -> Finding:
    """When a source was last heard, and what is left to be done with what it said."""
    subject = f"memory of {source}"
    try:
        seen = glance(path)
    except sqlite3.Error as error:
        mend = "restore it from a back-up; without it corrections lose what they correct"
        return Finding(subject, f"{path} cannot be read: {error}", mend)
    silent = (now - seen.newest).total_seconds() if seen.newest else float("inf")
    said = f"newest message at {seen.newest:%Y-%m-%d %H:%M:%SZ}" if seen.newest else "never heard"
    if seen.refused:
        said += f", {seen.refused} kept of which something was refused ('dosetwin listen again' reads them once more)"
    if not seen.unsent:
        return Finding(subject, f"{said}, all of it in Kafka")
    said += f", {seen.unsent} events not yet in Kafka"
    if alive and silent < UNSENT_SECONDS:
        return Finding(subject, said)
    mend = "Kafka does not take them: its way in's log says why" if alive else "start its way in: they go first"
    return Finding(subject, said, mend)


def _unheard(source: str, profile: Profile, doors: Sequence[Plate]) -> Finding:
    """A source without a way in: it may be read from files only, but its usual port must not be another program's."""
    subject = f"way in of {source}"
    if profile.topics is not None:
        return Finding(subject, "none runs; 'dosetwin listen mqtt' takes what it publishes")
    if profile.server:
        return Finding(subject, f"none runs; 'dosetwin listen fhir' reads {profile.server}")
    if profile.protocol not in USUAL:
        return Finding(subject, "none runs")
    command, port = USUAL[profile.protocol]
    address = f"127.0.0.1:{port}"
    if any(door.address.endswith(f":{port}") for door in doors):
        return Finding(subject, f"none runs, and port {port} is another source's: give it a --port of its own")
    if answers(address):
        seen = f"none runs, and another program has the port {port}"
        return Finding(subject, seen, f"give 'dosetwin listen {command}' another --port")
    return Finding(subject, f"none runs; the port {port} of 'dosetwin listen {command}' is free")
