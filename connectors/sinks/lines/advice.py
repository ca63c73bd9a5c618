"""What may be given next, each way with its odds.

| measurement | tags | fields | time |
|---|---|---|---|
| `advice` | patient, model, drug, protocol, way | amount, of_plan, delay_hours, advised | event |
| `advice_odds` | patient, model, drug, protocol, way, of | p, se | event |

``way`` is *planned*, *advised* and what lies between, ``of`` the target (in its window) or the toxicity. With ``rev``
and ``withdrawn``: of advice that is withdrawn both are marked. What was asked and has no answer is no point.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import line, model_tag, nanos
from twin.events import Advice

EVENT = Advice


def lines(event: Advice, arrival: Arrival) -> Iterator[str]:
    tags = {
        "patient": event.patient_id,
        "model": model_tag(event.model),
        "drug": event.drug,
        "protocol": event.protocol or "none",
    }
    stamp, said = nanos(event.time), {"rev": arrival.offset, "withdrawn": event.outcome == "withdrawn"}
    if event.outcome == "withdrawn":
        for way in ("planned", "advised"):
            yield line("advice", tags | {"way": way}, said, stamp)
        return
    for one in event.alternatives:
        named = tags | {"way": one.name}
        amounts = {"amount": one.amount_mg, "of_plan": one.of_plan, "delay_hours": one.delay_hours}
        yield line("advice", named, {**amounts, "advised": one.name == "advised", **said}, stamp)
        for window in one.exposures:
            odds = {"p": window.within, "se": window.within_se}
            yield line("advice_odds", named | {"of": window.target}, {**odds, **said}, stamp)
        for harm in one.toxicities:
            yield line("advice_odds", named | {"of": harm.toxicity}, {"p": harm.p, "se": harm.se, **said}, stamp)
