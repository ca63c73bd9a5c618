"""Patients whose pressure is read by a cuff: windows with one, two, four and twelve readings.

python -m tests.twin.population.laws.cuffs 24

prints, over as many simulated sets of 40 patients, how fits by `laplace` find what readings scatter by: of medians that
have the law which the model says, and of readings that share half of a normal error, whose medians nearly have it.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from tests import factories
from tests.twin import toys
from twin.arrays import Floats
from twin.events import InputEvent, Quantity
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.population.cohort import Cohort
from twin.population.laplace.methods import objective_of
from twin.population.results.uncertainty import uncertainty
from twin.population.search import State, bounds, search
from twin.population.theta import Theta
from twin.solver.step_control import step_sizes_for
from twin.study.records import record_of
from twin.timeline.timeline import Timeline, build

COUNTS = (1, 2, 4, 12) * 3
"""Readings of each window of an hour."""

TIMES = np.arange(len(COUNTS), dtype=np.float64)
"""Hours of their means, from the first on."""

BASE, DRIFT, SPREAD, SD, INDEPENDENT, DF = 120.0, 0.8, 8.0, 6.0, 2.5, 5.0
"""The truth: pressure at first, what it rises by in an hour, SD among patients, SD of one reading, and of windows."""

BEGUN = {"vital.pressure.independent": 1.5, "vital.pressure.df": 12.0}
"""Where fits begin."""


class Cuffs(NamedTuple):
    """Patients with the medians of their windows (N, 12)."""

    cohort: Cohort
    medians: Floats


def model() -> Model:
    """A pressure that drifts, normal at first, whose readings observe it."""
    made = toys.made(
        {"base": f"{BASE} mm[Hg] {SPREAD**2}", "drift": f"{DRIFT} mm[Hg]/h"},
        {"P": "mm[Hg]: base -> drift"},
        {"pressure": "mm[Hg]: P"},
    )
    text = made.text.replace(f"iiv = {SPREAD**2}\n", f'iiv = {SPREAD**2}\ndistribution = "normal"\n')
    vital = f'vital = {{ channel = "systolic_bp", independent = {INDEPENDENT}, df = {DF}, assumed = "a test" }}'
    begin, end = text.index("error = {"), text.index("\n", text.index("error = {"))
    error = text[begin:end].replace("proportional = 0.2", f"additive = {SD}")
    return parse_model(f"{text[:begin]}{error}\n{vital}{text[end:]}", "cuffs.toml")


def factor(independent: float) -> Floats:
    """(12,) how far a median of each window scatters, in units of one reading."""
    n = np.array(COUNTS)
    return np.sqrt(1.0 / independent + (1.0 - 1.0 / independent) * np.pi / (2 * n + np.pi - 2))


def drawn(seed: int, patients: int = 40, *, readings: bool = False) -> Cuffs:
    """Medians by the law that the model says, of which all readings of a window are one; or ``readings`` that share
    what `INDEPENDENT` says of a normal error, and their medians."""
    rng, of = np.random.default_rng(seed), model()
    kernel, timelines, medians = compile_model(of), dict[str, Timeline](), []
    share = 1.0 / INDEPENDENT
    for i in range(1, patients + 1):
        f = BASE + SPREAD * rng.standard_normal() + DRIFT * TIMES
        shown = []
        for n, at, k in zip(COUNTS, f, factor(INDEPENDENT), strict=True):
            if readings:
                z = np.sqrt(share) * rng.standard_normal() + np.sqrt(1.0 - share) * rng.standard_normal(n)
            else:
                z = np.repeat(k * rng.standard_t(DF), n)
            shown.append(at + SD * z)
        medians.append([float(np.median(one)) for one in shown])
        events = [_reading(f"P-{i}", hour + (j + 0.5) / len(one), y) for hour, one in enumerate(shown)
                  for j, y in enumerate(one.tolist())]  # fmt: skip
        events.append(_reading(f"P-{i}", len(COUNTS) + 0.5, 120.0))  # of a window that is never closed
        timeline = build(record_of(events, of)[0], kernel)
        assert timeline is not None
        assert len(timeline.observations) == len(COUNTS)
        timelines[f"P-{i}"] = timeline
    return Cuffs(Cohort(kernel, step_sizes_for(kernel), timelines, Theta.of(of)), np.array(medians))


def _reading(patient: str, hours: float, value: float) -> InputEvent:
    when = factories.START.replace(minute=0, second=0, microsecond=0) + timedelta(hours=hours)
    sample = factories.vital(patient, when, channel="systolic_bp")
    return sample.model_copy(update={"value": Quantity(value=value, unit="mm[Hg]")})


def begun(of: Cuffs) -> Floats:
    """The vector (K,) that a fit begins with: the truth, but for what readings scatter by."""
    theta: Theta = of.cohort.theta
    return theta.pack(theta.population(BEGUN))


def main(sets: int) -> None:
    """Print a line for each number."""
    for readings in (False, True):
        begin, each = time.process_time(), []
        for seed in range(sets):
            of = drawn(seed, readings=readings)
            objective, theta = objective_of(of.cohort, "laplace"), of.cohort.theta
            state, here = search(objective, State(begun(of)), lambda *_: None, bounds(theta))
            errors = uncertainty(objective, theta, here).errors("R")
            nothing = np.full(theta.size, np.nan)
            each.append((theta.natural(here.vector), nothing if errors is None else errors, state.why == "converged"))
        truth = theta.natural(theta.pack(theta.start))
        estimates, errors = (np.array([one[n] for one in each]) for n in (0, 1))
        held, spent = np.abs(estimates - truth) < 1.96 * errors, (time.process_time() - begin) / sets
        said = "readings that share a normal error" if readings else "medians as the model says"
        print(f"{said}: {sum(one[2] for one in each)} of {sets} converged, {spent:.2f} s of processor time each")
        for k, name in enumerate(theta.names):
            print(
                f"  {name}: truth {truth[k]:.4g}, mean {estimates[:, k].mean():.4g}, median"
                f" {np.median(estimates[:, k]):.4g}, SD {estimates[:, k].std(ddof=1):.3g}, mean SE"
                f" {np.nanmean(errors[:, k]):.3g}, held {100 * held[:, k].mean():.0f} %",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]))
