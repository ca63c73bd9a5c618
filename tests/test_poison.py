"""What anybody may have written to the output topics ends neither a sink nor a console (see `tests.poison`)."""

from __future__ import annotations

import pytest

from tests.poison import read_by_a_console, read_by_a_sink, spoilt
from twin.events.story import PATIENT

RECORDS = 2_000


def test_spoilt_outputs_are_written_or_put_aside_once_and_the_page_is_still_drawn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    records = list(spoilt(7, RECORDS))
    done = read_by_a_sink(records)
    assert done["events"] == RECORDS
    assert done["letters"] > RECORDS // 3, "hardly anything was spoilt"
    assert done["lines"] > RECORDS // 10, "hardly anything was still good"
    seen = read_by_a_console(records)
    told = capsys.readouterr()
    assert PATIENT not in told.out + told.err, "a log names a patient"
    assert RECORDS // 3 < seen["undecodable"] < RECORDS
    assert seen["patients"] >= 1
