"""Images of containers that somebody else made: each by tag and digest, and who says that these belong together."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

FILE = Path("docs/papers/images.toml")

OURS = "dosetwin"
"""Built from the tree itself, so that nobody else could say its digest."""

LONGEST_DAYS = 184
"""An image is known by its tag alone for half a year at most: then somebody looks again."""

FEWEST_OWNERS = 2
"""Owners of repositories who must say the same digest where no registry was asked."""


class ImagesError(ValueError):
    """An entry cannot be used; the message names it and the field."""


@dataclass(frozen=True)
class Image:
    """One image.

    Attributes:
        name: as Docker Hub has it.
        tag: exact.
        digest: of the index of all platforms, ``sha256:`` and 64 hexadecimal digits; ``""`` where none could be had.
        stated: who says so: a public repository and its file, ``owner/name path``.
        reason: why there is no digest.
        until: the day from which on that is no excuse.
    """

    name: str
    tag: str
    digest: str = ""
    read: date | None = None
    stated: tuple[str, ...] = ()
    reason: str = ""
    until: date | None = None

    @property
    def reference(self) -> str:
        """How files name it.

        >>> Image("influxdb", "2.7.12", "sha256:ab").reference
        'influxdb:2.7.12@sha256:ab'
        """
        return f"{self.name}:{self.tag}" + (f"@{self.digest}" if self.digest else "")

    @property
    def owners(self) -> set[str]:
        """Of the repositories that state the digest."""
        return {line.partition("/")[0].lower() for line in self.stated}


def read(root: Path) -> list[Image]:
    """The images of ``images.toml`` of the tree at ``root``.

    Raises:
        ImagesError: an entry without one of its fields, or with one that cannot be.
    """
    images = []
    for number, entry in enumerate(tomllib.loads((root / FILE).read_text(encoding="utf-8")).get("images", [])):
        where = f"{FILE}: images[{number}]"
        fields = {"name", "tag"} | ({"digest", "read", "stated"} if "digest" in entry else {"reason", "until"})
        if wrong := fields ^ entry.keys():
            raise ImagesError(f"{where}.{min(wrong)}: each entry has exactly {', '.join(sorted(fields))}")
        day = "read" if "digest" in entry else "until"
        if type(entry[day]) is not date:
            raise ImagesError(f"{where}.{day}: {entry[day]!r} is no day; write one such as 2027-02-28")
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", entry.get("digest", "sha256:" + 64 * "0")):
            raise ImagesError(f"{where}.digest: {entry['digest']!r} is none; write sha256: and 64 digits")
        images.append(Image(**{**entry, "stated": tuple(entry.get("stated", ()))}))
    return images


def named(root: Path) -> list[tuple[Path, str]]:
    """Each image that a file for Docker or Compose at ``root`` names, with the file; not our own."""
    found = []
    for path in sorted([*root.glob("Dockerfile*"), *root.glob("*compose*.y*ml")]):
        text = path.read_text(encoding="utf-8")
        if path.name.startswith("Dockerfile"):
            references = re.findall(r"^FROM\s+(?:--\S+\s+)*(\S+)", text, re.MULTILINE)
        else:
            services = yaml.safe_load(text).get("services", {}).values()
            references = [one["image"] for one in services if "image" in one]
        found += [(path.relative_to(root), one) for one in references if one.partition(":")[0] != OURS]
    return found


def gaps(root: Path, images: Sequence[Image], today: date) -> Iterator[str]:
    """Images that are named otherwise than they are known, and knowledge that does not suffice."""
    references = {one.reference for one in images}
    used = named(root)
    for path, reference in used:
        if reference not in references:
            yield f"{path}: {reference} is in no entry of {FILE}: name it by tag and digest, and say who states them"
    for one in images:
        if one.reference not in {reference for _, reference in used}:
            yield f"{FILE}: no file names {one.reference} any more: remove it"
        elif one.digest and len(one.owners) < FEWEST_OWNERS:
            yield f"{FILE}: {one.reference} is stated by {len(one.owners)} owners of repositories: two at least"
        elif one.until is not None and one.until <= today:
            yield f"{FILE}: {one.reference} was to have no digest until {one.until}: look again"
        elif one.until is not None and (one.until - today).days > LONGEST_DAYS:
            yield f"{FILE}: {one.reference} is to have no digest until {one.until}: half a year at most"
