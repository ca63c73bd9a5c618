"""The vocabulary that users import is the one of the wire."""

from __future__ import annotations

import dosetwin.events
import twin.events


def test_every_event_of_the_wire_is_there() -> None:
    assert {kind.__name__ for kind in twin.events.EVENTS} <= set(dosetwin.events.__all__)
    for name in dosetwin.events.__all__:
        assert getattr(dosetwin.events, name) is getattr(twin.events, name)
