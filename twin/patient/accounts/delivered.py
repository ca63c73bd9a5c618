"""What the patient gets of each drug, over all accounts of what was delivered."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twin.alerts.snapshot import DeliveryView
from twin.patient.accounts.standing import Standing
from twin.record.history import History
from twin.record.orders import Orders
from twin.timeline.delivery import Delivered


def expected(
    standings: Sequence[Standing], share: Sequence[float], drug: str, value: Callable[[Delivered], float]
) -> float:
    """Mean over the accounts, of which each has its share, of something of what was delivered of a drug."""
    if len(standings) == 1:
        return value(standings[0].timeline.delivered[drug])
    return sum(part * value(one.timeline.delivered[drug]) for part, one in zip(share, standings, strict=True))


def delivery_views(
    standings: Sequence[Standing],
    share: Sequence[float],
    history: History,
    orders: Orders,
    millis: int,
    gap: Callable[[str], int],
) -> tuple[DeliveryView, ...]:
    """Each drug at ``millis``, as rules see it; ``gap``: ms without delivery that part two courses of a drug."""
    views = []
    for drug, source in standings[0].timeline.delivered.items():
        begun = [m for m in source.starts(gap(drug)) if m <= millis]
        views.append(
            DeliveryView(
                drug=drug,
                rate=expected(standings, share, drug, lambda d: d.rate_at(millis)),
                delivered=_amount_since(standings, share, drug, begun[-1], millis) if begun else 0.0,
                since_ms=begun[-1] if begun else None,
                last_report_ms=orders.last_report(history, millis, drug),
                plan=orders.plan(millis).get(drug, ()),
                charted=sum((dose.rate for dose in source.recorded if dose.start <= millis < dose.end), 0.0),
            )
        )
    return tuple(views)


def _amount_since(standings: Sequence[Standing], share: Sequence[float], drug: str, begun: int, millis: int) -> float:
    return expected(standings, share, drug, lambda d: d.amount(begun, millis))
