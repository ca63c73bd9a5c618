"""One judgement by files: who may judge a version, what they say, and the account with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from connectors.releases import digest
from streams.batch.cases import CaseError
from streams.batch.learning.account import Account, Round, fingerprint
from streams.batch.learning.rounds import FoldAgain, judge_all
from streams.batch.learning.verdicts import Version
from twin.learning.contribution import Reach
from twin.learning.judgement import Verdict, verdict
from twin.learning.messages.message import Message
from twin.learning.population import Anchor
from twin.learning.tally import Subgroup, Tally, subgroup
from twin.model.spec import Model


@dataclass(frozen=True, eq=False)
class Comparison:
    """What is judged: a ``version``, whose model is ``candidate``, against the one in use (``current``), whose account
    there is so far."""

    anchor: Anchor
    candidate: Model
    current: Model
    version: Version
    account: Account


def judges_of(
    compared: Comparison, draft: Path, everybody: Sequence[Message], summed: Sequence[Message]
) -> tuple[tuple[str, ...], tuple[Message, ...]]:
    """Fingerprints of who taught the version, and the messages of who may judge it.

    Raises:
        CaseError: it is not known who taught it, or nobody may judge.
    """
    taught = {*compared.version.patients, *(fingerprint(one.patient_id) for one in summed)}
    if not taught:
        raise CaseError(
            f"{draft}: was learnt from sums; each site answers with sums too ('dosetwin learn answer'), and 'dosetwin "
            "learn verdict' joins them"
        )
    later = [one for one in everybody if fingerprint(one.patient_id) not in taught]
    if not later:
        raise CaseError(f"{draft}: was learnt from all of these {len(everybody)} patients; judge by later ones")
    barred = compared.account.barred(digest(compared.candidate))
    said = tuple(one for one in later if fingerprint(one.patient_id) not in barred)
    if not said:
        raise CaseError(
            f"messages: all of these {len(later)} patients judged or taught a version before, which counts once; judge"
            " by later ones"
        )
    return tuple(sorted(taught)), said


def judged(
    compared: Comparison,
    taught: tuple[str, ...],
    said: Sequence[Message],
    declared: Sequence[str],
    again: FoldAgain | None,
) -> tuple[Verdict, Account]:
    """The verdict, and the account with this round; without it where somebody's message does not reach a version.

    Args:
        taught: fingerprints of who taught the version.
        said: the judges' messages.
        declared: subgroups as written, beside those that the account has.
        again: what folds records again, where there are any.

    Raises:
        ValueError: messages of other models, no version of the published one, or a subgroup that is none.
    """
    sha256 = digest(compared.candidate)
    _, own, unreached, judges = judges_said(compared, said, declared, again)
    found = verdict(own, [one.tally for one in compared.account.before(sha256)], unreached)
    if unreached:
        return found, compared.account
    return found, compared.account.plus(Round(compared.candidate.id, sha256, taught, judges, own))


class JudgesSaid(NamedTuple):
    """The subgroups that count, what judges say together, who is not reached, and the judges' fingerprints."""

    groups: tuple[Subgroup, ...]
    tally: Tally
    unreached: tuple[Reach, ...]
    judges: tuple[str, ...]


def judges_said(
    compared: Comparison, said: Sequence[Message], declared: Sequence[str], again: FoldAgain | None
) -> JudgesSaid:
    """What judges say, whatever becomes of it; arguments and errors are those of `judged`."""
    known = [c.name for c in compared.candidate.covariates]
    groups = tuple(subgroup(text, known) for text in dict.fromkeys((*compared.account.subgroups, *declared)))
    own, unreached = judge_all(compared.anchor, said, compared.candidate, compared.current, groups, again)
    return JudgesSaid(groups, own, unreached, tuple(sorted(fingerprint(one.patient_id) for one in said)))
