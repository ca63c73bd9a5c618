"""Dose advice: the dose whose exposure is most likely in its window while no toxicity is too likely.

    maximise P(exposure in window)   subject to   P(toxicity within its horizon) <= limit

over the doses that a protocol allows, under the whole posterior. Of a drug without a target the largest dose is chosen
that keeps the limits. A few doses are solved; between them exposures are interpolated particle by particle, linearly,
which is exact where kinetics are linear, and the worst of a toxicity in its logarithm. Whatever is chosen, or shown, is
solved itself; so is what is chosen after that, until the choice stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.dosing.decision import Decision, NoAdvice, decision
from twin.dosing.futures import Future, Upcoming, changed
from twin.dosing.outlook import Exposed, Odds, Outlook, median, odds, outlook
from twin.dosing.protocol import Protocol
from twin.model.spec import TargetSpec, ToxicitySpec
from twin.patient.accounts.component import Component
from twin.patient.accounts.thinned import affordable
from twin.patient.averaged import AveragedTwin
from twin.patient.twin import PatientTwin
from twin.wording import Said, amount, say, share

SHOWN = {"planned": 1.0, "-20 %": 0.8, "-10 %": 0.9, "+10 %": 1.1, "+20 %": 1.2}
"""Doses whose odds are always told, of the planned one."""

FINEST = 0.025
"""Step of the doses that are tried, of the planned one, where the protocol has none (assumed)."""

MOST_TRIED = 61

ROUNDS = 6
"""Most doses that are solved one after the other until the choice stands."""


@dataclass(frozen=True)
class ExposureOdds:
    """Where an exposure will be, once it is complete."""

    target: TargetSpec
    within: Odds
    below: Odds
    above: Odds
    median: float


@dataclass(frozen=True)
class ToxicityOdds:
    """How likely a toxicity is within its horizon, and the most that it may be (``None``: not limited)."""

    toxicity: ToxicitySpec
    reached: Odds
    limit: float | None
    median: float

    @property
    def kept(self) -> bool:
        """Whether the limit is."""
        return self.limit is None or self.reached.p <= self.limit


@dataclass(frozen=True)
class Alternative:
    """One way on with its odds.

    Attributes:
        name: what it is called.
        factor: its amount, of the planned one.
        delay: ms later than planned.
        doses: to come of the course, with those that stay as planned.
        allowed: the protocol lets it be given.
        exposures, toxicities: its odds.
    """

    name: str
    factor: float
    delay: int
    doses: tuple[Upcoming, ...]
    allowed: bool
    exposures: tuple[ExposureOdds, ...]
    toxicities: tuple[ToxicityOdds, ...]

    @property
    def amount(self) -> float:
        """mg of all its doses."""
        return sum(up.step.amount for up in self.doses)


@dataclass(frozen=True)
class Advice:
    """What is advised, beside the odds of the alternatives.

    Attributes:
        millis: when it was worked out.
        alternatives: the planned dose first, those of `SHOWN`, and what is advised last.
        reason: why, in a sentence or two.
        ess: effective number of particles behind every probability.
    """

    patient_id: str
    millis: int
    model: str
    protocol: Protocol
    decision: Decision
    alternatives: tuple[Alternative, ...]
    reason: Said
    ess: float

    @property
    def planned(self) -> Alternative:
        """The dose as planned."""
        return self.alternatives[0]

    @property
    def advised(self) -> Alternative:
        """The dose that is advised."""
        return self.alternatives[-1]


def advise(twin: PatientTwin | AveragedTwin, now: int | None, protocol: Protocol) -> Advice:
    """What to give next, or at which rate now; the twin stays as it is.

    Args:
        twin: that has observed the patient.
        now: ms, not before its newest event, which it is by default.
        protocol: from `twin.dosing.protocol`.

    Raises:
        ProtocolError: the protocol does not fit the model.
        NoAdvice: nothing runs, is planned or is usual.
        ValueError: ``now`` lies before what was observed.
    """
    return advise_on(twin.components(now), protocol)


def advise_on(components: Sequence[Component], protocol: Protocol) -> Advice:
    """The same for a belief that is a mixture of ``components``."""
    components = affordable(components)
    first, now = components[0].trunk, components[0].millis
    protocol.checked(first.kernel.model)
    decided, planned = decision(components, now, protocol)
    search = _Search(components, planned, now, decided, protocol)
    search.judge_limits()
    chosen, reason = search.best()
    shown = [search.alternative(name, search.ratios(factor), 0) for name, factor in SHOWN.items()]
    advised = search.alternative("advised", *chosen)
    weight = search.outlook(search.ratios(1.0), 0).weight
    return Advice(
        first.patient_id,
        now,
        first.kernel.model.id,
        protocol,
        decided,
        (*shown, advised),
        reason,
        float(1.0 / (weight**2).sum()),
    )


Choice = tuple[tuple[float, ...], int]
"""What each dose is multiplied by, and the delay (ms)."""


class _Search:
    """The doses that were solved, and the choice among those that are allowed."""

    def __init__(
        self,
        components: Sequence[Component],
        planned: Sequence[Future],
        now: int,
        decided: Decision,
        protocol: Protocol,
    ) -> None:
        self._components, self._planned, self._now = components, planned, now
        self._decided, self._protocol = decided, protocol
        self._model = components[0].trunk.kernel.model
        self._target = protocol.target_of(self._model)
        self._solved: dict[Choice, Outlook] = {}

    def ratios(self, factor: float) -> tuple[float, ...]:
        return self._decided.rounded(factor, self._protocol)

    def total(self, ratios: Sequence[float]) -> float:
        """mg of all that is moved, of what is planned."""
        pairs = zip(self._decided.doses, ratios, strict=True)
        return sum(up.step.amount * ratio for up, ratio in pairs) / self._decided.amount

    def outlook(self, ratios: tuple[float, ...], delay: int) -> Outlook:
        """What doses bring, solved once."""
        choice = ratios, delay
        if choice not in self._solved:
            decided, now = self._decided, self._now
            change = decided.change(ratios, delay)
            parts = [
                (component, changed(component, now, planned, [change]), planned)
                for component, planned in zip(self._components, self._planned, strict=True)
            ]
            begins = now if decided.begun else decided.begins + delay
            self._solved[choice] = outlook(parts, decided.drug, begins, begun=decided.begun)
        return self._solved[choice]

    def judge_limits(self) -> None:
        """Whether every limit can be judged.

        Raises:
            NoAdvice: rival models do not state the toxicity alike.
        """
        known = self.outlook(self.ratios(1.0), 0).toxicities
        for name in self._protocol.limits:
            if name not in known:
                raise NoAdvice(
                    f"limits.{name}: the rival models do not state it alike; leave it out, or ask each alone"
                )

    def alternative(self, name: str, ratios: tuple[float, ...], delay: int) -> Alternative:
        """A dose with its odds."""
        seen, decided, protocol = self.outlook(ratios, delay), self._decided, self._protocol
        by_dose = dict(zip(decided.doses, ratios, strict=True))
        doses = tuple(up.scaled(by_dose.get(up, 1.0)) for up in decided.course)
        if delay:
            doses = tuple(up if up.running else up.delayed(delay) for up in doses)
        return Alternative(
            name,
            self.total(ratios),
            delay,
            doses,
            decided.allowed(ratios, protocol) and (not delay or delay in protocol.delays),
            tuple(_exposure_odds(one, seen.weight) for one in seen.exposures.values()),
            tuple(
                ToxicityOdds(
                    one.toxicity,
                    odds(one.reached, seen.weight),
                    protocol.limits.get(one.toxicity.name),
                    median(one.worst, seen.weight),
                )
                for one in seen.toxicities.values()
            ),
        )

    def best(self) -> tuple[Choice, Said]:
        """The choice, and why."""
        tried = self._tried()
        if not tried:
            largest = self._decided.largest.step.amount
            raise NoAdvice(
                say(
                    "dose.none_allowed",
                    "{drug}: no dose is allowed by protocol '{protocol}', not the planned {planned} either; compare "
                    "its caps and steps with the plan",
                    drug=self._decided.drug,
                    protocol=self._protocol.id,
                    planned=amount(f"{largest:.4g}", "mg"),
                )
            )
        delays = (0, *(() if self._decided.begun else sorted(self._protocol.delays)))
        for delay in delays:
            chosen = self._best_at(tried, delay)
            if chosen is not None:
                return (chosen, delay), self._reason(delay)
        stopped = tuple(0.0 for _ in self._decided.doses)
        least, limits = min(tried, key=self.total), self._limits()
        if self._keeps(self.outlook(stopped, 0)):
            if self._decided.begun:
                return (stopped, 0), say("dose.stop", "No allowed dose keeps {limits}; to stop it does.", limits=limits)
            return (stopped, 0), say(
                "dose.leave_out", "No allowed dose keeps {limits}; to leave it out does.", limits=limits
            )
        return (least, 0), say(
            "dose.smallest",
            "No allowed dose keeps {limits}, nor does none at all: what was given decides. This is the smallest one "
            "that is allowed.",
            limits=limits,
        )

    def _tried(self) -> list[tuple[float, ...]]:
        """Doses that are allowed, the smallest first."""
        protocol, largest = self._protocol, self._decided.largest
        step = FINEST
        if largest.running and largest.rate is not None and protocol.rate_step is not None:
            step = protocol.rate_step / largest.rate
        elif not largest.running and protocol.step is not None:
            step = protocol.step / largest.step.amount
        lowest, highest = protocol.lowest, protocol.highest_of(self._decided.aims)
        first, last = int(np.ceil(lowest / step - 1e-9)), int(np.floor(highest / step + 1e-9))
        every = max(1, -(-(last - first + 1) // MOST_TRIED))
        found = {self.ratios(k * step) for k in range(first, last + 1, every)} | {self.ratios(1.0)}
        usable = [ratios for ratios in found if self._decided.allowed(ratios, protocol)]
        return sorted(usable, key=self.total)

    def _best_at(self, tried: Sequence[tuple[float, ...]], delay: int) -> tuple[float, ...] | None:
        """The best of the doses at a delay; ``None`` where none keeps the limits."""
        nodes = [tried[0], tried[-1]]
        nodes += [self.ratios(factor) for factor in SHOWN.values()] if not delay else [self.ratios(1.0)]
        for ratios in nodes:
            self.outlook(ratios, delay)
        chosen: tuple[float, ...] | None = None
        for _ in range(ROUNDS):
            chosen = self._choose(tried, delay)
            if chosen is None or (chosen, delay) in self._solved:
                return chosen
            self.outlook(chosen, delay)
        known = [ratios for ratios in tried if (ratios, delay) in self._solved]
        return self._choose(known, delay)

    def _choose(self, tried: Sequence[tuple[float, ...]], delay: int) -> tuple[float, ...] | None:
        nodes = {self.total(ratios): one for (ratios, at), one in self._solved.items() if at == delay}
        weight = next(iter(nodes.values())).weight
        kept = list(tried)
        for toxicity in self._protocol.toxicities_of(self._model):
            limit = self._protocol.limits[toxicity.name]
            severity = _between(nodes, lambda one, name=toxicity.name: one.toxicities[name].severity)  # type: ignore[misc]
            kept = [one for one in kept if odds(severity(self.total(one)) > 0.0, weight).p <= limit]
        if not kept:
            return None
        target = self._target
        if target is None or any(target.name not in one.exposures for one in nodes.values()):
            return kept[-1]
        within = _between(nodes, lambda one: one.exposures[target.name].value)
        inside = np.array([Exposed(target, within(self.total(one)), 0).smoothed(weight) for one in kept])
        share = inside @ weight
        apart = inside[np.argmax(share)] - inside
        lost = apart @ weight
        # What cannot be told from the best by these particles is as good: the nearest to the plan of those.
        close = np.flatnonzero(lost <= 0.5 * np.sqrt((apart - lost[:, None]) ** 2 @ weight**2)).tolist()
        return kept[min(close, key=lambda i: abs(self.total(kept[i]) - 1.0))]

    def _keeps(self, seen: Outlook) -> bool:
        return all(
            odds(seen.toxicities[one.name].reached, seen.weight).p <= self._protocol.limits[one.name]
            for one in self._protocol.toxicities_of(self._model)
        )

    def _limits(self) -> str:
        said: str = ""
        for one in self._protocol.toxicities_of(self._model):
            p = share(self._protocol.limits[one.name])
            limit = say("dose.limit", "P({toxicity}) within {p}", toxicity=one.name, p=p)
            said = say("dose.and", "{one} and {other}", one=said, other=limit) if said else limit
        return said

    def _reason(self, delay: int) -> Said:
        limits = self._limits()
        keeps: str = say("dose.keeps", " that keeps {limits}", limits=limits) if limits else ""
        later: str = say("dose.later", ", later than planned because no dose at its time does") if delay else ""
        if self._target is None:
            return say("dose.largest", "The largest allowed dose{keeps}{later}.", keeps=keeps, later=later)
        return say(
            "dose.window",
            "The dose most likely to bring {target} into its window, of those allowed{keeps}{later}.",
            target=self._target.name,
            keeps=keeps,
            later=later,
        )


def _between(nodes: Mapping[float, Outlook], value: Callable[[Outlook], Floats]) -> Callable[[float], Floats]:
    """Values (N,) between solved doses, linearly, particle by particle."""
    at = np.array(sorted(nodes))
    table: Floats = np.array([value(nodes[x]) for x in at.tolist()])

    def interpolated(factor: float) -> Floats:
        i = int(np.clip(np.searchsorted(at, factor), 1, len(at) - 1)) if len(at) > 1 else 0
        if len(at) == 1 or factor == at[i]:
            return np.asarray(table[i])
        share = (factor - at[i - 1]) / (at[i] - at[i - 1])
        return np.asarray((1.0 - share) * table[i - 1] + share * table[i])

    return interpolated


def _exposure_odds(one: Exposed, weight: Floats) -> ExposureOdds:
    return ExposureOdds(
        one.target, odds(one.within(), weight), odds(one.below(), weight), odds(one.above(), weight),
        median(one.value, weight),
    )  # fmt: skip
