"""What a rule may look at: the twin at one moment, in plain numbers.

The fold makes one `Snapshot` with every estimate (on the estimate grid, at a measured value, at a change of delivery);
`twin.alerts.rules` judge it and `twin.alerts` turns the judgements into alerts. A snapshot is a function of the folded
history alone, so the alerts are too. Every number comes with its unit; times are milliseconds since 1970 (UTC).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from twin.clock import HOUR_MS
from twin.record.orders import DeviceView, PlanStep
from twin.units import AMOUNT_UNIT, RATE_UNIT


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """What the patient gets of one drug, beside what was ordered.

    A drug that is planned but was never given has ``rate`` and ``delivered`` 0 and ``since_ms`` None.
    """

    drug: str
    rate: float
    """Delivered now, in ``rate_unit``."""
    delivered: float
    """Delivered since ``since_ms``, in ``amount_unit``."""
    since_ms: int | None
    """Start of the running, or else the latest, course: the first delivery after a gap without any."""
    last_report_ms: int | None
    """Newest report of the delivery of this drug."""
    plan: tuple[PlanStep, ...] = ()
    """Every planned dose of the drug, past and to come, sorted by start; empty when nothing was ordered."""
    charted: float = 0.0
    """The part of ``rate`` that no pump tells of: of doses recorded as given."""
    amount_unit: str = AMOUNT_UNIT
    rate_unit: str = RATE_UNIT


@dataclass(frozen=True, slots=True)
class ExposureView:
    """Exposure against its target window; probabilities are of the exposure once it is complete.

    They and ``at_end_median`` are ``None`` where nothing can be said of the end, and of a limit that there is not.
    """

    target: str
    drug: str
    measure: Literal["course", "day", "trough", "time_above"]
    p_below: float | None
    p_above: float | None
    at_end_median: float | None
    target_low: float | None
    target_high: float | None
    unit: str
    begun_ms: int
    """Beginning of the course."""
    running: bool
    """The measure is still incomplete, so that ``at_end_median`` is a prediction."""
    at_end_range: tuple[float, float] | None = None
    """The 5 and 95 % quantiles beside that median."""


@dataclass(frozen=True, slots=True)
class ToxicityView:
    """A toxicity of the model within its horizon, as it was last foreseen, and its output now, in ``unit``.

    ``day`` is counted from now: it is negative once the day that was foreseen is past.
    """

    name: str
    output: str
    side: Literal["below", "above"]
    limit: float
    unit: str
    probability: float
    """That the output comes to be beyond the limit, for ``lasting_hours`` in a row if they are not 0."""
    median: float
    """Of the lowest value ahead, or the highest."""
    day: float
    """Until that value."""
    horizon_hours: float
    p_now: float
    """Probability that the output is beyond the limit now."""
    now: float
    """The output now, median."""
    lasting_hours: float = 0.0
    grade: int | None = None
    ctcae: str | None = None
    since_ms: int | None = None
    """Since when the output is beyond the limit, more likely than not, where it is."""
    median_range: tuple[float, float] | None = None
    """The 5 and 95 % quantiles beside ``median``."""
    measured: tuple[float, int] | None = None
    """The lowest (or highest) value measured within the horizon before now, and when (ms)."""


@dataclass(frozen=True, slots=True)
class CounterView:
    """Two readings of a pump's counter between which it ``counted`` another amount (mg) than its rates ``said``."""

    device: str
    drug: str
    since_ms: int
    until_ms: int
    said: float
    counted: float


@dataclass(frozen=True, slots=True)
class RunningView:
    """A pump that delivers a ``drug``, by its own last word; ``bound`` says whether it is bound to the patient.

    ``None`` where nobody ever said that it was bound, or released.
    """

    device: str
    drug: str
    since_ms: int
    bound: bool | None


@dataclass(frozen=True, slots=True)
class LevelView:
    """The level of a drug some hours after the beginning of its course, as it is foreseen, or is now."""

    output: str
    drug: str
    unit: str
    begun_ms: int
    hours: float
    infused_hours: float
    """How long the course runs, as delivered and planned."""
    quantiles: tuple[float, ...]
    """At evenly spaced probabilities from 0 to 1."""

    def above(self, limit: float) -> float:
        """The probability that the level is above a limit."""
        last = len(self.quantiles) - 1
        at = bisect_left(self.quantiles, limit)
        if at == 0:
            return 1.0
        if at > last:
            return 0.0
        low, high = self.quantiles[at - 1 : at + 1]
        return 1.0 - (at - 1 + (limit - low) / (high - low)) / last


@dataclass(frozen=True, slots=True)
class ClockView:
    """A device whose clock was off once: what it is ``behind`` now (s, negative: ahead), and since when."""

    device: str
    behind: float
    since_ms: int


@dataclass(frozen=True, slots=True)
class CountView:
    """An ``output`` as it is believed to be now: the share of each account of it, and quantiles at evenly spaced
    probabilities from 0 to 1."""

    output: str
    parts: tuple[tuple[float, tuple[float, ...]], ...]

    def below(self, limit: float) -> float:
        """The probability that it is below a limit."""
        return min(1.0, sum(share * bisect_left(values, limit) / len(values) for share, values in self.parts))

    def quantile(self, probability: float) -> float:
        """The value that it is below with this probability."""
        values = sorted((value, share / len(own)) for share, own in self.parts for value in own)
        reached = 0.0
        for value, weight in values:
            reached += weight
            if reached >= probability:
                return value
        return values[-1][0]


@dataclass(frozen=True, slots=True)
class KidneyView:
    """Serum creatinine as it was last reported, and before: the lowest of the week before ``millis``."""

    now: float
    before: float
    unit: str
    reported_ms: int


@dataclass(frozen=True, slots=True)
class ValueView:
    """A value as it was measured of an ``output``, beside its prediction; ``score`` is the normal score of it.

    A score of 3 is met by one value in 700 on that side, if the model describes the patient.
    """

    output: str
    value: float
    unit: str
    score: float
    q05: float
    median: float
    q95: float


@dataclass(frozen=True, slots=True)
class ReportView:
    """The result of an ``output`` or covariate that was reported last: when it was drawn and reported (ms).

    ``delay_ms`` lies between them, at the least. ``decided`` is what was given or planned in between, in order: when
    (ms), ``given`` or ``planned``, and the drug.
    """

    output: str
    value: float
    unit: str
    drawn_ms: int
    reported_ms: int
    delay_ms: int
    decided: tuple[tuple[int, str, str], ...] = ()


class OddsView(NamedTuple):
    """How likely an exposure is in its window, or a toxicity is reached, by the dose that is advised and as planned."""

    of: Literal["window", "toxicity"]
    name: str
    advised: float
    planned: float


@dataclass(frozen=True, slots=True)
class AdviceView:
    """What is advised instead of a plan, or of the rate that runs, as it was worked out at ``millis``.

    ``doses`` are those to come as they were planned then: begin (ms) and mg, with the mg that are advised. Of a pump
    that runs until ``ends_ms`` ``planned_rate`` is what it ran at (mg/h), ``advised_rate`` what is advised; ``None``
    where none runs.
    """

    drug: str
    protocol: str
    millis: int
    doses: tuple[tuple[int, float, float], ...]
    delay_ms: int
    planned_rate: float | None
    advised_rate: float | None
    ends_ms: int
    differs: float
    """The part of the plan that a difference must be to be told."""
    odds: tuple[OddsView, ...]
    """Those that the dose is chosen by."""
    told: float
    """The part of the plan that was advised when it last differed from what was told before: if it stays, there is no
    news."""


@dataclass(frozen=True, slots=True)
class SurpriseView:
    """How far the patient's data contradict the ``model`` (`twin.alerts.misfit`), and how the last of them was missed.

    ``innovation`` is in predictive standard deviations of ``output``.
    """

    model: str
    evidence: float
    count: int
    output: str
    innovation: float


@dataclass(frozen=True, slots=True)
class StudiedView:
    """A characteristic now, in ``unit``, of which the ``model`` learnt effects from patients of ``low`` to ``high``."""

    model: str
    name: str
    value: float
    unit: str
    low: float
    high: float

    @property
    def end(self) -> float:
        """The end of what was studied that the value is nearer to, or beyond."""
        return self.low if self.value - self.low < self.high - self.value else self.high

    @property
    def beyond(self) -> float:
        """How far the value is beyond the nearest end, in widths of what was studied; within, it is not above 0."""
        return max(self.low - self.value, self.value - self.high) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The twin at ``time_ms``. ``ess`` is the effective number of particles behind every probability here."""

    patient_id: str
    time_ms: int
    ess: float
    last_observation_ms: int | None
    delivery: tuple[DeliveryView, ...] = ()
    exposures: tuple[ExposureView, ...] = ()
    toxicities: tuple[ToxicityView, ...] = ()
    devices: tuple[DeviceView, ...] = ()
    surprise: SurpriseView | None = None
    counter: CounterView | None = None
    """The newest stretch in which a counter and the rates disagree, while it matters."""
    running: tuple[RunningView, ...] = ()
    levels: tuple[LevelView, ...] = ()
    kidney: KidneyView | None = None
    clocks: tuple[ClockView, ...] = ()
    temperatures: tuple[tuple[int, float], ...] = ()
    """Time (ms) and value of what was read of a fever in the day before, Celsius (`twin.record.readings.fevers`)."""
    neutrophils: CountView | None = None
    """Of neutrophils in 10*9/L, where the model has them, while there are such temperatures."""
    values: tuple[ValueView, ...] = ()
    """What was measured at this very moment."""
    reports: tuple[ReportView, ...] = ()
    """Of every output and covariate the result that was reported last, by now."""
    advice: tuple[AdviceView, ...] = ()
    """What is advised of each drug by the newest plan or level of before this moment, or of this moment."""
    particles: int = 0
    """Particles behind every probability, of which ``ess`` count; 0 where nobody says."""
    studied: tuple[StudiedView, ...] = ()
    """Every characteristic of which the model says from which patients its effects were learnt."""
    drug: str = ""
    """The drug under study."""
    ordered: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """By which protocol and for which ward each drug was ordered last, as the plan says; empty where it does not."""

    def hours_since(self, then_ms: int | None) -> float | None:
        """Age in hours of something at ``then_ms``; None when it never was."""
        return None if then_ms is None else max(0.0, (self.time_ms - then_ms) / HOUR_MS)
