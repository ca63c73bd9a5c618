"""Snapshots for the tests of the rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from twin.alerts.lifecycle import AlertBook, Transition, advance
from twin.alerts.rules import assess, settings
from twin.alerts.settings import SettingsFor
from twin.alerts.snapshot import DeliveryView, ExposureView, LevelView, Snapshot, SurpriseView, ToxicityView
from twin.clock import HOUR_MS
from twin.record.orders import DeviceView, PlanStep

BOLUS = PlanStep(0, HOUR_MS // 4, 720.0)
INFUSION = PlanStep(HOUR_MS // 4, HOUR_MS // 4 + 46 * HOUR_MS, 4320.0)
FOLFOX = (BOLUS, INFUSION)
"""Fluorouracil, mg: 2880 mg/h for a quarter of an hour, then 93.9 mg/h for 46 h."""

NEUTROPENIA = ToxicityView(
    "neutropenia_g4", "neutrophils", "below", 0.5, "10*9/L", 0.1, 0.46, 8.2, 504.0, 0.0, 2.1, grade=4, ctcae="5.0"
)
"""Grade 4 neutropenia that is not to be expected."""

CYCLE = 14 * 24 * HOUR_MS


def delivery(
    hours: float,
    rate: float,
    delivered: float,
    *,
    since: float | None = 0.0,
    plan: tuple[PlanStep, ...] = FOLFOX,
    reported: float | None = None,
) -> Snapshot:
    """One drug ``hours`` after the planned start of its first course."""
    now = round(hours * HOUR_MS)
    return Snapshot(
        "P-1",
        now,
        500.0,
        None,
        delivery=(
            DeliveryView(
                "fluorouracil",
                rate,
                delivered,
                None if since is None else round(since * HOUR_MS),
                now if reported is None else round(reported * HOUR_MS),
                plan,
            ),
        ),
    )


def later(step: PlanStep, millis: int) -> PlanStep:
    """The same dose ``millis`` later."""
    return PlanStep(step.start_ms + millis, step.end_ms + millis, step.amount)


def exposure(
    minutes: int, *, below: float = 0.1, above: float = 0.1, ess: float = 500.0, running: bool = True
) -> Snapshot:
    """One exposure with a target of 20 to 30 mg.h/L."""
    view = ExposureView(
        "fluorouracil_auc", "fluorouracil", "course", below, above, 31.4, 20.0, 30.0, "mg.h/L", 0, running
    )
    return Snapshot("P-1", minutes * 60_000, ess, minutes * 60_000 - 2 * HOUR_MS, exposures=(view,))


def nadir(
    hours: float,
    probability: float | None,
    *,
    ess: float = 500.0,
    now: float = 2.1,
    p_now: float = 0.0,
    day: float = 8.2,
) -> Snapshot:
    """A forecast of the neutrophils, or none at this moment."""
    views: tuple[ToxicityView, ...] = ()
    if probability is not None:
        measured = (0.3, round((hours - 30) * HOUR_MS))
        views = (replace(NEUTROPENIA, probability=probability, day=day, p_now=p_now, now=now, measured=measured),)
    return toxic(hours, *views, ess=ess)


def toxic(hours: float, *views: ToxicityView, ess: float = 500.0) -> Snapshot:
    """Toxicities as they are foreseen."""
    return Snapshot("P-1", round(hours * HOUR_MS), ess, 0, toxicities=views)


def device(minutes: float, seen: float, *, every: float | None = 1.0, associated: bool = True) -> Snapshot:
    """A wearable last heard at minute ``seen``."""
    every_ms = None if every is None else round(every * 60_000)
    view = DeviceView("wrist-9", round(seen * 60_000), every_ms, associated)
    return Snapshot("P-1", round(minutes * 60_000), 500.0, None, devices=(view,))


def surprise(hours: float, evidence: float | None, innovation: float = 2.6) -> Snapshot:
    """A patient whose data speak so strongly against the model, or of whom nothing was measured."""
    view = None if evidence is None else SurpriseView("a_model", evidence, 4, "plasma", innovation)
    return Snapshot("P-1", round(hours * HOUR_MS), 500.0, 0, surprise=view)


def level(hours: float, lines: dict[int, tuple[float, float]]) -> Snapshot:
    """Methotrexate ``hours`` after the start of a day's infusion, its level even between two values at each line."""
    views = tuple(
        LevelView("methotrexate_plasma", "methotrexate", "umol/L", 0, float(hour), 24.0, tuple(_evenly(low, high)))
        for hour, (low, high) in lines.items()
    )
    return Snapshot("P-1", round(hours * HOUR_MS), 500.0, 0, levels=views)


def _evenly(low: float, high: float) -> list[float]:
    return [low + (high - low) * step / 100 for step in range(101)]


def told(snapshots: Iterable[Snapshot]) -> list[Transition]:
    """Every transition of all rules over snapshots in order. What a rule of ours says can be told in any language."""
    book, transitions = AlertBook(), []
    for snapshot in snapshots:
        book, moved = advance(book, assess(snapshot), snapshot, settings(), "hash")
        transitions += moved
    assert [transition.text for transition in transitions if transition.said is None
            and not transition.rule.startswith("ward.")] == []  # fmt: skip
    return transitions


def states(snapshots: Iterable[Snapshot]) -> list[tuple[str, str]]:
    """(rule, state) of every transition."""
    return [(transition.rule, transition.phase) for transition in told(snapshots)]


def by(rule: str) -> SettingsFor:
    """The settings of a rule as it has them itself, for every drug."""
    return lambda _: settings()[rule]
