"""The account of a version in use: all judgements of versions that were learnt to take its place, and who judged.

It stands beside the drafts as ``ID.judged.toml``, ID being that of the version in use, and `dosetwin learn judge` goes
on with it by itself: the running likelihood ratio (`twin.learning.judgement`) is of all its rounds, and a round that
went against a version counts as one that spoke for it. So that the ratio is one of chance alone, nobody judges twice,
and nobody judges who taught any of these versions. A version that is judged again by more patients has one round still,
with all of them. The same messages make the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from connectors.releases import digest
from streams.batch.cases import CaseError
from twin.learning.tally import Tally, tally_from
from twin.model.spec import Model

ENDING = ".judged.toml"


def fingerprint(patient_id: str) -> str:
    """A patient in a file that goes on to others: 16 hex digits."""
    return hashlib.sha256(f"learnt from {patient_id}".encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Round:
    """One version that was judged.

    Attributes:
        version: its id, and ``sha256`` of its text.
        taught, judges: fingerprints, sorted: of patients, or where sites judge together, of their answers.
        tally: what the judges said.
    """

    version: str
    sha256: str
    taught: tuple[str, ...]
    judges: tuple[str, ...]
    tally: Tally


@dataclass(frozen=True, eq=False)
class Account:
    """Of the version in use: its id, ``sha256`` of its text, and the rounds so far, in the order of their versions."""

    in_use: str
    sha256: str
    rounds: tuple[Round, ...] = ()

    def before(self, sha256: str) -> tuple[Round, ...]:
        """The rounds of other versions."""
        return tuple(one for one in self.rounds if one.sha256 != sha256)

    def barred(self, sha256: str) -> frozenset[str]:
        """Fingerprints of who may not judge a version: they judged another, or taught one that was judged."""
        others = {judge for one in self.before(sha256) for judge in one.judges}
        return frozenset(others.union(*(one.taught for one in self.rounds)))

    @property
    def subgroups(self) -> tuple[str, ...]:
        """Those that were declared, which stay so."""
        return tuple(dict.fromkeys(name for one in self.rounds for name in one.tally.groups))

    def plus(self, found: Round) -> Account:
        """With a round, in the place of that of the same version.

        Raises:
            CaseError: who judged that version before is not among the judges any more.
        """
        old = next((one for one in self.rounds if one.sha256 == found.sha256), None)
        if old is None:
            return replace(self, rounds=(*self.rounds, found))
        missing = len({*old.judges} - {*found.judges})
        if missing:
            raise CaseError(
                f"{missing} of the {len(old.judges)} who judged {found.version} before are missing (patients' messages,"
                " or sites' answers); name theirs too, so that none is left out for what it says"
            )
        return replace(self, rounds=tuple(found if one is old else one for one in self.rounds))

    def as_toml(self) -> str:
        """For its file."""
        lines = [f"in_use = {json.dumps(self.in_use)}", f"sha256 = {json.dumps(self.sha256)}"]
        for one in self.rounds:
            said = {"version": one.version, "sha256": one.sha256, "taught": list(one.taught)}
            said |= {"judges": list(one.judges), **one.tally.as_said()}  # type: ignore[dict-item]
            lines += ["", "[[round]]", *(f"{name} = {json.dumps(value)}" for name, value in said.items())]
        return "\n".join(lines) + "\n"


def account_of(draft: Path, in_use: str) -> Path:
    """Where the account of a version in use stands, beside a draft."""
    return draft.with_name(f"{in_use}{ENDING}")


def read_account(path: Path, current: Model) -> Account:
    """The account of the version in use; without rounds where there is no file.

    Raises:
        CaseError: it cannot be read, or is of another text of that id.
    """
    begun = Account(current.id, digest(current))
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        rounds = tuple(
            Round(
                str(one["version"]), str(one["sha256"]), _names(one["taught"]), _names(one["judges"]), tally_from(one)
            )
            for one in said.get("round", ())
        )
        found = Account(str(said["in_use"]), str(said["sha256"]), rounds)
    except FileNotFoundError:
        return begun
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CaseError(
            f"{path}: cannot be read ({error}); put the file back that 'dosetwin learn judge' wrote"
        ) from None
    if (found.in_use, found.sha256) != (begun.in_use, begun.sha256):
        raise CaseError(f"{path}: is of another text of {current.id} than the one in use; move it away, and begin anew")
    return found


def _names(said: Iterable[object]) -> tuple[str, ...]:
    return tuple(map(str, said))
