"""InfluxDB is away, is full, and refuses: what it should hold waits in Kafka, and no twin minds."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

from tests.faults.ground import Ground, until
from tests.faults.kinds.fault import fault
from tests.faults.small_disk import filled, small_disk
from tests.faulty_influx import Answer, Fault, always, passing

REFUSALS: tuple[Fault, ...] = (
    always(Answer(429, headers={"Retry-After": "1"})),
    always(Answer(500, "internal error")),
    always(Answer(503, "starting")),
    lambda _: Answer(204, after=0.3, passed=True),
)
"""What is answered in turn: it passes by itself, and the last is only slow."""


@fault()
def database_gone(ground: Ground, chance: random.Random, times: int) -> None:
    """InfluxDB is killed, and back after a while (five minutes in all in a soak); twins go on, the sink's lag shows."""
    database = ground.open_database()
    ground.start("one")
    for _ in range(times):
        ground.feed(0.4 / times)
        time.sleep(chance.uniform(0.3, 1.0))
        database.kill()
        ground.feed(0.4 / times)
        ground.fed()
        ground.stage.wait_until_committed(60)  # by the twins, of which the database is no concern
        time.sleep(1.0 if times == 1 else 300.0 / times)
        assert database.lag() > 0, "nothing waits for a database that is away"
        database.start()


@fault()
def database_refuses(ground: Ground, chance: random.Random, times: int) -> None:
    """429, 500, 503 and slow answers one after the other; and one line is refused for good: its record is put aside."""
    database = ground.open_database()
    bad = database.refused

    def fault(lines: Sequence[str]) -> Answer | None:
        bad.extend([line for line in lines if line.startswith("health,")][:1] if not bad else [])
        if bad and bad[0] in lines:
            return Answer(422, "refused")
        return now(lines)

    now: Fault = passing
    database.door.fault = fault
    ground.start("one")
    for _ in range(times):
        for now in REFUSALS if times > 1 else REFUSALS[::3]:  # noqa: B007
            ground.feed(0.8 / times / len(REFUSALS))
            time.sleep(chance.uniform(1.0, 2.0))
        now = passing
        ground.fed()
    until(lambda: bool(bad), 60.0, "a line that can be refused")


@fault(short=0)
def database_full(ground: Ground, chance: random.Random, times: int) -> None:
    """The file system of the database has no room for a while. As root alone, who may mount one.

    When there is room again the server is started anew, as the operations page says: it does not by itself open a
    shard again that it could not open on a full disk.
    """
    with small_disk(ground.directory / "disk", 256) as disk:
        database = ground.open_database(disk / "influx")
        ground.start("one")
        for _ in range(times):
            ground.feed(0.4 / times)
            time.sleep(chance.uniform(0.3, 1.0))
            with filled(disk):
                ground.feed(0.4 / times)
                ground.fed()
                ground.stage.wait_until_committed(300)
                time.sleep(2.0)
                assert database.lag() > 0, "a full disk took everything"
            database.kill()
            database.start()
        found = ground.finish()
        assert not found, found
