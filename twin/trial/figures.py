"""What warnings were worth over all patients, each figure with its 90 % interval.

Intervals are by bootstrap over patients (Efron 1979), who are independent of one another as their alerts are not; of
shares that are 0 or 1 in all of them see `twin.study.measures.share_of_patients`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twin.arrays import Floats
from twin.randomness import generator
from twin.study.measures import Measure, share_of_patients
from twin.trial.warnings import Warned

RESAMPLED = 1000


@dataclass(frozen=True)
class Worth:
    """One way of warning, over all patients: how many events, claims and patient-days, and the figures of them."""

    name: str
    events: int
    claims: int
    patient_days: float
    sensitivity: Measure
    lead_days: Measure
    right: Measure
    false_a_day: Measure

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The four figures."""
        return (self.sensitivity, self.lead_days, self.right, self.false_a_day)


def worth(name: str, warned: Sequence[Warned]) -> Worth:
    """The figures of one way of warning (at least one patient)."""
    counts = np.array([_counts(one) for one in warned])
    leads = [np.array([lead for lead in one.leads if lead is not None]) for one in warned]
    chosen = generator("bootstrap of warnings", name).integers(len(warned), size=(RESAMPLED, len(warned)))
    sums = counts[chosen].sum(axis=1)
    drawn_leads = np.array([_median(np.concatenate([leads[i] for i in row])) for row in chosen])
    total = counts.sum(axis=0)

    false = total[2] - total[3], sums[:, 2] - sums[:, 3]

    def share(title: str, part: int, whole: int) -> Measure:
        value = float(_share(total[None, part], total[None, whole])[0])
        drawn = _share(sums[:, part], sums[:, whole])
        return share_of_patients(title, value, drawn, int((counts[:, whole] > 0).sum()))

    return Worth(
        name,
        int(total[0]),
        int(total[2]),
        float(total[4]),
        share("events found", 1, 0),
        Measure.of("days of lead, median", _median(np.concatenate(leads)), drawn_leads),
        share("alerts that were right", 3, 2),
        Measure.of("false alerts per patient-day", float(false[0] / total[4]), false[1] / sums[:, 4]),
    )


def _counts(one: Warned) -> tuple[float, float, float, float, float]:
    """Events, those found, claims, those right, days."""
    found = sum(lead is not None for lead in one.leads)
    right = sum(claim.right for claim in one.claims)
    return float(len(one.leads)), float(found), float(len(one.claims)), float(right), one.days


def _share(part: Floats, whole: Floats) -> Floats:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)


def _median(values: Floats) -> float:
    return float(np.median(values)) if len(values) else np.nan
