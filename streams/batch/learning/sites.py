"""Sites that share sums: one step of learning from all of theirs, and their answers about a version, joined.

An answer says of a site's later patients what `dosetwin learn judge` would count of them (`twin.learning.tally`), as
exact sums over at least five. All answers add up to the tally that one site of everybody would have, to the last bit
and in any order, so the running likelihood ratio is that of all patients together: those of the sites, multiplied. A
site answers once about each version, since two sums that differ by one patient tell of that patient; it keeps who
taught and who answered in ``ID.answered.toml`` beside the draft, and says of none of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from connectors.releases import digest
from streams.batch.arguments import in_words
from streams.batch.cases import CaseError
from streams.batch.learning.account import Account, Round
from streams.batch.learning.judging import Comparison, judges_said
from streams.batch.learning.rounds import FoldAgain, taken_words
from twin.learning.draft import learnt_draft
from twin.learning.estimation import distance, improved
from twin.learning.judgement import Verdict, verdict
from twin.learning.maximisation import Standing
from twin.learning.messages.message import Message
from twin.learning.population import Anchor, Theta
from twin.learning.shrinkage import numbers_learnt, share_taken, shrunk
from twin.learning.sums import LEAST_PATIENTS, Sums, TooFew, from_json, joined
from twin.learning.tally import EMPTY, Tally, for_others, tally_from
from twin.model.spec import Model

FORMAT = 1

ANSWERED = ".answered.toml"


T = TypeVar("T")


def said_in(path: Path, read: Callable[[str], T]) -> T:
    """What ``read`` makes of a file's text; whatever it says against it names the file.

    Raises:
        CaseError: it cannot be read.
    """
    try:
        return read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CaseError(in_words(error)) from None
    except ValueError as error:
        raise CaseError(f"{path}: {error}") from None


# --- learning --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Step:
    """One step of all sites: their sums, of how many patients the particles reach, and the next population."""

    before: Theta
    total: Sums
    sites: int
    reached: int
    theta: Theta

    @property
    def moved(self) -> float:
        """By how much, in published standard deviations at most."""
        return distance(self.before, self.theta)

    def draft(self, published: Model, anchor: Anchor, name: str, whole: bool) -> tuple[Model, str]:
        """The version of it, and how it was learnt; ``whole`` as `streams.batch.learning.rounds.learn_all` has it.

        Raises:
            ModelError: a name that is none.
        """
        taken = 1.0 if whole else share_taken(numbers_learnt(anchor), self.total.gain)
        of = f"learnt from sums over {self.total.patients} patients of {self.sites} sites"
        words = f"{of}, counted from {published.id}{taken_words(taken)}"
        return learnt_draft(published, anchor, shrunk(anchor, self.theta, taken), name, words), words


def stepped(paths: Sequence[Path], anchor: Anchor, prior: Standing | None) -> Step:
    """The next population by the sums in some files, in any order.

    Raises:
        CaseError: a file that holds no sums of this model, or those that another holds; they are at different
            populations, or what was learnt before is not learnt now.
    """
    parts = [said_in(path, lambda text: from_json(text, anchor)) for path in paths]
    own: dict[tuple[int, ...], Path] = {}
    for path, (sums, _, _) in zip(paths, parts, strict=True):
        if (first := own.setdefault(tuple(sums.total.tolist()), path)) != path or paths.count(path) > 1:
            raise CaseError(f"{path}: has the sums in {first} once more; name each site's once")
    theta = parts[0][1]
    for path, (_, other, _) in zip(paths, parts, strict=True):
        if distance(theta, other) > 0:
            raise CaseError(f"{path}: its sums are at another population than those of {paths[0]}")
    for forgotten in anchor.unnamed(theta):
        raise CaseError(f"--learn {forgotten}: was learnt in the steps before; name it in every step")
    total = joined([part for part, _, _ in parts])
    reached = sum(reached for _, _, reached in parts)
    return Step(theta, total, len(parts), reached, improved(anchor, theta, total, prior))


# --- judging ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Answer:
    """What a site's later patients say together of a version: ids and SHA-256 of it and of the one in use, the sums."""

    version: str
    sha256: str
    in_use: str
    in_use_sha256: str
    tally: Tally

    def as_json(self) -> str:
        """For whoever gathers them."""
        of = {"version": self.version, "sha256": self.sha256}
        against = {"in_use": self.in_use, "in_use_sha256": self.in_use_sha256}
        return json.dumps({"format": FORMAT, **of, **against, **self.tally.as_said()}, indent=1) + "\n"


def answered_of(draft: Path, in_use: str) -> Path:
    """Where a site keeps who taught and who answered, beside a draft."""
    return draft.with_name(f"{in_use}{ANSWERED}")


def answer(
    compared: Comparison,
    taught: tuple[str, ...],
    said: Sequence[Message],
    declared: Sequence[str],
    again: FoldAgain | None,
) -> tuple[Answer, Account]:
    """A site's answer, and its account with it. About a version that it answered before it says the same again.

    Args:
        compared: its account is the site's own.
        taught, said, declared, again: as `streams.batch.learning.judging.judged` has them.

    Raises:
        CaseError: fewer than five patients, or one whose message does not reach a version.
        ValueError: messages of other models, no version of the published one, or a subgroup that is none.
    """
    sha256, account = digest(compared.candidate), compared.account
    found = next((one for one in account.rounds if one.sha256 == sha256), None)
    if found is None:
        groups, whole, unreached, judges = judges_said(compared, said, declared, again)
        if unreached:
            names = ", ".join(one.patient_id for one in unreached[:6])
            raise CaseError(f"messages: {len(unreached)} do not reach a version ({names}); name --records")
        try:
            told = for_others(whole, [one.covariates for one in said], groups)
        except TooFew as error:
            raise CaseError(str(error)) from None
        found = Round(compared.candidate.id, sha256, taught, judges, told)
        account = account.plus(found)
    return Answer(found.version, sha256, compared.current.id, digest(compared.current), found.tally), account


def answer_from(text: str) -> Answer:
    """Inverse of `Answer.as_json`.

    Raises:
        ValueError: it is none, or sums over so few patients that no site says them.
    """
    try:
        said = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}; 'dosetwin learn answer' writes it") from None
    if not isinstance(said, Mapping) or said.get("format") != FORMAT:
        raise ValueError(f"format: is not {FORMAT}; 'dosetwin learn answer' writes it")
    version, sha256, in_use, other = (said.get(name) for name in ("version", "sha256", "in_use", "in_use_sha256"))
    if not all(isinstance(name, str) for name in (version, sha256, in_use, other)):
        raise ValueError("version, sha256, in_use, in_use_sha256: must be texts; 'dosetwin learn answer' writes it")
    found = tally_from(said)
    if found.patients < LEAST_PATIENTS:
        raise ValueError(f"patients: {found.patients}; a site answers with sums over at least {LEAST_PATIENTS}")
    for name, group in found.groups.items():
        if not (group.patients == 0 or LEAST_PATIENTS <= group.patients <= found.patients):
            raise ValueError(f"subgroup {name}: {group.patients} of {found.patients} patients cannot be")
    if found.log_ratio > found.patients:
        raise ValueError(f"total: {found.patients} patients cannot count for {found.log_ratio:.4g} in log score")
    return Answer(str(version), str(sha256), str(in_use), str(other), found)


def answers_in(paths: Sequence[Path]) -> dict[Path, Answer]:
    """The answers of sites, by their files.

    Raises:
        CaseError: a file that holds none, or is named twice.
    """
    for path in paths:
        if paths.count(path) > 1:
            raise CaseError(f"{path}: is named twice; name each site's answer once")
    return {path: said_in(path, answer_from) for path in paths}


def joint_verdict(compared: Comparison, answers: Mapping[Path, Answer]) -> tuple[Verdict, Account]:
    """The verdict of all sites together, and the joint account with it; the order of the answers changes no bit.

    Args:
        compared: its account is the joint one.

    Raises:
        CaseError: an answer about another version, one that is there twice, or one that was there before and is
            missing.
    """
    candidate, current, account = compared.candidate, compared.current, compared.account
    wanted = digest(candidate), digest(current)
    whole = EMPTY
    judges: dict[str, Path] = {}
    for path, one in answers.items():
        if (one.sha256, one.in_use_sha256) != wanted:
            raise CaseError(
                f"{path}: is about {one.version} against {one.in_use}, and other texts than {candidate.id} and"
                f" {current.id} are here; let every site answer about the same files"
            )
        mark = hashlib.sha256(one.as_json().encode()).hexdigest()[:16]
        if mark in judges:
            raise CaseError(f"{path}: is the answer in {judges[mark]} once more; name each site's once")
        judges[mark] = path
        whole = whole.plus(one.tally)
    whole = Tally(whole.patients, whole.total, {name: whole.groups[name] for name in sorted(whole.groups)})
    found = verdict(whole, [one.tally for one in account.before(wanted[0])])
    return found, account.plus(Round(candidate.id, wanted[0], (), tuple(sorted(judges)), whole))
