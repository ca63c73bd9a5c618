"""Two years of a ward that learns, many times.

    python -m tests.streams.bench.learning.figures [WRONG [RIGHT [ML [SMALL [PARTICLES]]]]]

WRONG wards begin with a wrong population (`streams.bench.learning.ward.Truth`), RIGHT ones with the right one, where
nothing can be won and something be lost. Of every number that is learnt the bias after two years is told, over wards,
with its standard error: of the last version against the truth, and the same less by how far the patients who came, and
the errors of their measurements, happen to be from their population, which is no bias and mere noise to it. Of every
quarter the error of the next value is told against that under the published population, with a 95 % interval over
patients, paired, and in how many wards a learnt version was in use. Of ML wards more the bias of maximum likelihood
itself is told, to which what is learnt comes close in every ward. Of SMALL wards, right and slightly wrong ones, of 20
patients a quarter whose twins have 200 particles, it is told how many release a version within eight quarters, and how
many a worse one, as 100 patients who come later have it. Twins of the wards before have so many PARTICLES. Wards are
done side by side, one a core.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from streams.batch.process_pool import in_processes, prepare, worker_processes
from streams.bench.learning.ward import (
    AS_PUBLISHED,
    WARD,
    FirstRelease,
    Truth,
    WardPlan,
    WardReport,
    first_release,
    names_of,
    numbers_of,
    record_of,
    run_ward,
    true_population,
)
from twin.arrays import Floats
from twin.kernel.kernel import compile_model
from twin.learning.messages.structure import sizes_of
from twin.learning.population import anchor_of
from twin.modelfile.library import load_model
from twin.observation.residual import standardised
from twin.study.prediction import Predictor
from twin.trial.learning_ward import exact_population, true_effects

QUARTERS, QUARTERLY = 8, 38

SMALL, LATER = WardPlan(8, 20, 200), 100

OFF = (0.0, 0.3)
"""Published standard deviations by which both typical values of small wards are off."""

QUANTILE = 1.96


@dataclass(frozen=True)
class Bias:
    """Of one number over wards: bias and its standard error; ``own`` are those beyond what the patients happen to be;
    and the largest difference from maximum likelihood on the same records."""

    name: str
    start: float
    bias: float
    error: float
    own_bias: float
    own_error: float
    off_ml: float


@dataclass(frozen=True)
class Window:
    """One quarter over wards: by what share the error of the next value is less than under the published population,
    with limits of 95 %, and in how many wards a learnt version was in use."""

    patients: int
    better: float
    low: float
    high: float
    learnt: int


def happening(plan: WardPlan) -> Floats:
    """Log means and variances (2 d,) of who came, and log size (1,) of errors that were drawn, less the true ones."""
    published = load_model(WARD)
    truth = true_population(published, anchor_of(published, learn=sizes_of(published).names), plan.truth)
    kernel, eta, squares = compile_model(truth), [], []
    for number, name in enumerate(name for quarter in range(plan.quarters) for name in names_of(plan, quarter)):
        eta.append(true_effects(truth, name))
        timeline = record_of(truth, number, plan.seed).timeline
        shown = Predictor(kernel, name).predictions(eta[-1][None], timeline, timeline.observations)[:, 0]
        for observation, predicted in zip(timeline.observations, shown, strict=True):
            error = kernel.model.outputs[observation.output].error
            squares.append(float(standardised(error, observation.value, np.array([predicted]))[0]) ** 2)
    each = np.array(eta)
    spread = (each**2).mean(axis=0) - np.diag(truth.omega)
    return np.concatenate([each.mean(axis=0), spread, [0.5 * np.log(np.mean(squares))]])


def biases(reports: Sequence[WardReport]) -> list[Bias]:
    """Of every number, over wards of one truth."""
    came = np.array([happening(report.plan) for report in reports])
    found = []
    for at, first in enumerate(reports[0].numbers):
        each = [report.numbers[at] for report in reports]
        off = np.array([one.learnt - one.truth for one in each])
        own = off - came[:, at]
        (mean, error), (own_mean, own_error) = (_mean(values) for values in (off, own))
        off_ml = max(abs(one.likeliest - one.exact) for one in each)
        found.append(Bias(first.name, first.published - first.truth, mean, error, own_mean, own_error, off_ml))
    return found


def windows(reports: Sequence[WardReport]) -> list[Window]:
    """Every quarter, over wards."""
    found = []
    for quarters in zip(*(report.quarters for report in reports), strict=True):
        errors = np.concatenate([quarter.errors for quarter in quarters])
        learnt, published = errors[:, 0], errors[:, 1]
        ratio = learnt.mean() / published.mean()
        # The delta method, over pairs.
        error = (learnt - ratio * published).std(ddof=1) / np.sqrt(len(errors)) / published.mean()
        by = sum(quarter.version != WARD for quarter in quarters)
        better, width = 1.0 - float(ratio), QUANTILE * float(error)
        found.append(Window(len(errors), better, better - width, better + width, by))
    return found


def _mean(values: Floats) -> tuple[float, float]:
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(values.mean()), float(error)


def lines(name: str, reports: Sequence[WardReport]) -> list[str]:
    """What is told of wards of one truth."""
    folded = sum(report.folded for report in reports)
    found = [f"{name}: {len(reports)} wards of {reports[0].patients} patients, {folded} folded again"]
    found.append(f"{'':32}{'start':>9}{'bias':>9}{'SE':>8}{'own':>9}{'SE':>8}{'off ML':>9}")
    for one in biases(reports):
        numbers = f"{one.start:9.4f}{one.bias:9.4f}{one.error:8.4f}{one.own_bias:9.4f}{one.own_error:8.4f}"
        found.append(f"{one.name:32}{numbers}{one.off_ml:9.5f}")
    for number, window in enumerate(windows(reports), start=1):
        worst = min(1 - q.learnt / q.published for q in (report.quarters[number - 1] for report in reports))
        found.append(
            f"quarter {number}: {100 * window.better:6.2f} % less ({100 * window.low:.2f} to {100 * window.high:.2f}), "
            f"{window.patients} patients, {window.learnt} wards under a learnt version, worst ward {100 * worst:.2f} %"
        )
    return found


def wards(truth: Truth, count: int, plan: WardPlan) -> Iterator[WardReport]:
    """So many wards of one truth, each with a seed of its own, as they are finished."""
    plans = [replace(plan, seed=seed, truth=truth) for seed in range(1, count + 1)]
    model, processes = load_model(WARD), worker_processes(None, count)
    prepare([model], processes)
    with closing(in_processes(run_ward, [(model, each) for each in plans], processes)) as found:
        yield from found


def small_wards(off: float, count: int) -> Iterator[FirstRelease | None]:
    """What so many small wards release whose typical values are ``off``, as they are finished."""
    truth = Truth((off,), (1.0,), 1.0)
    plans = [replace(SMALL, seed=seed, truth=truth) for seed in range(1001, 1001 + count)]
    model, processes = load_model(WARD), worker_processes(None, count)
    prepare([model], processes)
    with closing(in_processes(first_release, [(model, each, LATER) for each in plans], processes)) as found:
        yield from found


def small_line(off: float, found: Sequence[FirstRelease | None]) -> str:
    """What became of small wards."""
    which = [one for one in found if one is not None]
    worse = [one for one in which if one.better_by < 0]
    each = ", ".join(f"{one.better_by:.3f} ({one.error:.3f})" for one in worse)
    return (
        f"off by {off:g} SD: {len(which)} of {len(found)} wards released a version, {len(worse)} a worse one"
        + (f", by {each}" if worse else "")
        + (f"; half of them after {np.median([one.after for one in which]):g} judgements" if which else "")
    )


def exact_numbers(plan: WardPlan) -> dict[str, tuple[float, float]]:
    """By how much maximum likelihood on a ward's records is off the truth, and the same less what who came makes."""
    published = load_model(WARD)
    anchor = anchor_of(published, learn=sizes_of(published).names)
    truth = true_population(published, anchor, plan.truth)
    records = [record_of(truth, number, plan.seed).timeline for number in range(plan.quarters * plan.quarterly)]
    found = numbers_of(anchor, exact_population(compile_model(published), anchor, records))
    wanted, came = numbers_of(anchor, anchor.theta_of(truth)), happening(plan)
    off = {name: found[name] - wanted[name] for name in found}
    return {name: (value, value - came[at]) for at, (name, value) in enumerate(off.items())}


def exact_lines(each: Sequence[dict[str, tuple[float, float]]]) -> list[str]:
    """The bias of maximum likelihood itself, over wards."""
    found = [f"maximum likelihood: {len(each)} wards", f"{'':32}{'bias':>9}{'SE':>8}{'own':>9}{'SE':>8}"]
    for name in each[0]:
        numbers = [_mean(np.array([one[name][at] for one in each])) for at in range(2)]
        found.append(f"{name:32}" + "".join(f"{mean:9.4f}{error:8.4f}" for mean, error in numbers))
    return found


def main(wrong: int = 8, right: int = 6, ml: int = 40, small: int = 40, particles: int = 333) -> None:
    """See the head of the module."""
    plan = WardPlan(QUARTERS, QUARTERLY, particles)
    for title, who, number in (("wrong", Truth(), wrong), ("right", AS_PUBLISHED, right)):
        done: list[WardReport] = []
        for one in wards(who, number, plan):
            done.append(one)
            print("\n".join(lines(title, done)), flush=True)  # after each, should one stop it
    exact: list[dict[str, tuple[float, float]]] = []
    for seed in range(1, 1 + ml):
        exact.append(exact_numbers(replace(plan, seed=seed)))
        print("\n".join(exact_lines(exact)), flush=True)
    for off in OFF if small else ():
        found: list[FirstRelease | None] = []
        for first in small_wards(off, small):
            found.append(first)
            print(small_line(off, found), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
