"""How well a ward learns that begins with a wrong population: two years of patients, simulated, quarter by quarter.

In every quarter twins run under the version that is released. At its end what was learnt from all quarters before is
judged by this one's patients, whose running likelihood ratio goes on from quarter to quarter and may release it, and a
new draft is learnt from everybody so far. Of a small ward it is only told whether it releases one (`first_release`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from threadpoolctl import threadpool_limits

from streams.batch.learning.rounds import Outcome, judge_all, learn_all
from streams.batch.process_pool import model_of
from twin.arrays import Floats
from twin.kernel.kernel import Kernel, compile_model
from twin.learning.draft import learnt_draft
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
    """A ward: how many quarters, patients of each, particles of a twin, the seed, and who the patients really are."""

    quarters: int
    quarterly: int
    particles: int
    seed: int = 1
    truth: Truth = Truth()


@dataclass(frozen=True)
class Quarter:
    """One quarter.

    Attributes:
        version: that twins ran under.
        errors: (patients, 2) mean log error of a patient's next value under that version and under the published one.
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
        published, learnt, likeliest, exact, truth: by whom; ``learnt`` is the last version's, which goes most of
            the way to what is ``likeliest`` by the messages, and ``exact`` maximum likelihood on the same records.
        error: standard error of what was learnt.
    """

    name: str
    published: float
    learnt: float
    likeliest: float
    exact: float
    truth: float
    error: float


@dataclass(frozen=True)
class WardReport:
    """What became of a ward of this plan.

    Attributes:
        numbers: that were learnt.
        gain: by how much the error of the next value is less than under the published population, since the first
            release; ``worst`` is the least gain of a quarter.
        folded: patients that were folded again, over all rounds.
    """

    plan: WardPlan
    patients: int
    quarters: tuple[Quarter, ...]
    numbers: tuple[Number, ...]
    gain: float
    worst: float
    folded: int

    @property
    def off_ml(self) -> float:
        """Largest difference of a number from maximum likelihood on the same records."""
        return max(abs(one.likeliest - one.exact) for one in self.numbers)


@dataclass(frozen=True)
class FirstRelease:
    """The first version that a ward released, after so many judgements, and by how much it scores better, a patient,
    than the published one in patients who come later, with its standard error."""

    after: int
    better_by: float
    error: float


def true_population(published: Model, anchor: Anchor, true: Truth) -> Model:
    """The version that patients of the ward really are of."""
    size = len(anchor.sd)
    spread = np.sqrt(np.resize(true.spreads, size))
    covariance = anchor.correlation * np.outer(spread, spread)
    scatter = np.full(len(anchor.sizes.names), np.log(true.error))
    theta = Theta(np.resize(true.shifts, size), covariance, anchor.published.coefficients, scatter)
    return learnt_draft(published, anchor, theta, f"{published.id}_true", "made up: the truth of a simulated ward")


def run_ward(published: Model, plan: WardPlan, say: Callable[[str], object] | None = None) -> WardReport:
    """Let a ward learn; ``say`` is told of each quarter."""
    ward = _Ward(published, plan)
    quarters: list[Quarter] = []
    for quarter in range(plan.quarters):
        own, current = names_of(plan, quarter), ward.current
        by = {model.hash: ward.folded(model, own) for model in {published, current}}
        errors = np.stack([_errors(by[model.hash].values()) for model in (current, published)], axis=1)
        released = ward.judged([said for said, _ in by[current.hash].values()])
        quarters.append(Quarter(current.id, errors, released))
        ward.learn(f"ward_{quarter + 1}")
        last = quarters[-1]
        if say is not None:
            say(f"quarter {quarter + 1}: under {last.version}, error {last.learnt:.3f}, published {last.published:.3f}")
    records = [ward.record(name).timeline for name in sorted(ward.messages)]
    exact = exact_population(compile_model(published), ward.anchor, records)
    later = [quarter for quarter in quarters if quarter.version != published.id]
    return WardReport(
        plan,
        len(ward.messages),
        tuple(quarters),
        _numbers(ward, exact),
        1.0 - sum(q.learnt for q in later) / sum(q.published for q in later) if later else 0.0,
        1.0 - max(quarter.learnt / quarter.published for quarter in quarters),
        ward.folded_again,
    )


def first_release(published: Model, plan: WardPlan, later: int) -> FirstRelease | None:
    """The first version that a ward releases, scored by so many patients ``later``; ``None`` if it releases none."""
    ward = _Ward(published, plan)
    for quarter in range(plan.quarters):
        if ward.judged([said for said, _ in ward.folded(published, names_of(plan, quarter)).values()]):
            after = [f"L{plan.seed}-{plan.quarters * plan.quarterly + number}" for number in range(later)]
            new, old = (ward.folded(model, after) for model in (ward.current, published))
            better = [new[name][0].log_evidence - old[name][0].log_evidence for name in after]
            return FirstRelease(quarter, float(np.mean(better)), float(np.std(better, ddof=1) / np.sqrt(later)))
        ward.learn(f"ward_{quarter + 1}")
    return None


def _errors(said: Iterable[Said]) -> Floats:
    """Mean log error of each patient's next values."""
    return np.array([log_errors(foreseen).mean() for _, foreseen in said])


def _numbers(ward: _Ward, exact: Theta) -> tuple[Number, ...]:
    anchor, outcome = ward.anchor, ward.outcome
    assert outcome is not None
    sd, errors = anchor.sd, outcome.found.errors
    error = np.concatenate([errors.mean * sd, np.diag(errors.covariance) * sd**2, errors.scatter])
    by = anchor.published, anchor.theta_of(outcome.draft), outcome.found.theta, exact, anchor.theta_of(ward.truth)
    each = [numbers_of(anchor, theta) for theta in by]
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


def names_of(plan: WardPlan, quarter: int) -> list[str]:
    """Of the patients of a quarter."""
    first = quarter * plan.quarterly
    return [f"L{plan.seed}-{number}" for number in range(first, first + plan.quarterly)]


class _Ward:
    """A ward as it stands: the version in use, what was learnt last, and what judges said since the one in use is.

    Attributes:
        messages: everybody's newest.
        outcome: of learning, last; ``None`` at first.
        folded_again: patients, in all rounds.
    """

    def __init__(self, published: Model, plan: WardPlan) -> None:
        self.anchor = anchor_of(published, learn=sizes_of(published).names)
        self.truth = true_population(published, self.anchor, plan.truth)
        self.current = published
        self.messages: dict[str, Message] = {}
        self.outcome: Outcome | None = None
        self.folded_again = 0
        self._published, self._plan = published, plan
        self._account: list[Tally] = []

    def record(self, name: str) -> LearningPatient:
        """Of a patient."""
        return record_of(self.truth, int(name.split("-")[1]), self._plan.seed)

    def folded(self, model: Model, names: Sequence[str]) -> dict[str, Said]:
        """What twins under a model say of some patients, and foresaw of them."""
        kernel, found = compile_model(model), {}
        with threadpool_limits(1):
            for name in names:
                timeline = self.record(name).timeline
                sizes = step_sizes_for(kernel, timeline.delivered)
                found[name] = followed(kernel, name, timeline, self._plan.particles, sizes)
        return found

    def again(self, model: Model, names: Sequence[str]) -> Mapping[str, Message]:
        """The messages of some patients under a model."""
        return {name: message for name, (message, _) in self.folded(model, names).items()}

    def judged(self, said: Sequence[Message]) -> bool:
        """Whether a quarter's patients release what was learnt before; their messages are kept."""
        released = False
        if self.outcome is not None:
            draft = self.outcome.draft
            tally, unreached = judge_all(self.anchor, said, draft, self.current, (), self.again)
            released = verdict(tally, self._account, unreached).accepted
            self._account = [] if released else [*self._account, tally]
            self.current = draft if released else self.current
        self.messages |= {message.patient_id: message for message in said}
        return released

    def learn(self, name: str) -> None:
        """Learn a version from everybody so far."""
        known = tuple(self.messages.values())
        self.outcome = learn_all(self._published, self.anchor, known, name, fold_again=self.again)
        self.folded_again += sum(self.outcome.folded)
        self.messages = {message.patient_id: message for message in self.outcome.messages}
