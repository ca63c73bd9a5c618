"""The vital sign whose readings observe an output, as an immutable value."""

from __future__ import annotations

from dataclasses import dataclass

from twin.clock import HOUR_MS


@dataclass(frozen=True, slots=True)
class VitalSpec:
    """Readings of one ``channel`` (`twin.events.VitalSample`), gathered into one value for each window of the clock;
    how that scatters is said with the output's error (`ErrorSpec.readings`).

    Attributes:
        window: hours; windows lie at whole multiples since the Unix epoch.
    """

    channel: str
    window: float
    source: str | None
    assumed: str | None

    @property
    def window_ms(self) -> int:
        """Length of a window in ms."""
        return round(self.window * HOUR_MS)
