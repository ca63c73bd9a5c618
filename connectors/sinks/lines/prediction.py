"""What was measured beside what was expected of it.

| measurement | tags | fields | time |
|---|---|---|---|
| `prediction` | patient, model, output, unit | observed, known, limit, q05 … q95, pit, innovation, … | event |

``known`` says of the measured value whether it is known *exactly*, or only to lie *below* or *above* the ``limit``.
With ``rev`` and ``withdrawn``: a measured value may turn out to be none of the patient's. As it was published then it
stands in `prediction_published`, with ``rev`` and ``published``.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import QUANTILES, Fields, model_tag, said
from twin.events import Prediction

EVENT = Prediction


def lines(event: Prediction, arrival: Arrival) -> Iterator[str]:
    tags = {"patient": event.patient_id, "model": model_tag(event.model), "output": event.output, "unit": event.unit}
    names = ("observed", *QUANTILES, "pit", "innovation", "population_median")
    numbers = {name: float(getattr(event, name)) for name in names}
    yield from said("prediction", tags, {**numbers, **_known(event)}, event.time, arrival)


def _known(event: Prediction) -> Fields:
    if event.below is not None:
        return {"known": "below", "limit": float(event.below)}
    if event.above is not None:
        return {"known": "above", "limit": float(event.above)}
    return {"known": "exactly", "limit": float(event.observed)}
