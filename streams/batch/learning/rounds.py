"""Learning to the end: from messages, then from records of whom the messages do not reach what was learnt.

A message can be weighed anew for a population that is near the one it was made under. Where it is not, the record is
folded again by twins under what was learnt, whose message takes its place, and learning goes on from there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connectors.posteriors import packed
from twin.learning.contribution import Reach, reach
from twin.learning.draft import learnt_draft
from twin.learning.estimation import MOST_STEPS, Learnt, learnt
from twin.learning.judgement import gains
from twin.learning.maximisation import Standing
from twin.learning.messages.message import Message
from twin.learning.population import Anchor, Theta, particles_of
from twin.learning.shrinkage import numbers_learnt, share_taken, shrunk
from twin.learning.tally import Subgroup, Tally, tally
from twin.model.spec import Model

MOST_ROUNDS = 4

FIRST_STEPS = 40
"""Steps of a round while records can be folded again: particles that do not reach need not be followed to the end."""

FoldAgain = Callable[[Model, Sequence[str]], Mapping[str, Message]]
"""Folds records of patients under a model: the messages of those whose records there are."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What was learnt, the draft of it, how many were folded again in each round, and whose messages it rests on;
    ``taken`` is the share of the way from the published numbers that the draft takes."""

    found: Learnt
    draft: Model
    taken: float
    folded: tuple[int, ...]
    messages: tuple[Message, ...]


def learn_all(
    published: Model,
    anchor: Anchor,
    messages: Sequence[Message],
    name: str,
    prior: Standing | None = None,
    fold_again: FoldAgain | None = None,
    step: Callable[[int, Theta, float], None] | None = None,
    whole: bool = False,
) -> Outcome:
    """Learn from everybody's latest message.

    Args:
        published: the model that ``anchor`` is of.
        name: id of the draft.
        fold_again: where there are records.
        step: is told of each step.
        whole: whether the draft takes what is most likely as it is, although patients may be few
            (`twin.learning.shrinkage`); with a prior it always does.

    Raises:
        ValueError: no messages, or of other models.
    """
    current = {message.patient_id: message for message in messages}
    folded: list[int] = []
    start: Theta | None = None
    while True:
        each = [particles_of(current[patient], anchor) for patient in sorted(current)]
        last = fold_again is None or len(folded) == MOST_ROUNDS
        found = learnt(anchor, each, prior, start, step, MOST_STEPS if last else FIRST_STEPS)
        if not last and not found.to_fold and not found.settled:
            found = learnt(anchor, each, prior, found.theta, step)
        start = found.theta
        words = provenance(published, tuple(current.values()), prior is not None)
        if fold_again is not None and len(folded) < MOST_ROUNDS and found.to_fold:
            again = fold_again(learnt_draft(published, anchor, found.theta, name, words), found.to_fold)
            folded.append(len(again))
            current |= again
            if again:
                continue
        taken = 1.0 if whole or prior is not None else share_taken(numbers_learnt(anchor), found.gain)
        draft = learnt_draft(published, anchor, shrunk(anchor, found.theta, taken), name, words + taken_words(taken))
        return Outcome(found, draft, taken, tuple(folded), tuple(current[patient] for patient in sorted(current)))


def taken_words(taken: float) -> str:
    """What of the way from the published numbers is taken, as a part of a sentence; nothing of the whole."""
    return "" if taken == 1.0 else f"; {100 * taken:.3g} % of the way from the published numbers is taken"


def judge_all(
    anchor: Anchor,
    messages: Sequence[Message],
    candidate: Model,
    current: Model,
    subgroups: Sequence[Subgroup] = (),
    fold_again: FoldAgain | None = None,
) -> tuple[Tally, tuple[Reach, ...]]:
    """What patients say of a version that it was not learnt from, and of whom it is not known.

    Of those whose messages do not reach both versions the records are folded under each, where there are any: what they
    score is then the evidence of the fold itself.

    Raises:
        ValueError: messages of other models, or models that are no versions of the published one.
    """
    theta, used = anchor.theta_of(candidate), anchor.theta_of(current)
    each = [particles_of(message, anchor) for message in messages]
    better = dict(zip((one.patient_id for one in each), gains(each, theta, used), strict=True))
    unreached = {r.patient_id: r for at in (theta, used) for one in each if not (r := reach(one, at)).holds}
    if fold_again is not None and unreached:
        new, old = (fold_again(model, tuple(unreached)) for model in (candidate, current))
        for patient in new.keys() & old.keys():
            better[patient] = new[patient].log_evidence - old[patient].log_evidence
            del unreached[patient]
    said = tally([better[one.patient_id] for one in each], [one.covariates for one in each], subgroups)
    return said, tuple(unreached.values())


def provenance(published: Model, messages: Sequence[Message], informed: bool) -> str:
    """From what and how numbers were learnt, in one line with a hash of the messages."""
    how = "with the published numbers as prior" if informed else "by maximum likelihood"
    return (
        f"learnt {how} from messages of {len(messages)} patients ({digest(messages)}), counted from {published.id} "
        f"({published.hash})"
    )


def digest(messages: Sequence[Message]) -> str:
    """16 hex digits over messages, whatever their order."""
    whole = hashlib.sha256()
    for part in sorted(hashlib.sha256(packed(message)).digest() for message in messages):
        whole.update(part)
    return whole.hexdigest()[:16]
