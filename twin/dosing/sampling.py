"""When the next sample says most about what a dose is chosen for.

    gain(t) = H(Z) - E_y H(Z | y_t),        kept(t) = sqrt(E_y Var(log Z | y_t) / Var(log Z))

Z is the exposure once it is complete, as planned, or a toxicity's worst value where the drug has no target; its entropy
is that of `CLASSES` classes that are about equally likely. The expectations are over values y that might be measured at
t, one from each of `DRAWS` particles drawn evenly by weight: each weighs all particles as it would if it came
(Ryan et al. 2016, Int Stat Rev 84:128). Chance is keyed by patient and time, so that the same twin says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.clock import DAY_MS, MINUTE_MS
from twin.dosing.decision import Decision, NoAdvice, decision
from twin.dosing.futures import Future
from twin.dosing.outlook import Outlook, along, outlook
from twin.dosing.protocol import Protocol
from twin.filter.quantiles import quantiles
from twin.model.spec import OutputSpec
from twin.observation.kinds import kind_of
from twin.observation.likelihood import log_likelihood, spread_out
from twin.observation.observation import Observation
from twin.patient.accounts.component import Component
from twin.patient.accounts.thinned import affordable
from twin.patient.averaged import AveragedTwin
from twin.patient.twin import PatientTwin
from twin.randomness import generator

CLASSES = 10
DRAWS = 128
TIMES = 24
"""Moments at which a sample is tried."""

POINTS = 16
"""Values that a particle might show, of which each draw takes one."""

LEAST = 0.02
"""Of its highest median, what a level must be expected to be: assays see no less (assumed)."""

EVEN_MS = 15 * MINUTE_MS
"""Samples are drawn at whole quarters of an hour (assumed)."""


@dataclass(frozen=True)
class SampleTime:
    """A sample that might be drawn.

    Attributes:
        output, millis: what of, and when.
        gain: bits that it is expected to tell of what the dose is chosen for, and ``gain_se`` their Monte-Carlo error.
        kept: the part of its standard deviation, in the logarithm, that is expected to be left.
        protocol: the protocol draws it.
    """

    output: str
    millis: int
    gain: float
    gain_se: float
    kept: float
    protocol: bool = False


@dataclass(frozen=True)
class NextSample:
    """The best sample, all that were tried, and those of the protocol, in order of time."""

    of: str
    best: SampleTime
    tried: tuple[SampleTime, ...]
    by_protocol: tuple[SampleTime, ...]


def next_sample(twin: PatientTwin | AveragedTwin, now: int | None, protocol: Protocol) -> NextSample | None:
    """The sample that is expected to tell most about the exposure of the course, or about the worst of a toxicity.

    Args:
        twin: that has observed the patient; it stays as it is.
        now: ms, not before its newest event, which it is by default.
        protocol: between when samples can be drawn, and when they usually are.

    Returns:
        ``None`` where no output can be sampled in time, or nothing is uncertain.

    Raises:
        ProtocolError, NoAdvice, ValueError: as `twin.dosing.advice.advise`; rival models are refused.
    """
    return next_sample_on(twin.components(now), protocol)


def next_sample_on(components: Sequence[Component], protocol: Protocol) -> NextSample | None:
    """The same for a belief that is a mixture of ``components``."""
    model = components[0].trunk.kernel.model
    if any(component.trunk.kernel.model.hash != model.hash for component in components):
        raise NoAdvice("the next sample is worked out by one model; of rival ones ask each alone")
    protocol.checked(model)
    components = affordable(components)
    decided, planned = decision(components, components[0].millis, protocol)
    begins = components[0].millis if decided.begun else decided.begins
    parts = [(component, plan, plan) for component, plan in zip(components, planned, strict=True)]
    asked = _asked(outlook(parts, decided.drug, begins, begun=decided.begun), protocol, components)
    if asked is None or not np.ptp(asked[1]) > 0.0:
        return None
    of, value, weight = asked
    usual, times = _times(components[0].millis, decided, protocol)
    if not len(times):
        return None
    found: list[SampleTime] = []
    for number, output in enumerate(model.outputs):
        kind = kind_of(output)
        if kind.discrete or not kind.sampled or kind.awaited:
            continue
        rows = _rows(components, planned, times, number)
        middle = np.array([float(quantiles(row[0], weight)[2]) for row in rows])
        seen = [i for i, level in enumerate(middle.tolist()) if level >= LEAST * middle.max()]
        rows, at_times = [rows[i] for i in seen], times[seen].tolist()
        told = [_told(output, number, at, rows[i], value, weight, components[0]) for i, at in enumerate(at_times)]
        found += [
            SampleTime(output.name, at, *one, protocol=at in usual) for at, one in zip(at_times, told, strict=True)
        ]
    if not found:
        return None
    return NextSample(
        of, max(found, key=lambda one: one.gain), tuple(found), tuple(one for one in found if one.protocol)
    )


def _asked(seen: Outlook, protocol: Protocol, components: Sequence[Component]) -> tuple[str, Floats, Floats] | None:
    """What the dose is chosen for: its name, and of all particles its value and weights (N,)."""
    target = protocol.target_of(components[0].trunk.kernel.model)
    if target is not None:
        exposed = seen.exposures.get(target.name)
        return None if exposed is None else (target.name, exposed.value, seen.weight)
    for name in protocol.limits:
        if name in seen.toxicities:
            return name, seen.toxicities[name].worst, seen.weight
    return None


def _times(now: int, decided: Decision, protocol: Protocol) -> tuple[set[int], NDArray[np.int64]]:
    """The protocol's times, and all times (ms) at which a sample is tried."""
    begin, end = decided.since, max(up.step.end_ms for up in decided.course)
    first = max(now, begin + (protocol.earliest or 0))
    last = max(end, begin + DAY_MS) if protocol.latest is None else begin + protocol.latest
    usual = {begin + after for after in protocol.samples if begin + after > now}
    if last <= first:
        return usual, np.array(sorted(usual), dtype=np.int64)
    spaced = np.linspace(first, last, TIMES)
    even = (np.ceil(spaced / EVEN_MS) * EVEN_MS).astype(np.int64)
    even = even[(even > now) & (even <= last)]
    return usual, np.union1d(even, np.array(sorted(usual), dtype=np.int64))


def _rows(
    components: Sequence[Component], planned: Sequence[Future], times: NDArray[np.int64], number: int
) -> list[Floats]:
    """What the likelihood of an output reads (R, N) at each time, of the particles of all components."""
    each = [along(component, plan, plan, times) for component, plan in zip(components, planned, strict=True)]
    return [
        np.concatenate([c.trunk.kernel.read(out[i], number) for c, out in zip(components, each, strict=True)], axis=-1)
        for i in range(len(times))
    ]


def _told(
    output: OutputSpec, number: int, at: int, rows: Floats, value: Floats, weight: Floats, component: Component
) -> tuple[float, float, float]:
    """Gain (bits) with its error, and the part of the standard deviation that is left, of a sample at ``at``."""
    rng = generator(component.trunk.patient_id, "next sample", at, output.name)
    places = (np.arange(DRAWS) + rng.random()) / DRAWS
    drawn = np.minimum(np.searchsorted(np.cumsum(weight), places), len(weight) - 1)
    might = spread_out(output, Observation(at, "sample", number, 0.0), rows[:, drawn], POINTS)
    values = might[np.arange(DRAWS), rng.integers(POINTS, size=DRAWS)]
    order = np.argsort(value, kind="stable")
    share = np.cumsum(weight[order])
    classes = np.empty(len(value), dtype=np.int64)
    classes[order] = np.minimum((share * CLASSES).astype(np.int64), CLASSES - 1)
    logs = np.log(np.maximum(value, 1e-300))
    before, spread = _entropy(classes, weight), _variance(logs, weight)
    left, variance = np.empty(DRAWS), np.empty(DRAWS)
    for i, measured in enumerate(values.tolist()):
        seen = log_likelihood(output, Observation(at, "sample", number, measured), rows)
        after = weight * np.exp(seen - seen.max())
        after /= after.sum()
        left[i], variance[i] = _entropy(classes, after), _variance(logs, after)
    gain = before - left
    kept = float(np.sqrt(variance.mean() / spread)) if spread > 0.0 else 1.0
    return float(gain.mean()), float(gain.std(ddof=1) / np.sqrt(DRAWS)), kept


def _entropy(classes: NDArray[np.int64], weight: Floats) -> float:
    share = np.bincount(classes, weight, minlength=CLASSES)
    share = share[share > 0.0]
    return float(-(share * np.log2(share)).sum())


def _variance(values: Floats, weight: Floats) -> float:
    mean = float((weight * values).sum())
    return float((weight * (values - mean) ** 2).sum())
