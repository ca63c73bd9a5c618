"""A distribution as it goes on the wire: five quantiles of a quantity."""

from __future__ import annotations

from twin.events.bounds import Tag, UnitCode
from twin.events.envelope import Frozen


class Band(Frozen):
    """Quantiles of a distribution of the quantity ``name`` in ``unit``."""

    name: Tag
    unit: UnitCode
    q05: float
    q25: float
    median: float
    q75: float
    q95: float

    @property
    def quantiles(self) -> tuple[float, float, float, float, float]:
        """The five values, smallest quantile first."""
        return (self.q05, self.q25, self.median, self.q75, self.q95)

    @classmethod
    def around(cls, name: str, unit: str, median: float) -> Band:
        """An invented band for examples: from 0.6 to 1.6 times the median."""
        spread = (0.6, 0.85, 1.0, 1.2, 1.6)
        q05, q25, middle, q75, q95 = (round(median * factor, 3) for factor in spread)
        return cls(name=name, unit=unit, q05=q05, q25=q25, median=middle, q75=q75, q95=q95)
