"""What is ahead: each output along the times forecast, and the nadir.

| measurement | tags | fields | time |
|---|---|---|---|
| `forecast` | patient, model, output, unit | q05 … q95, issued (ns) | the time forecast |
| `issued` | patient, model | times | event |
| `nadir` | patient, model, output, unit | q05 … q95, day_q05 … day_q95, p_grade4 | event |

A nadir is what is foreseen from that time now, with ``rev`` and ``withdrawn``; as it was published then it stands in
`nadir_published`. The points of a forecast stand while the one in `issued` does.
"""

from __future__ import annotations

from collections.abc import Iterator

from connectors.sinks.arrival import Arrival
from connectors.sinks.line_protocol import QUANTILES, as_published, band_fields, line, nanos, revised
from twin.events import Forecast

EVENT = Forecast


def lines(event: Forecast, arrival: Arrival) -> Iterator[str]:
    who, issued = {"patient": event.patient_id, "model": event.model}, nanos(event.time)
    for output in event.outputs:
        tags = who | {"output": output.name, "unit": output.unit}
        levels = zip(output.q05, output.q25, output.median, output.q75, output.q95, strict=True)
        for time, level in zip(event.times, levels, strict=True):
            yield line("forecast", tags, {**dict(zip(QUANTILES, level, strict=True)), "issued": issued}, nanos(time))
    yield revised("issued", who, {"times": len(event.times)}, event.time, arrival)
    if event.nadir is not None:
        nadir = event.nadir
        fields = {**band_fields(nadir.value), **band_fields(nadir.day, "day_"), "p_grade4": nadir.p_grade4}
        tags = who | {"output": nadir.output, "unit": nadir.value.unit}
        yield revised("nadir", tags, fields, event.time, arrival)
        yield as_published("nadir", tags, fields, event.time, arrival)
