"""What a console counts, and that no patient is among it."""

from __future__ import annotations

from prometheus_client import generate_latest

from connectors.audit.access import Access
from connectors.audit.trail import Trail
from connectors.console.board import Board
from connectors.console.metrics import console_metrics
from connectors.console.topic_reader import LiveBoard, ReaderStatus
from connectors.settings import Settings
from tests import factories as make


def test_alerts_that_stand_are_counted_by_rule_and_nobody_is_named() -> None:
    live = LiveBoard(Board(), ReaderStatus(state="live", records=7, behind=3, undecodable=2))
    trail = Trail(Settings())
    trail.tell(Access("read", "done", "patient", patient="SECRET1"))
    live.fold([make.alert("SECRET1"), make.alert("SECRET2"), make.alert("SECRET1", rule="data.dropout")])
    live.fold([make.alert("SECRET3"), make.alert("SECRET3", phase="end", revision=1)])
    text = generate_latest(console_metrics(live, trail)).decode()
    for line in (
        'dosetwin_console_alerts{rule="tox.neutropenia_g4"} 2.0',
        'dosetwin_console_alerts{rule="data.dropout"} 1.0',
        "dosetwin_console_lag_records 3.0",
        "dosetwin_console_records_total 7.0",
        "dosetwin_console_undecodable_total 2.0",
        "dosetwin_console_live 1.0",
        "dosetwin_console_patients 3.0",
        "dosetwin_console_accesses_waiting 1.0",
    ):
        assert line in text
    assert "SECRET" not in text
