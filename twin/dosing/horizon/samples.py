"""What the samples before the later doses might show, and how each would weigh the belief if it came.

Of `SCENARIOS` particles, drawn evenly by weight, each shows what might be measured of it; that weighs all particles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twin.arrays import Floats
from twin.clock import HOUR_MS
from twin.dosing.decision import Decision
from twin.dosing.futures import Change, Future, changed
from twin.dosing.outlook import along
from twin.dosing.protocol import Protocol
from twin.model.spec import Model
from twin.observation.kinds import kind_of
from twin.observation.likelihood import log_likelihood, spread_out
from twin.observation.observation import Observation
from twin.patient.accounts.component import Component
from twin.randomness import generator

SCENARIOS = 64

POINTS = 16
"""Values that a particle might show, of which each scenario takes one."""

BEFORE_MS = HOUR_MS
"""How long before the next course counts are taken, where toxicities are of counts (assumed: on its day)."""

PURPOSE = "plan ahead"
"""Of the random numbers."""


class Sample(NamedTuple):
    """When (ms) which output, by its number, is measured."""

    millis: int
    output: int


class Shown(NamedTuple):
    """A sample, and what it shows in each scenario (J,)."""

    sample: Sample
    values: Floats


def scenarios(patient_id: str, now: int) -> Floats:
    """Places (J,) in the cumulated weights of the particles that show the samples."""
    rng = generator(patient_id, PURPOSE, now)
    return np.asarray((np.arange(SCENARIOS) + rng.random()) / SCENARIOS)


def samples_to_come(model: Model, protocol: Protocol, decided: Decision, now: int, until: int) -> list[Sample]:
    """What will be measured between ``now`` and ``until`` (ms), when the later doses begin."""
    adverse = {t.output for t in model.toxicities if t.name in protocol.limits}
    found = []
    for number, output in enumerate(model.outputs):
        kind = kind_of(output)
        if kind.discrete or not kind.sampled or kind.awaited:
            continue
        times = [until - BEFORE_MS] if output.name in adverse else [decided.since + at for at in protocol.samples]
        found += [Sample(at, number) for at in times if now < at < until]
    return sorted(found)


def weighed_by(
    samples: Sequence[Sample],
    components: Sequence[Component],
    planned: Sequence[Future],
    change: Change,
    now: int,
    places: Floats,
) -> tuple[Floats, list[Shown]]:
    """Weights (J, M) of the particles by scenario after the samples, and what these show, with a dose ``change``d."""
    weight = np.concatenate([c.share * c.position.belief.weight for c in components])
    drawn = np.minimum(np.searchsorted(np.cumsum(weight), places), len(weight) - 1)
    logs = np.tile(np.log(np.maximum(weight, 1e-300)), (len(drawn), 1))
    shown: list[Shown] = []
    if not samples:
        return np.tile(weight, (len(drawn), 1)), shown
    marks = np.unique(np.array([sample.millis for sample in samples], dtype=np.int64))
    outs = [along(c, changed(c, now, p, [change]), p, marks) for c, p in zip(components, planned, strict=True)]
    patient_id, kernel = components[0].trunk.patient_id, components[0].trunk.kernel
    for at, number in samples:
        output, mark = kernel.model.outputs[number], int(np.searchsorted(marks, at))
        rows = np.concatenate([kernel.read(out[mark], number) for out in outs], axis=-1)
        rng = generator(patient_id, PURPOSE, at, output.name)
        might = spread_out(output, Observation(at, "plan", number, 0.0), rows[:, drawn], POINTS)
        values = might[np.arange(len(drawn)), rng.integers(POINTS, size=len(drawn))]
        for j, value in enumerate(values.tolist()):
            logs[j] += log_likelihood(output, Observation(at, "plan", number, value), rows)
        shown.append(Shown(Sample(at, number), values))
    after = np.exp(logs - logs.max(axis=1, keepdims=True))
    return after / after.sum(axis=1, keepdims=True), shown
