"""What is ahead: each output along the times forecast, and the nadir.

| measurement | tags | fields | time |
|---|---|---|---|
| `forecast` | patient, model, output, unit | q05 … q95, issued (ns), rev | the time forecast |
| `issued` | patient, model | times, rev, withdrawn | event |
| `nadir` | patient, model, output, unit | q05 … q95, day_q05 … day_q95, p_grade4 | event |

A nadir is what is foreseen from that time now, with ``rev`` and ``withdrawn``; as it was published then it stands in
`nadir_published`. The points of each forecast that was published stay, told apart by the nanoseconds below their
millisecond, which are made of what it says: none takes those of another, which stand again where it is withdrawn. What
stands of one issued then are its points with the ``rev`` of that one in `issued`, while that one does.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import (
    NS_PER_MS,
    QUANTILES,
    Fields,
    band_fields,
    line,
    model_tag,
    nanos,
    said,
    scatter,
)
from twin.events import Forecast

EVENT = Forecast


def lines(event: Forecast, arrival: Arrival) -> Iterator[str]:
    who, issued = {"patient": event.patient_id, "model": model_tag(event.model)}, nanos(event.time)
    below_ms = scatter(repr((issued, [output.quantiles for output in event.outputs])), NS_PER_MS)
    whose: Fields = {"issued": issued, "rev": arrival.offset}
    for output in event.outputs:
        tags = who | {"output": output.name, "unit": output.unit}
        levels = zip(output.q05, output.q25, output.median, output.q75, output.q95, strict=True)
        for time, level in zip(event.times, levels, strict=True):
            fields = {**dict(zip(QUANTILES, level, strict=True)), **whose}
            yield line("forecast", tags, fields, nanos(time) + below_ms)
    standing: Fields = {"times": len(event.times), "rev": arrival.offset, "withdrawn": False}
    yield line("issued", who, standing, issued)
    if event.nadir is not None:
        nadir = event.nadir
        fields = {**band_fields(nadir.value), **band_fields(nadir.day, "day_"), "p_grade4": nadir.p_grade4}
        tags = who | {"output": nadir.output, "unit": nadir.value.unit}
        yield from said("nadir", tags, fields, event.time, arrival)
