"""Licences of parts, and the policy that they must meet: each is known, and acceptable."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from license_expression import Licensing

    from streams.papers.parts import Part

FILE = Path("docs/papers/licences.toml")

ECOSYSTEMS = ("pypi", "npm", "maven", "golang", "cargo")


@dataclass(frozen=True)
class Licences:
    """What ``licences.toml`` says: acceptable licences with the reason, and the SPDX expression of each part."""

    acceptable: dict[str, str]
    expressions: dict[tuple[str, str], str]

    def of(self, part: Part) -> str:
        """The SPDX expression of a part; ``""`` where nobody has looked."""
        return self.expressions.get(_key(part), "")


def read(root: Path) -> Licences:
    """The policy of the tree at ``root``."""
    said = tomllib.loads((root / FILE).read_text(encoding="utf-8"))
    return Licences(
        said["acceptable"],
        {
            (ecosystem, name): expression
            for ecosystem in ECOSYSTEMS
            for expression, names in said[ecosystem].items()
            for name in names
        },
    )


def gaps(parts: Iterable[Part], licences: Licences) -> Iterator[str]:
    """What is wrong, each with its mend: an unknown licence, one that is not acceptable, a part that is gone."""
    left = set(licences.expressions)
    for part in parts:
        left.discard(_key(part))
        expression = licences.of(part)
        if not expression:
            yield f"{part.purl}: no licence is known; find it out and add it to [{part.ecosystem}] in {FILE}"
        elif not is_acceptable(expression, licences.acceptable):
            yield f"{part.purl}: {expression} is not acceptable; do without it, or add it to [acceptable] with a reason"
    for ecosystem, name in sorted(left):
        yield f"{FILE}: [{ecosystem}] has {name}, which no lock has; remove it"


def is_acceptable(expression: str, acceptable: Iterable[str]) -> bool:
    """Whether an SPDX expression can be met with acceptable licences and exceptions alone.

    >>> is_acceptable("GPL-2.0-only OR MIT", ["MIT"]), is_acceptable("GPL-2.0-only AND MIT", ["MIT"])
    (True, False)
    """
    from license_expression import AND, ExpressionError, LicenseWithExceptionSymbol

    known = set(acceptable)

    def met(term: object) -> bool:
        if isinstance(term, LicenseWithExceptionSymbol):
            return {term.license_symbol.key, term.exception_symbol.key} <= known
        if hasattr(term, "args") and term.args:
            each = [met(one) for one in term.args]
            return all(each) if isinstance(term, AND) else any(each)
        return getattr(term, "key", None) in known

    try:
        return met(_spdx().parse(expression))
    except ExpressionError:
        return False


@functools.cache
def _spdx() -> Licensing:
    """All licences of SPDX, which take a fifth of a second to be indexed."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


def _key(part: Part) -> tuple[str, str]:
    return part.ecosystem, f"{part.name}@{part.version}" if part.ecosystem == "cargo" else part.name
