"""Of what twins expected the newest word counts, and none that was withdrawn."""

from __future__ import annotations

from connectors.alerts.predictions import standing
from twin.events import Prediction, Withdrawn
from twin.events.outputs.withdrawn import Series

SAID = Prediction.example()
AGAIN = SAID.model_copy(update={"median": 1.2})
GONE = Withdrawn.example().model_copy(
    update={"patient_id": SAID.patient_id, "time": SAID.time, "measured": (Series(name=SAID.output, unit=SAID.unit),)}
)


def test_the_newest_word_on_a_value_counts() -> None:
    assert standing([SAID, AGAIN]) == [AGAIN]


def test_what_was_withdrawn_does_not_count_unless_it_is_said_again() -> None:
    assert standing([SAID, GONE]) == []
    assert standing([SAID, GONE, AGAIN]) == [AGAIN]


def test_what_is_withdrawn_of_another_output_time_or_patient_takes_nothing() -> None:
    others = (
        {"measured": (Series(name="platelets", unit="10*9/L"),)},
        {"time": SAID.time.replace(hour=(SAID.time.hour + 1) % 24)},
        {"patient_id": "P-other"},
    )
    for change in others:
        assert standing([SAID, GONE.model_copy(update=change)]) == [SAID]
