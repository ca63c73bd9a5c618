"""What is told together, under an id that is the same when the same is told again."""

from __future__ import annotations

import re

from connectors.sinks.telling.message import Message, counted
from tests.connectors.sinks.telling.told import OVER, alert


def test_a_single_alert_has_its_own_id_and_several_one_that_their_order_does_not_change() -> None:
    one, other = alert(), alert("P-2")
    assert Message((one,)).message_id == one.event_id
    assert re.fullmatch("[0-9a-f]{32}", Message((alert(event_id="1\r\nBcc: all@one.example"),)).message_id)
    assert Message((one, other)).message_id == Message((other, one)).message_id
    assert Message((one,), summary=True).message_id not in (one.event_id, Message((one, other)).message_id)


def test_the_last_word_of_each_alert_counts_what_stands_first_and_then_by_severity() -> None:
    mild, over, grave = alert("P-1"), alert("P-2", revision=1, phase=OVER), alert("P-3", severity="high")
    message = Message((alert("P-2"), mild, over, grave))
    assert message.newest == (grave, mild, over)
    assert message.patients == ("P-2", "P-1", "P-3")
    assert counted(message.alerts) == "1 high, 3 low"
