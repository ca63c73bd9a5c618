"""What is wrong with a patient and which way back applies, as a worker that starts now would find it."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from connectors.kafka.topics import topic_of
from streams.worker.engine import KafkaRecord
from streams.worker.repair.diagnosis import Way, diagnose
from streams.worker.repair.refold import Told
from streams.worker.rows.state_row import StateRow, encode_row, lost_row, sealed_row
from tests.streams.worker.fake_twin import HASH, MODEL, FakeTwins
from tests.streams.worker.stage import enrolment, lab
from twin.events import InputEvent, encode

ROW = encode_row(StateRow("A", MODEL, HASH, (), 0, FakeTwins()(MODEL, "A").row(), (), (), False))
OTHER_HASH = encode_row(StateRow("A", MODEL, "another", (), 0, b"{}", (), (), False))
RUIN = encode_row(StateRow("A", MODEL, HASH, (), 0, b"{", (), (), False))
GONE = encode_row(StateRow("A", "gone", HASH, (), 0, b"{}", (), (), False))
WAITING = encode_row(StateRow("A", "", "", (), 0, b"", (), (), False))


def told(*events: InputEvent, shortened: tuple[str, ...] = ()) -> Told:
    records = [
        KafkaRecord(f"p.{topic_of(event)}", 0, number, 0, b"A", encode(event)) for number, event in enumerate(events)
    ]
    return Told([*records, KafkaRecord("p.twin.commands", 0, 99, 0, b"A", b"no event")], shortened=shortened)


ENROLLED = told(enrolment("A"), lab("A", 1))


@pytest.mark.parametrize(
    ("row", "said", "reason", "way"),
    [
        (ROW, {}, "", Way.NOTHING_TO_MEND),
        (WAITING, {}, "", Way.NOTHING_TO_MEND),
        (ROW, {"A": "bad_state_row"}, "", Way.NOTHING_TO_MEND),  # as it was before it was folded anew
        (ROW, {"A": "internal_error"}, "internal_error", Way.REBUILD),
        (None, {}, "row_missing", Way.REBUILD),
        (ROW[:-1], {}, "bad_state_row", Way.REBUILD),
        (RUIN, {}, "bad_state_row", Way.REBUILD),
        (OTHER_HASH, {}, "model_changed", Way.REBUILD),
        (GONE, {}, "model_changed", Way.REBUILD),
        (lost_row(b"A", deleted=True), {}, "row_deleted", Way.REBUILD),
        (lost_row(b"A", deleted=False), {}, "row_overwritten", Way.REBUILD),
        (sealed_row("A", "row_too_large", "it was"), {}, "row_too_large", Way.REBUILD),
    ],
)
def test_while_the_inputs_hold_an_enrolment_by_a_model_that_is_there_the_way_back_is_to_fold_anew(
    row: bytes | None, said: dict[str, str], reason: str, way: Way
) -> None:
    with capture_logs() as logs:
        found = diagnose("A", row, ENROLLED, FakeTwins(), said)
    assert (found.reason, found.way, found.needed) == (reason, way, "")
    assert found.detail
    assert logs == [], "to look is to say nothing in the log"


def test_where_no_model_of_an_enrolment_is_there_somebody_must_put_its_file_back() -> None:
    found = diagnose("A", GONE, told(enrolment("A", "gone")), FakeTwins(), {})
    assert (found.reason, found.way) == ("model_changed", Way.REENROL)
    assert "model 'gone' is not in the library: put the file back, or name it by --model ID=FILE" in found.needed
    both = told(enrolment("A", "gone"), enrolment("A"))
    assert diagnose("A", GONE, both, FakeTwins(), {}).way is Way.REBUILD


def test_where_the_enrolment_is_gone_only_a_new_beginning_is_left() -> None:
    retracted = enrolment("A").model_copy(update={"status": "retracted"})
    for left in (told(lab("A", 1), shortened=("p.twin.commands",)), told(retracted, shortened=("p.twin.commands",))):
        found = diagnose("A", ROW[:-1], left, FakeTwins(), {})
        assert found.way is Way.REENROL
        assert (
            found.needed == "the inputs hold no enrolment to fold from; the first records of p.twin.commands are gone"
        )
    assert diagnose("A", None, told(lab("A", 1)), FakeTwins(), {}).detail == "nothing is known of this patient"
