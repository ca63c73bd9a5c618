"""Where particles stand by each account of what was delivered, and how likely each account is.

    share_k ~ prior_k p(data | account k)

An account has the belief and the particles of its own; until accounts part, all have the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from twin.arrays import Floats
from twin.filter.expectation import pooled_expectation
from twin.filter.learning import Assimilated
from twin.filter.trunk import TrunkPosition
from twin.model.spec import OutputSpec
from twin.observation.likelihood import output_of
from twin.timeline.pumps.silence import Hypothesis, Open
from twin.timeline.pumps.taking import Uncertain, was_taken
from twin.timeline.timeline import Timeline


@dataclass(frozen=True)
class Standing:
    """Particles by one account: its hypothesis, with the log prior of all that it stands for, and its timeline."""

    hypothesis: Hypothesis
    timeline: Timeline
    position: TrunkPosition

    @property
    def log_weight(self) -> float:
        """Log prior and log evidence of the data so far."""
        return self.hypothesis.log_prior + self.position.belief.log_evidence

    def runs(self, silent: Open, millis: int) -> bool:
        """Whether a silent channel still runs at ``millis``."""
        return millis <= silent.since + self.hypothesis.after


def shares(log_weight: Sequence[float]) -> list[float]:
    """Probabilities of accounts from their log weights, which need not be normalised; alike where no account holds."""
    top = max(log_weight)
    if not np.isfinite(top):
        return [1.0 / len(log_weight)] * len(log_weight)
    found = np.exp(np.array(log_weight) - top)
    return [float(share) for share in found / found.sum()]


def log_total(log_weight: Sequence[float]) -> float:
    """log sum exp."""
    top = max(log_weight)
    return float(top) if not np.isfinite(top) else float(top + np.log(np.exp(np.array(log_weight) - top).sum()))


def running(standings: Sequence[Standing], opens: Sequence[Open], millis: int) -> dict[str, float] | None:
    """By drug, the probability that a pump of it that is silent runs at ``millis``; ``None`` where none is silent."""
    share = shares([one.log_weight for one in standings])
    found: dict[str, float] = {}
    for drug in dict.fromkeys(one.drug for one in opens):
        of_drug = [one for one in opens if one.drug == drug]
        runs = [any(standing.runs(one, millis) for one in of_drug) for standing in standings]
        found[drug] = min(1.0, sum(part for part, still in zip(share, runs, strict=True) if still))
    return found or None


def taken(standings: Sequence[Standing], doses: Sequence[Uncertain]) -> dict[str, float] | None:
    """By drug, the probability that the newest dose of it that is in doubt was taken; ``None`` where none is."""
    share = shares([one.log_weight for one in standings])
    found: dict[str, float] = {}
    for dose in doses:  # the oldest first
        took = [part for part, one in zip(share, standings, strict=True) if was_taken(dose, one.hypothesis)]
        found[dose.drug] = min(1.0, sum(took))
    return found or None


def met(
    outputs: Sequence[OutputSpec], log_weight: Sequence[float], each: Sequence[Sequence[Assimilated]]
) -> Iterator[Assimilated]:
    """What the mixture of accounts met of some values, one after the other.

    Args:
        outputs: of the model.
        log_weight: of each account before the first value.
        each: what each account met of every value, in the same order.
    """
    weights = list(log_weight)
    for alike in zip(*each, strict=True):
        if len(alike) == 1:
            yield alike[0]
            continue
        after = [weight + one.log_evidence for weight, one in zip(weights, alike, strict=True)]
        observation = alike[0].observation
        share = shares(weights)
        expected = pooled_expectation(
            output_of(outputs, observation), observation, share, [one.expected for one in alike]
        )
        rows: Floats = np.concatenate([one.rows for one in alike], axis=-1)
        gained = log_total(after) - log_total(weights)
        yield replace(alike[0], rows=rows, expected=expected, log_evidence=gained)
        weights = after
