"""Model predictive control: the dose now, with later ones chosen by the belief as it will be after the next samples.

    max_a  E_y [ max_b  sum_c P(exposure of course c in window | a, b, y) ]   subject to   P(toxicity) <= limit

a is the dose now, b what all later ones are multiplied by, y the samples in between: a program with one stage of
recourse, solved anew at every dose (multi-stage predictive control with a robust horizon of one: Lucia, Finkler and
Engell 2013, J Process Control 23:1306; that a belief may be revised before the next decision is what tells it from
open-loop feedback, Bar-Shalom and Tse 1974, IEEE Trans Autom Control 19:494); y is drawn in
`twin.dosing.horizon.samples`. Of each toxicity the limit is kept for the dose now by the belief of today, for later
ones by that of then. Of a drug without a target the utility is the dose itself.

`THINNED` particles and `LEVELS` doses a stage: some 50 solutions for each course ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin.arrays import Floats
from twin.dosing.decision import TOGETHER_MS, Decision, NoAdvice, decision
from twin.dosing.futures import Future, Upcoming, changed
from twin.dosing.horizon.samples import samples_to_come, scenarios, weighed_by
from twin.dosing.outlook import Odds, Outlook, outlook
from twin.dosing.protocol import Protocol
from twin.patient.accounts.component import Component
from twin.patient.accounts.thinned import thinned
from twin.patient.averaged import AveragedTwin
from twin.patient.twin import PatientTwin

COURSES = 4
"""Most courses that are looked at."""

LEVELS = 7
THINNED = 256


@dataclass(frozen=True)
class CourseAhead:
    """A course, or a dose of one, that is to come.

    Attributes:
        begins: ms.
        planned: mg.
        factor: of the plan: 5, 50 and 95 % of what will be chosen; the same number thrice of what is firm.
        within: of the drug's target; ``None`` where it has none, or it is complete only with a later dose.
        toxicities: by name, of those that are limited.
    """

    begins: int
    planned: float
    factor: tuple[float, float, float]
    within: Odds | None
    toxicities: dict[str, Odds]


class ByThen(NamedTuple):
    """A later dose told by one sample: of the plan ``above`` a value of an output, and else ``below``."""

    output: str
    unit: str
    millis: int
    value: float
    above: float
    below: float


@dataclass(frozen=True)
class Horizon:
    """A plan over the courses that are left.

    Attributes:
        courses: in order of time; the first one is firm. Where no allowed dose keeps the limits it is left out, and
            where that does not either it is the smallest one that is allowed.
        doses: those that are firm.
        begun: the course that they belong to is being given already.
        by_then: by what the later doses will be told.
        worth: how much utility (courses in window, or doses) it is worth that later doses wait for the samples, over
            the best doses that would be fixed today. Below 0 where waiting mainly keeps limits: then they are kept by
            what is known of this patient, and not on average over all that are like him today.
        kept: every limit is, as far as it can be seen now.
    """

    patient_id: str
    millis: int
    drug: str
    courses: tuple[CourseAhead, ...]
    doses: tuple[Upcoming, ...]
    begun: bool
    by_then: ByThen | None
    worth: float
    kept: bool

    @property
    def first(self) -> float:
        """What the next dose is multiplied by."""
        return self.courses[0].factor[1]


def plan_ahead(
    twin: PatientTwin | AveragedTwin, now: int | None, protocol: Protocol, courses: int = COURSES
) -> Horizon:
    """The dose now and what those after it will probably be; the twin stays as it is.

    Args:
        twin: that has observed the patient.
        now: ms, not before its newest event, which it is by default.
        courses: most that are looked at.

    Raises:
        ProtocolError, NoAdvice, ValueError: as `twin.dosing.advice.advise`; rival models are refused, and a plan of
            one dose alone.
    """
    return plan_on(twin.components(now), protocol, courses)


def plan_on(components: Sequence[Component], protocol: Protocol, courses: int = COURSES) -> Horizon:
    """The same for a belief that is a mixture of ``components``."""
    model = components[0].trunk.kernel.model
    if any(component.trunk.kernel.model.hash != model.hash for component in components):
        raise NoAdvice("a plan over several courses is worked out by one model; of rival ones ask each alone")
    protocol.checked(model)
    fewer = thinned(components, THINNED)
    decided, planned = decision(fewer, fewer[0].millis, protocol)
    return _Plan(fewer, planned, decided, protocol, max(2, courses)).made()


class _Seen(NamedTuple):
    """By course judged: which particles (M,) are in the window, and have each limited toxicity."""

    inside: tuple[NDArray[np.bool_] | None, ...]
    reached: tuple[dict[str, NDArray[np.bool_]], ...]
    weight: Floats


Level = tuple[float, ...]
"""What each dose of a stage is multiplied by."""


class _Plan:
    def __init__(
        self,
        components: Sequence[Component],
        planned: Sequence[Future],
        decided: Decision,
        protocol: Protocol,
        courses: int,
    ) -> None:
        self._components, self._planned, self._protocol = components, planned, protocol
        self._decided, self._now = decided, components[0].millis
        self._model = components[0].trunk.kernel.model
        self._target = protocol.target_of(self._model)
        later = _later_courses(planned[0].to_come[decided.drug], decided, courses - 1)
        if later:
            self._stages = (decided.doses, tuple(up for course in later for up in course))
            self._courses = (decided.doses, *later)
            begins = self._now if decided.begun else decided.begins
            self._judged = ((begins, decided.begun), *((course[0].step.start_ms, False) for course in later))
        elif len(decided.doses) > (together := _together(decided.doses)):
            self._stages = (decided.doses[:together], decided.doses[together:])
            self._courses = self._stages
            self._judged = ((self._now if decided.begun else decided.begins, decided.begun),)
        else:
            raise NoAdvice(
                f"{decided.drug}: one dose alone is planned; a plan ahead is of several, ask for advice on it"
            )
        self._solved: dict[tuple[Level, Level], _Seen] = {}

    def made(self) -> Horizon:
        """The plan."""
        first, later = (self._levels(stage) for stage in self._stages)
        drawn = scenarios(self._components[0].trunk.patient_id, self._now)
        found = [self._recourse(a, self._usable(a, later), drawn) for a in first if self._usable(a, later)]
        if not found:
            raise NoAdvice(f"{self._decided.drug}: no doses are allowed by protocol '{self._protocol.id}'")
        able = [one for one in found if one.excess <= 0.0]
        if not able:
            none = self._recourse(nothing := _nothing(self._stages[0]), self._usable(nothing, later), drawn)
            able = [none if none.excess <= 0.0 else min(found, key=lambda one: self._share(0, one.first))]
        best = max(able, key=lambda one: float(one.value.mean()))
        alike = [one for one in able if not _better(best.value, one.value)]
        chosen = min(alike, key=lambda one: abs(self._share(0, one.first) - 1.0))
        fixed = [self._fixed(one.first, b) for one in able for b in self._usable(one.first, later)]
        kept = [value for value, excess in fixed if excess <= max(0.0, min(e for _, e in fixed))]
        return Horizon(
            self._components[0].trunk.patient_id,
            self._now,
            self._decided.drug,
            self._ahead(chosen),
            tuple(up.scaled(ratio) for up, ratio in zip(self._stages[0], chosen.first, strict=True)),
            self._decided.begun,
            _by_then(chosen, [self._share(1, b) for b in chosen.then]),
            float(chosen.value.mean()) - max(kept),
            chosen.excess <= 0.0,
        )

    def _levels(self, stage: tuple[Upcoming, ...]) -> list[Level]:
        protocol = self._protocol
        of = replace(self._decided, doses=stage)
        tried = [*np.linspace(protocol.lowest, protocol.highest_of(self._decided.aims), LEVELS).tolist(), 1.0]
        found = {of.rounded(factor, protocol) for factor in tried}
        return sorted(level for level in found if of.allowed(level, protocol))

    def _usable(self, first: Level, later: Sequence[Level]) -> list[Level]:
        """The later levels that leave all that was ever given under the protocol's lifetime dose."""
        most = self._protocol.lifetime
        if most is None:
            return list(later)
        given = self._decided.given
        return [b for b in later if given + self._amount(0, first) + self._amount(1, b) <= most * (1 + 1e-9)]

    def _amount(self, stage: int, level: Level) -> float:
        return sum(up.step.amount * ratio for up, ratio in zip(self._stages[stage], level, strict=True))

    def _share(self, stage: int, level: Level) -> float:
        return self._amount(stage, level) / sum(up.step.amount for up in self._stages[stage])

    def _seen(self, first: Level, later: Level) -> _Seen:
        if (first, later) not in self._solved:
            drug, now = self._decided.drug, self._now
            change = replace(self._decided, doses=self._stages[0] + self._stages[1]).change(first + later)
            parts = [(c, changed(c, now, p, [change]), p) for c, p in zip(self._components, self._planned, strict=True)]
            views = [outlook(parts, drug, since, begun=begun) for since, begun in self._judged]
            none = (not any(first), *(not any(later) for _ in self._judged[1:]))
            self._solved[first, later] = _Seen(
                tuple(self._inside(view, left_out) for view, left_out in zip(views, none, strict=True)),
                tuple({name: view.toxicities[name].reached for name in self._protocol.limits} for view in views),
                views[0].weight,
            )
        return self._solved[first, later]

    def _inside(self, view: Outlook, left_out: bool) -> NDArray[np.bool_] | None:
        exposed = None if self._target is None else view.exposures.get(self._target.name)
        if exposed is not None:
            return exposed.within()
        return np.zeros(len(view.weight), dtype=bool) if self._target is not None and left_out else None

    def _value(self, seen: _Seen, weights: Floats, first: Level, later: Level) -> Floats:
        """Utility (J,) by the weights (J, M) of each scenario."""
        inside = [one for one in seen.inside if one is not None]
        if self._target is None or not inside:
            return np.full(len(weights), self._share(0, first) + (len(self._courses) - 1) * self._share(1, later))
        return np.asarray(sum(weights @ one for one in inside))

    def _excess(self, seen: _Seen, weights: Floats, judged: slice) -> Floats:
        """By how much (J,) the worst limit is passed."""
        limits = self._protocol.limits
        over = [weights @ one[name] - limits[name] for one in seen.reached[judged] for name in limits]
        return np.max(over, axis=0) if over else np.full(len(weights), -1.0)

    def _recourse(self, first: Level, later: Sequence[Level], places: Floats) -> _Recourse:
        until = self._stages[1][0].step.start_ms
        samples = samples_to_come(self._model, self._protocol, self._decided, self._now, until)
        change = replace(self._decided, doses=self._stages[0]).change(first)
        weights, shown = weighed_by(samples, self._components, self._planned, change, self._now, places)
        seen = [self._seen(first, b) for b in later]
        after = slice(1, None) if len(self._judged) > 1 else slice(None)
        value = np.array([self._value(one, weights, first, b) for one, b in zip(seen, later, strict=True)])
        excess = np.array([self._excess(one, weights, after) for one in seen])
        able = excess <= 0.0
        best = np.argmax(np.where(able, value, -np.inf), axis=0)
        then, brings = [later[i] for i in best.tolist()], value[best, np.arange(len(places))]
        lost = np.flatnonzero(~able.any(axis=0))
        if len(lost):
            # No allowed dose keeps the limits: none at all, if that does, else the smallest.
            none = _nothing(self._stages[1])
            without = self._seen(first, none)
            keeps = self._excess(without, weights, after) <= 0.0
            brings[lost] = np.where(keeps, self._value(without, weights, first, none), value[0])[lost]
            for j in lost.tolist():
                then[j] = none if keeps[j] else later[0]
        # What later doses bring is limited in each scenario; what all bring, as it is shown, over all of them.
        overall = self._overall(first, then, weights)
        limits = self._protocol.limits.items()
        over = [reached[name].p - limit for _, reached in overall for name, limit in limits]
        outputs = self._model.outputs
        told = tuple((at, outputs[number].name, outputs[number].unit, values) for (at, number), values in shown)
        return _Recourse(first, then, brings, max(over, default=0.0), overall, told)

    def _fixed(self, first: Level, later: Level) -> tuple[float, float]:
        """Utility and worst excess of doses that would be fixed today."""
        seen = self._seen(first, later)
        weights = seen.weight[None]
        return float(self._value(seen, weights, first, later)[0]), float(self._excess(seen, weights, slice(None))[0])

    def _overall(
        self, first: Level, then: Sequence[Level], weights: Floats
    ) -> tuple[tuple[Odds | None, dict[str, Odds]], ...]:
        """Of each course judged its odds over all scenarios."""
        found = []
        for c in range(len(self._judged)):
            seen = [self._seen(first, b) for b in then]
            inside = [one.inside[c] for one in seen]
            within = None
            if all(one is not None for one in inside):
                within = _odds([float(w @ one) for w, one in zip(weights, inside, strict=True) if one is not None])
            reached = {
                name: _odds([float(w @ one.reached[c][name]) for w, one in zip(weights, seen, strict=True)])
                for name in self._protocol.limits
            }
            found.append((within, reached))
        return tuple(found)

    def _ahead(self, chosen: _Recourse) -> tuple[CourseAhead, ...]:
        low, middle, high = np.quantile([self._share(1, b) for b in chosen.then], (0.05, 0.5, 0.95)).tolist()
        first = self._share(0, chosen.first)
        found = []
        for i, doses in enumerate(self._courses):
            judged = i if len(self._judged) > 1 else i - len(self._courses) + 1
            within, reached = chosen.odds[judged] if judged >= 0 else (None, {})
            factor = (first, first, first) if i == 0 else (low, middle, high)
            planned = sum(up.step.amount for up in doses)
            found.append(CourseAhead(doses[0].step.start_ms, planned, factor, within, reached))
        return tuple(found)


class _Recourse(NamedTuple):
    """A dose now, the later ones by scenario with their value (J,), and the worst excess over a limit."""

    first: Level
    then: list[Level]
    value: Floats
    excess: float
    odds: tuple[tuple[Odds | None, dict[str, Odds]], ...]
    shown: tuple[tuple[int, str, str, Floats], ...]


def _nothing(stage: tuple[Upcoming, ...]) -> Level:
    """The level at which all doses of a stage are left out."""
    return tuple(0.0 for _ in stage)


def _together(doses: Sequence[Upcoming]) -> int:
    """How many of the first doses of a course are chosen as one."""
    first = doses[0].step.start_ms
    return sum(up.step.start_ms - first <= TOGETHER_MS for up in doses)


def _later_courses(to_come: Sequence[Upcoming], decided: Decision, most: int) -> tuple[tuple[Upcoming, ...], ...]:
    """The courses after the one that is decided on."""
    known = set(decided.course)
    found: list[list[Upcoming]] = []
    until = max(up.step.end_ms for up in decided.course)
    for up in to_come:
        if up in known:
            continue
        if not found or up.step.start_ms - until >= decided.gap:
            found.append([])
        found[-1].append(up)
        until = max(until, up.step.end_ms)
    return tuple(tuple(course) for course in found[:most])


def _better(best: Floats, other: Floats) -> bool:
    """Whether the scenarios tell the best from another, by half their paired error."""
    apart = best - other
    return bool(apart.mean() > 0.5 * apart.std() / len(apart) ** 0.5 + 1e-12)


def _odds(by_scenario: Sequence[float]) -> Odds:
    p = float(np.mean(by_scenario))
    return Odds(min(p, 1.0), float(np.sqrt(max(p * (1.0 - p), 0.0) / THINNED)))


def _by_then(chosen: _Recourse, factors: Sequence[float]) -> ByThen | None:
    """The one split of one sample that tells the later doses best."""
    doses = np.array(factors)
    best: tuple[float, ByThen] | None = None
    spread = float(((doses - doses.mean()) ** 2).sum())
    for at, name, unit, values in chosen.shown:
        for cut in np.quantile(values, np.linspace(0.1, 0.9, 9)).tolist():
            over = values > cut
            if not over.any() or over.all():
                continue
            above, below = float(doses[over].mean()), float(doses[~over].mean())
            left = float(((doses - np.where(over, above, below)) ** 2).sum())
            if left < 0.9 * spread and (best is None or left < best[0]):
                best = left, ByThen(name, unit, at, cut, above, below)
    return None if best is None else best[1]
