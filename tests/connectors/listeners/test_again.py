"""Messages that were refused, read again by a profile that was mended."""

from __future__ import annotations

from dataclasses import replace

from connectors.facts.memory import Memory
from connectors.listeners.again import Again, read_again
from connectors.listeners.intake import Intake
from connectors.protocols.recorded import readings
from tests.connectors.listeners.test_intake import PROFILE, Kafka, reading, result, run


def test_what_the_profile_says_now_is_told_once_and_kept_no_more() -> None:
    async def body() -> None:
        kafka, memory = Kafka(), Memory()
        local, unknown = result("1.2", unit="K/uL"), result("3", unit="furlong", order="R-2")
        async with Intake(PROFILE, memory, kafka) as intake:
            for raw in (local, unknown):
                await intake.take(raw, reading(raw))
        mended = replace(PROFILE, units={"K/uL": "10*3/uL"})
        async with Intake(mended, memory, kafka) as intake:
            first = await read_again(intake, memory, lambda raw: readings(raw, mended))
            second = await read_again(intake, memory, lambda raw: readings(raw, mended))
        assert (first, second) == (Again(2, 1), Again(1, 1))
        assert [event.value.value for event in kafka.events()] == [1.2]
        assert memory.originals() == [unknown]

    run(body())
