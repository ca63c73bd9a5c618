"""How well a ward learns that begins with a wrong population: two years of patients, simulated, quarter by quarter.

In every quarter twins run under the version that is released. At its end what was learnt from all quarters before is
judged by this one's patients, who may release it, and a new draft is learnt from everybody so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from streams.batch.learning.rounds import judge_all, learn_all
from streams.batch.process_pool import in_processes, model_of
from twin.kernel.kernel import Kernel, compile_model
from twin.learning.draft import learnt_draft
from twin.learning.following import Foreseen, followed
from twin.learning.message import Message
from twin.learning.population import Anchor, Theta, anchor_of
from twin.model.spec import Model
from twin.solver.step_control import step_sizes_for
from twin.study.design import Design
from twin.trial.learning_ward import LearningPatient, exact_population, learning_patient, log_errors, monitored

WARD = "imatinib_widmer2006"
"""A drug that is monitored, with two parameters that differ between patients."""

SHIFTS, SPREADS = (0.9, -0.6, 0.5, -0.4), (1.3, 0.8)
"""The true typical values, in published standard deviations from the published ones, and factors of the published
variances, in turn: a ward whose patients differ."""

Said = tuple[Message, tuple[Foreseen, ...]]


@dataclass(frozen=True)
class WardPlan:
    """A ward: how many quarters, patients of each, particles of each twin, worker processes, and the seed."""

    quarters: int
    quarterly: int
    particles: int
    jobs: int = 0
    seed: int = 1


@dataclass(frozen=True)
class Quarter:
    """One quarter: the version that twins ran under, mean log error of the next value under it, under the published
    one and under the truth, and whether the version of the quarter before was released at its end."""

    version: str
    learnt: float
    published: float
    truth: float
    released: bool


@dataclass(frozen=True)
class WardReport:
    """What became of a ward.

    Attributes:
        off_ml: largest difference of a log typical value or variance from maximum likelihood on the same records.
        off_truth: of a log typical value from the truth, with ``error``, the standard error of what was learnt.
        start_off: how far the published population is from the truth.
        gain: by how much the error of the next value is less than under the published population, since the first
            release; ``worst`` is the least gain of a quarter.
        folded: patients that were folded again, over all rounds.
    """

    patients: int
    quarters: tuple[Quarter, ...]
    off_ml: float
    off_truth: float
    error: float
    start_off: float
    gain: float
    worst: float
    folded: int


def true_population(published: Model, anchor: Anchor) -> Model:
    """The version that patients of the ward really are of."""
    size = len(anchor.sd)
    spread = np.sqrt(np.resize(SPREADS, size))
    theta = Theta(np.resize(SHIFTS, size), anchor.correlation * np.outer(spread, spread))
    return learnt_draft(published, anchor, theta, f"{published.id}_true", "made up: the truth of a simulated ward")


def run_ward(published: Model, plan: WardPlan, say: Callable[[str], object]) -> WardReport:
    """Let a ward learn.

    Raises:
        WorkerLost: a worker process was killed.
    """
    anchor = anchor_of(published)
    truth = true_population(published, anchor)
    ward = _Ward(truth, plan)
    messages: dict[str, Message] = {}
    current, draft, quarters = published, None, []
    folded = 0
    for quarter in range(plan.quarters):
        own = ward.names(quarter)
        by = {model.hash: ward.folded(model, own) for model in {published, truth, current}}
        said = by[current.hash]
        released = (
            draft is not None
            and judge_all(anchor, [said[name][0] for name in own], draft, current, (), ward.again).accepted
        )
        learnt, usual, best = (_mean_error(by[model.hash].values()) for model in (current, published, truth))
        quarters.append(Quarter(current.id, learnt, usual, best, released))
        if released and draft is not None:
            current = draft
        messages |= {name: said[name][0] for name in own}
        outcome = learn_all(published, anchor, tuple(messages.values()), f"ward_{quarter + 1}", fold_again=ward.again)
        draft, folded = outcome.draft, folded + sum(outcome.folded)
        messages = {message.patient_id: message for message in outcome.messages}
        say(f"quarter {quarter + 1}: under {quarters[-1].version}, error {learnt:.3f}, published {usual:.3f}")
    found = outcome.found
    records = [record_of(truth, int(name.split("-")[1]), plan.seed).timeline for name in sorted(messages)]
    exact = exact_population(compile_model(published), anchor, records)
    at, omega = anchor.natural(found.theta)
    exact_at, exact_omega = anchor.natural(exact)
    wanted = anchor.natural(anchor.theta_of(truth))[0]
    later = [quarter for quarter in quarters if quarter.version != published.id]
    ratios = [q.learnt / q.published for q in quarters]
    return WardReport(
        len(messages),
        tuple(quarters),
        float(max(np.abs(at - exact_at).max(), np.abs(omega - exact_omega).max())),
        float(np.abs(at - wanted).max()),
        float((found.errors.mean * anchor.sd).max()),
        float(np.abs(anchor.centres.at - wanted).max()),
        1.0 - sum(q.learnt for q in later) / sum(q.published for q in later) if later else 0.0,
        1.0 - max(ratios),
        folded,
    )


def _mean_error(said: Iterable[Said]) -> float:
    return float(np.concatenate([log_errors(foreseen) for _, foreseen in said]).mean())


def record_of(truth: Model, number: int, seed: int) -> LearningPatient:
    """Patient ``number`` of a ward of this true model."""
    kernel, plan = _treated(truth.text, truth.id)
    return learning_patient(kernel, plan, number, seed)


@lru_cache(maxsize=4)
def _treated(text: str, model_id: str) -> tuple[Kernel, Design]:
    kernel = compile_model(model_of(text, model_id))
    return kernel, monitored(kernel)


def _follow_one(truth: tuple[str, str], model: tuple[str, str], number: int, seed: int, particles: int) -> Said:
    """Fold one patient under a model; runs in a worker process."""
    kernel = compile_model(model_of(*model))
    patient = record_of(model_of(*truth), number, seed)
    sizes = step_sizes_for(kernel, patient.timeline.delivered)
    return followed(kernel, patient.name, patient.timeline, particles, sizes)


class _Ward:
    """The patients of a ward, folded in several processes."""

    def __init__(self, truth: Model, plan: WardPlan) -> None:
        self._truth, self._plan = truth, plan

    def names(self, quarter: int) -> list[str]:
        """Of the patients of a quarter."""
        first = quarter * self._plan.quarterly
        return [f"L{self._plan.seed}-{number}" for number in range(first, first + self._plan.quarterly)]

    def folded(self, model: Model, names: Sequence[str]) -> dict[str, Said]:
        """What twins under a model say of some patients, and foresaw of them."""
        truth, plan = self._truth, self._plan
        which = (truth.text, truth.id), (model.text, model.id)
        tasks = [(*which, int(name.split("-")[1]), plan.seed, plan.particles) for name in names]
        with closing(in_processes(_follow_one, tasks, plan.jobs if len(tasks) > 1 else 0)) as results:
            found = {message.patient_id: (message, foreseen) for message, foreseen in results}
        return {name: found[name] for name in names}

    def again(self, model: Model, names: Sequence[str]) -> Mapping[str, Message]:
        """The messages of some patients under a model."""
        return {name: message for name, (message, _) in self.folded(model, names).items()}
