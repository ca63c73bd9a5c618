"""What a way in counts: by source, kind and reason, and by nothing that is a patient's."""

from __future__ import annotations

from prometheus_client import generate_latest

from connectors.facts.memory import Memory
from connectors.listeners.intake import Intake
from connectors.listeners.metrics import registry_of
from tests.connectors.listeners.test_intake import PROFILE, Kafka, reading, result, run


def test_the_counts_are_those_of_the_intake() -> None:
    async def body() -> None:
        async with Intake(PROFILE, Memory(), Kafka()) as intake:
            for raw in (result("1.2"), result("1.2"), result("9", unit="K/uL", order="R-2")):
                await intake.take(raw, reading(raw))
            registry = registry_of({"lab-east": intake}, [("connections", "Senders that are connected", lambda: 3)])
        found = {
            line.rpartition(" ")[0]: line.rpartition(" ")[2] for line in generate_latest(registry).decode().splitlines()
        }
        assert found['dosetwin_intake_messages_total{source="lab-east"}'] == "3.0"
        assert found['dosetwin_intake_events_total{kind="lab_result",source="lab-east"}'] == "1.0"
        assert found['dosetwin_intake_repeated_facts_total{source="lab-east"}'] == "1.0"
        assert found['dosetwin_intake_refused_facts_total{reason="unknown_unit",source="lab-east"}'] == "1.0"
        assert found["dosetwin_intake_connections"] == "3.0"

    run(body())
