"""How well a ward learns that begins with a wrong population: two years of patients, simulated, quarter by quarter.

In every quarter twins run under the version that is released. At its end what was learnt from all quarters before is
judged by this one's patients, whose running likelihood ratio goes on from quarter to quarter and may release it, and a
new draft is learnt from everybody so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from streams.batch.learning.rounds import judge_all, learn_all
from streams.batch.process_pool import in_processes, model_of
from twin.arrays import Floats
from twin.kernel.kernel import Kernel, compile_model
from twin.learning.draft import learnt_draft
from twin.learning.estimation import Learnt
from twin.learning.following import Foreseen, followed
from twin.learning.judgement import verdict
from twin.learning.messages.message import Message
from twin.learning.messages.structure import sizes_of
from twin.learning.population import Anchor, Theta, anchor_of
from twin.learning.tally import Tally
from twin.model.spec import Model
from twin.solver.step_control import step_sizes_for
from twin.study.design import Design
from twin.trial.learning_ward import LearningPatient, exact_population, learning_patient, log_errors, monitored

WARD = "imatinib_widmer2006"
"""A drug that is monitored, with two parameters that differ between patients."""


@dataclass(frozen=True)
class Truth:
    """Who the patients of a ward really are: typical values, in published standard deviations from the published ones,
    and factors of the published variances, in turn, and one of the residual errors."""

    shifts: tuple[float, ...] = (0.9, -0.6, 0.5, -0.4)
    spreads: tuple[float, ...] = (1.3, 0.8)
    error: float = 1.3


AS_PUBLISHED = Truth((0.0,), (1.0,), 1.0)
"""A ward that has nothing to learn."""

Said = tuple[Message, tuple[Foreseen, ...]]


@dataclass(frozen=True)
class WardPlan:
    """A ward: how many quarters, patients of each, particles of each twin, worker processes, the seed, and who the
    patients really are."""

    quarters: int
    quarterly: int
    particles: int
    jobs: int = 0
    seed: int = 1
    truth: Truth = Truth()


@dataclass(frozen=True)
class Quarter:
    """One quarter.

    Attributes:
        version: that twins ran under.
        errors: (patients, 3) mean log error of a patient's next value under that version, under the published one and
            under the truth.
        released: whether the version of the quarter before was released at its end.
    """

    version: str
    errors: Floats
    released: bool

    @property
    def learnt(self) -> float:
        """Mean error under the version."""
        return float(self.errors[:, 0].mean())

    @property
    def published(self) -> float:
        """Mean error under the published one."""
        return float(self.errors[:, 1].mean())


@dataclass(frozen=True)
class Number:
    """One number of the population in the end: log typical value, variance, or log size of a residual error.

    Attributes:
        published, learnt, exact, truth: by whom; exact is maximum likelihood on the same records.
        error: standard error of what was learnt.
    """

    name: str
    published: float
    learnt: float
    exact: float
    truth: float
    error: float


@dataclass(frozen=True)
class WardReport:
    """What became of a ward.

    Attributes:
        numbers: that were learnt.
        gain: by how much the error of the next value is less than under the published population, since the first
            release; ``worst`` is the least gain of a quarter.
        folded: patients that were folded again, over all rounds.
    """

    patients: int
    quarters: tuple[Quarter, ...]
    numbers: tuple[Number, ...]
    gain: float
    worst: float
    folded: int

    @property
    def off_ml(self) -> float:
        """Largest difference of a number from maximum likelihood on the same records."""
        return max(abs(one.learnt - one.exact) for one in self.numbers)


def true_population(published: Model, anchor: Anchor, true: Truth) -> Model:
    """The version that patients of the ward really are of."""
    size = len(anchor.sd)
    spread = np.sqrt(np.resize(true.spreads, size))
    covariance = anchor.correlation * np.outer(spread, spread)
    scatter = np.full(len(anchor.sizes.names), np.log(true.error))
    theta = Theta(np.resize(true.shifts, size), covariance, anchor.published.coefficients, scatter)
    return learnt_draft(published, anchor, theta, f"{published.id}_true", "made up: the truth of a simulated ward")


def run_ward(published: Model, plan: WardPlan, say: Callable[[str], object]) -> WardReport:
    """Let a ward learn.

    Raises:
        WorkerLost: a worker process was killed.
    """
    anchor = anchor_of(published, learn=sizes_of(published).names)
    truth = true_population(published, anchor, plan.truth)
    ward = _Ward(truth, plan)
    messages: dict[str, Message] = {}
    current, draft, quarters = published, None, []
    account: list[Tally] = []
    folded = 0
    for quarter in range(plan.quarters):
        own = names_of(plan, quarter)
        by = {model.hash: ward.folded(model, own) for model in {published, truth, current}}
        said = by[current.hash]
        released = False
        if draft is not None:
            tally, unreached = judge_all(anchor, [said[name][0] for name in own], draft, current, (), ward.again)
            released = verdict(tally, account, unreached).accepted
            account = [] if released else [*account, tally]
        errors = np.stack([_errors(by[model.hash].values()) for model in (current, published, truth)], axis=1)
        quarters.append(Quarter(current.id, errors, released))
        if released and draft is not None:
            current = draft
        messages |= {name: said[name][0] for name in own}
        outcome = learn_all(published, anchor, tuple(messages.values()), f"ward_{quarter + 1}", fold_again=ward.again)
        draft, folded = outcome.draft, folded + sum(outcome.folded)
        messages = {message.patient_id: message for message in outcome.messages}
        last = quarters[-1]
        say(f"quarter {quarter + 1}: under {last.version}, error {last.learnt:.3f}, published {last.published:.3f}")
    found = outcome.found
    records = [record_of(truth, int(name.split("-")[1]), plan.seed).timeline for name in sorted(messages)]
    exact = exact_population(compile_model(published), anchor, records)
    later = [quarter for quarter in quarters if quarter.version != published.id]
    ratios = [q.learnt / q.published for q in quarters]
    return WardReport(
        len(messages),
        tuple(quarters),
        _numbers(anchor, found, exact, anchor.theta_of(truth)),
        1.0 - sum(q.learnt for q in later) / sum(q.published for q in later) if later else 0.0,
        1.0 - max(ratios),
        folded,
    )


def _errors(said: Iterable[Said]) -> Floats:
    """Mean log error of each patient's next values."""
    return np.array([log_errors(foreseen).mean() for _, foreseen in said])


def _numbers(anchor: Anchor, found: Learnt, exact: Theta, truth: Theta) -> tuple[Number, ...]:
    sd, errors = anchor.sd, found.errors
    error = np.concatenate([errors.mean * sd, np.diag(errors.covariance) * sd**2, errors.scatter])
    each = [numbers_of(anchor, theta) for theta in (anchor.published, found.theta, exact, truth)]
    rows = np.stack([*(list(one.values()) for one in each), error], axis=1)
    return tuple(Number(name, *values) for name, values in zip(each[0], rows.tolist(), strict=True))


def numbers_of(anchor: Anchor, theta: Theta) -> dict[str, float]:
    """Log typical values, variances, and logarithms of the ratios of residual errors to the published ones, by name."""
    at, omega = anchor.natural(theta)
    names = anchor.centres.names
    of_each = [f"log {name}" for name in names] + [f"omega.{name}" for name in names]
    of_each += [f"log error of {name}" for name in anchor.sizes.names]
    return dict(zip(of_each, np.concatenate([at, np.diag(omega), theta.scatter]).tolist(), strict=True))


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


def names_of(plan: WardPlan, quarter: int) -> list[str]:
    """Of the patients of a quarter."""
    first = quarter * plan.quarterly
    return [f"L{plan.seed}-{number}" for number in range(first, first + plan.quarterly)]


class _Ward:
    """The patients of a ward, folded in several processes."""

    def __init__(self, truth: Model, plan: WardPlan) -> None:
        self._truth, self._plan = truth, plan

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
