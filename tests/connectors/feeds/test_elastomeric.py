"""Elastomeric pumps: what their label and what was left say of what went in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.feeds import elastomeric
from connectors.feeds.bad_lines import BadLine
from connectors.feeds.elastomeric import AT_THE_END, COLUMNS, open_feed, told
from connectors.feeds.stream import TimedEvent
from tests.twin import toys
from tests.twin.bedside import at, ms
from twin.events import InputEvent, PumpDelivery
from twin.record.admission import admit
from twin.record.history import History
from twin.timeline.delivery import Delivered, delivered

MODEL = toys.absorption()
LATER = datetime(2100, 1, 1, tzinfo=UTC)


def line(**changes: str) -> dict[str, str]:
    """A pump of 92 mL in 46 hours, at 1 mg/mL."""
    given = {
        "patient_id": "P-1", "device_id": "inf-1", "drug": "toxin", "concentration_mg_per_ml": "1", "volume_ml": "92",
        "started": hour(0), "planned_h": "46", "disconnected": "", "residual_ml": "",
    }  # fmt: skip
    return given | changes


def hour(number: float) -> str:
    return at(number).isoformat()


def events(now: datetime = LATER, **changes: str) -> list[InputEvent]:
    return list(told(line(**changes), None, "ward", now))


def went_in(said: list[InputEvent]) -> Delivered:
    history = History()
    for event in said:
        fit = admit(event, MODEL, lambda _: ())
        history.insert(fit, fit.rate.value if isinstance(fit, PumpDelivery) else None)
    return delivered("toxin", list(history.effective()), history.samples)


def over(found: Delivered, begin: float, end: float) -> float:
    return found.amount(ms(begin), ms(end))


def test_a_pump_flows_as_its_label_says_until_its_label_ends() -> None:
    found = went_in(events())
    assert (over(found, 0, 23), over(found, 0, 99)) == (pytest.approx(46.0), pytest.approx(92.0))


def test_what_is_still_to_come_is_not_told() -> None:
    assert [event.kind for event in events(at(1))] == ["pump_delivery", "pump_totals"]


@pytest.mark.parametrize(
    ("off", "left", "amount", "until"),
    [(48, "0", 92.0, 46), (40, "12", 80.0, 40), (50, "20", 72.0, 50), (30, "32", 60.0, 30), (30, "0", 92.0, 30)],
)
def test_what_was_left_says_how_much_and_until_when_it_flowed(
    off: float, left: str, amount: float, until: float
) -> None:
    found = went_in(events(disconnected=hour(off), residual_ml=left))
    assert over(found, 0, 200) == pytest.approx(amount, rel=0.01)
    assert over(found, until, 200) == pytest.approx(0.0)


def test_another_amount_than_the_labels_is_in_doubt_and_a_pumps_usual_error_is_not() -> None:
    assert went_in(events(disconnected=hour(48), residual_ml="20")).doubts != ()
    assert went_in(events(disconnected=hour(46), residual_ml="4")).doubts == ()


def test_the_end_of_the_label_gives_way_to_the_disconnection_whenever_it_is_told() -> None:
    during = events(disconnected=hour(50), residual_ml="20")
    before = events(at(47))
    assert went_in([*before, *during[3:]]) == went_in([*during[3:], *before]) == went_in(during)
    assert {event.event_id for event in before} < {event.event_id for event in during}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"volume_ml": "many"}, "incomplete: field 'volume_ml'"),
        ({"volume_ml": "-1"}, "out_of_range: field 'volume_ml'"),
        ({"planned_h": "nan"}, "out_of_range: field 'planned_h'"),
        ({"planned_h": "9999"}, "out_of_range: field 'planned_h'"),
        ({"started": "2026-03-02T09:00"}, "time_without_zone"),
        ({"started": "2026-03-02"}, "time_too_coarse"),
        ({"started": ""}, "no_time: field 'started'"),
        ({"disconnected": hour(46), "residual_ml": "93"}, "contradictory: field 'residual_ml'"),
        ({"disconnected": hour(46)}, "incomplete: field 'residual_ml'"),
        ({"disconnected": hour(-1), "residual_ml": "0"}, "contradictory: field 'disconnected'"),
        ({"patient_id": "Eva Geheimnis"}, "field 'patient_id'"),
        ({"device_id": ""}, "field 'device_id'"),
    ],
)
def test_a_line_that_cannot_be_used_says_why(tmp_path: Path, change: dict[str, str], text: str) -> None:
    path = tmp_path / "pumps.csv"
    names = (*COLUMNS, *AT_THE_END)
    rows = [",".join(names), ",".join(line(**change)[name] for name in names), ",".join(line()[name] for name in names)]
    path.write_text("\n".join(rows))
    bad, *rest = open_feed([path]).said
    assert isinstance(bad, BadLine)
    assert bad.reason.startswith(text)
    assert "Geheimnis" not in str(bad)
    assert len([one for one in rest if isinstance(one, TimedEvent)]) in (2, 3)


def test_a_zone_is_for_times_without_an_offset_and_columns_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "pumps.csv"
    path.write_text("patient_id,drug\nP-1,toxin\n")
    with pytest.raises(ValueError, match="no column device_id"):
        list(open_feed([path]).said)
    with pytest.raises(ValueError, match="--zone"):
        elastomeric.open_feed([path], zone="Berlin")
