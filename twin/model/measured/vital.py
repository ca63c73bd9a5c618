"""The vital sign whose readings observe an output, as an immutable value."""

from __future__ import annotations

from dataclasses import dataclass

from twin.clock import HOUR_MS


@dataclass(frozen=True, slots=True)
class VitalSpec:
    """Readings of one ``channel`` (`twin.events.VitalSample`), gathered into one value for each window of the clock.

    Attributes:
        window: hours; windows lie at whole multiples since the Unix epoch.
        independent: how many readings that know nothing of one another those of a window count for at most.
        df: degrees of freedom of the Student-t error of a window's value.
    """

    channel: str
    window: float
    independent: float
    df: float
    source: str | None
    assumed: str | None

    @property
    def window_ms(self) -> int:
        """Length of a window in ms."""
        return round(self.window * HOUR_MS)
