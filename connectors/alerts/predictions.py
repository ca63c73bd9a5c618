"""What twins expected of measured values, as it stands: read from the topic of estimates."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.kafka.records import kept_outputs
from connectors.kafka.topics import ESTIMATES
from connectors.settings import Settings
from twin.events import Event, Prediction, Withdrawn


def standing(said: Iterable[Event]) -> list[Prediction]:
    """The newest of each prediction, of what each twin said in its order; what was withdrawn since is left out."""
    found: dict[tuple[str, str], Prediction] = {}
    for event in said:
        if isinstance(event, Prediction):
            found[event.patient_id, event.event_id] = event
        elif isinstance(event, Withdrawn) and event.measured:
            gone = {series.name for series in event.measured}
            for key, one in list(found.items()):
                if key[0] == event.patient_id and one.time == event.time and one.output in gone:
                    del found[key]
    return list(found.values())


def predictions_kept(settings: Settings) -> list[Prediction]:
    """Those that stand of all patients.

    Raises:
        KafkaUnreachable: no broker answers.
    """
    return standing(kept_outputs(settings, ESTIMATES))
