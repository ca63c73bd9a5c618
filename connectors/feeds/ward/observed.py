"""Vital signs that a patient's own model predicts, as a cuff reads them: true to it, scattered, and now and then wrong.

A reading is the true output with the model's residual error, of which those of one window share the part that the model
file says (`twin.observation.aggregate`). One in `ARTEFACTS` is an artefact: an arm moved, or the cuff had slipped.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from connectors.feeds.ward.patients import CUFF, WardPatient
from twin.clock import MINUTE_MS
from twin.events import VITAL_RANGES
from twin.observation.kinds import kind_of
from twin.units import convert

CUFF_MS = 30 * MINUTE_MS
"""Spacing of readings, as in monitoring over 24 h."""

ARTEFACTS, SLIPPED = 0.03, (0.6, 1.4)
"""Share of readings that are artefacts, and the parts of the true value that those show (assumed)."""

DIGITS = {"body_temperature": 1, "body_weight": 1, "spo2": 2}
"""Decimals that a device shows; of other channels none."""


class CuffReading(NamedTuple):
    """What a device reads at ``time`` (ms), in the channel's unit."""

    time: int
    channel: str
    value: float


def observed_channels(patient: WardPatient) -> frozenset[str]:
    """The channels that the patient's model has an output for."""
    return frozenset(output.vital.channel for output in patient.model.outputs if output.vital is not None)


def cuff_readings(patient: WardPatient, start: int) -> list[CuffReading]:
    """All readings from ``start`` (ms) to discharge, in order of time."""
    times = np.arange(start + CUFF_MS, patient.discharged, CUFF_MS, dtype=np.int64)
    rng = patient.rng(CUFF)
    found: list[CuffReading] = []
    for output in patient.model.outputs:
        vital = output.vital
        if vital is None or (scatter := output.error.readings) is None:
            continue
        from scipy.special import ndtr  # which most wards do without

        true = np.interp(times, patient.grid, patient.truth[output.name])
        _, window = np.unique(times // vital.window_ms, return_inverse=True)
        part = 1.0 / scatter.independent
        shared = rng.standard_normal(len(times))[window]
        z = np.sqrt(part) * shared + np.sqrt(1.0 - part) * rng.standard_normal(len(times))
        shown = kind_of(output).at_levels(output, true[None], ndtr(z)[:, None])[:, 0]
        wrong = rng.random(len(times)) < ARTEFACTS
        shown = np.where(wrong, true * rng.choice(SLIPPED, len(times)), shown)
        unit, low, high = VITAL_RANGES[vital.channel]
        digits = DIGITS.get(vital.channel, 0)
        for millis, value in zip(times.tolist(), shown.tolist(), strict=True):
            read = round(convert(value, output.unit, unit), digits)
            found.append(CuffReading(millis, vital.channel, float(min(max(read, low), high))))
    return sorted(found)
