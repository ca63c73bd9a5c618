"""The trail on a real broker: what is read is told whenever the broker is there, and who acts waits for it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.audit.access import Access, missing
from connectors.audit.keeping import verify_chain, write_chain
from connectors.audit.trail import NoRoom, Trail
from connectors.kafka.clients import NotConfirmed, open_admin
from connectors.kafka.topics import ACCESSES
from connectors.settings import Settings
from tests.connectors.audit.relay import Relay
from tests.connectors.audit.told import accesses

READ = Access(
    "read", "done", "patient", who="nurse-7", role="clinician", patient="P-1", address="192.0.2.7", status=200
)
ACT = Access("act", "begins", "alert", who="nurse-7", role="clinician", patient="P-1", subject="e1")
KNOCK = Access("read", "refused", "ward", address="192.0.2.9", status=401)


@pytest.fixture
def settings(kafka: str) -> Settings:
    return Settings(kafka=kafka, topic_prefix=f"t{uuid.uuid4().hex[:8]}.", partitions=2)


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_is_told_is_there_in_order_and_numbered_and_an_action_before_it_is_done(settings: Settings) -> None:
    trail = Trail(settings)
    trail.start()
    trail.tell(READ)
    trail.confirm(ACT)
    assert [access.deed for access in accesses(settings)] == ["console", "read", "act"]
    for _ in range(3):
        trail.tell(KNOCK)
    trail.stop()
    told = accesses(settings, trail.seat)
    assert [(access.deed, access.outcome, access.times) for access in told] == [
        ("console", "begins", 1),
        ("read", "done", 1),
        ("act", "begins", 1),
        ("read", "refused", 1),
        ("read", "refused", 2),
        ("console", "done", 1),
    ]
    assert [access.number for access in told] == list(range(6))
    assert list(missing(told)) == []
    assert told[1].time.endswith("+00:00")


def test_while_kafka_is_away_reading_goes_on_and_acting_is_refused_and_all_is_told_later(
    settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "accesses"
    with Relay(settings.kafka) as relay:
        away = settings.model_copy(update={"kafka": relay.address})
        killed = Trail(away, file)
        killed.start()
        began = time.process_time()
        for _ in range(100):
            killed.tell(READ)
        assert time.process_time() - began < 1.0
        with pytest.raises(NotConfirmed, match=r"cannot be recorded who does it \(no Kafka answers"):
            killed.confirm(ACT)
        killed.stop(0.1)
        assert file.read_bytes().count(b"\n") == killed.waiting > 100

        trail = Trail(away, file)
        trail.start()
        trail.tell(READ)
        relay.open()
        until(lambda: not trail.waiting)
        trail.confirm(ACT)
        trail.stop()
    told = accesses(settings)
    assert {access.seat for access in told} == {killed.seat, trail.seat}
    assert [access.deed for access in told if access.seat == killed.seat].count("read") == 100
    assert [access.deed for access in told if access.seat == trail.seat] == ["console", "read", "act", "console"]
    assert write_chain(settings, lambda: False, follow=False) == len(told)
    assert not any(verify_chain(settings).values())


def test_an_access_that_is_taken_out_is_found(settings: Settings) -> None:
    for _ in range(2):
        trail = Trail(settings)
        trail.start()
        trail.confirm(ACT)
        trail.stop()
    write_chain(settings, lambda: False, follow=False)
    admin = open_admin(settings.kafka)
    admin.delete_topics([settings.topic_prefix + ACCESSES])
    until(lambda: settings.topic_prefix + ACCESSES not in admin.list_topics())
    admin.close()
    # A console writes to the partition that its seat falls into: sooner or later to one that was told of.
    for _ in range(20):
        trail = Trail(settings)
        trail.start()
        trail.stop()
        faults = [fault for found in verify_chain(settings).values() for fault in found]
        if any("of the accesses was changed after it was told of" in fault for fault in faults):
            break
    else:
        pytest.fail(f"nothing was found to have changed: {faults}")
    assert any("of the accesses is gone, which the chain tells of" in fault for fault in faults)


def test_where_too_much_waits_nothing_more_is_read_and_refusals_leave_room_before(settings: Settings) -> None:
    with Relay(settings.kafka) as relay:
        trail = Trail(settings.model_copy(update={"kafka": relay.address}), most=10)
        trail.start()
        for number in range(20):
            trail.tell(Access("read", "refused", "ward", address=f"192.0.2.{number}", status=401))
        assert (trail.waiting, trail.left_out) == (8, 13)
        trail.tell(READ)
        trail.tell(READ)
        with pytest.raises(NoRoom, match="10 accesses wait to be recorded"):
            trail.tell(READ)
        with pytest.raises(NoRoom):
            trail.confirm(ACT)
        relay.open()
        until(lambda: not trail.waiting)
        trail.tell(READ)
        trail.stop()
    told = accesses(settings, trail.seat)
    assert list(missing(told)) == [], "what had no room has no number"
