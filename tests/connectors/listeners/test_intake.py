"""The one way in: safe before it is acknowledged, told once whatever is lost in between, and silent about patients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.facts.codes import Codes
from connectors.facts.fact import NotAFact, Reading
from connectors.facts.memory import Memory
from connectors.facts.patients import Pseudonyms
from connectors.facts.profile import Profile
from connectors.kafka.topics import DEVICES
from connectors.listeners.intake import MOST_WAITING, Intake, NotSafe
from connectors.privacy.patient_keys import PatientKeys
from connectors.privacy.pseudonyms import PseudonymStore, create_pseudonym_store
from connectors.protocols.hl7.reading import message_of, read
from twin.devices.words import DeviceWord, read_word
from twin.events import Rejected, decode

PROFILE = Profile("lab-east", "hl7", Codes(), Pseudonyms(b"k" * 16))


def result(value: str, *, status: str = "F", patient: str = "4711", order: str = "R-1", unit: str = "10*9/L") -> bytes:
    return "\r".join(
        (
            "MSH|^~\\&|LAB|EAST|||20260302090000+0100||ORU^R01|1|P|2.5",
            f"PID|1||{patient}^^^EAST^MR||Doe^Jane",
            f"OBR|1||{order}|58410-2^CBC^LN|||20260302080000+0100",
            f"OBX|1|NM|751-8^Neutrophils^LN||{value}|{unit}|||||{status}",
        )
    ).encode()


class Kafka:
    """Stands for a producer where a test must decide which record is confirmed, which no broker can be told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes | None, bytes]] = []
        self.down = False

    async def send(self, topic: str, *, key: bytes | None, value: bytes) -> Awaitable[object]:
        confirmation: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if self.down:
            confirmation.set_exception(ConnectionError("no broker"))
        else:
            self.sent.append((topic, key, value))
            confirmation.set_result(None)
        return confirmation

    def events(self) -> list[Any]:
        return [decode(value) for topic, _, value in self.sent if topic != "twin.rejected"]

    def letters(self) -> list[Rejected]:
        return [Rejected.model_validate_json(value) for topic, _, value in self.sent if topic == "twin.rejected"]


def reading(raw: bytes) -> Callable[[], list[Reading]]:
    return lambda: [read(message_of(raw, PROFILE), PROFILE)]


def run(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def test_what_is_taken_is_in_kafka_with_the_patient_as_key() -> None:
    async def body() -> None:
        kafka = Kafka()
        async with Intake(PROFILE, Memory(), kafka, "w.") as intake:
            await intake.take(result("1.2"), reading(result("1.2")))
        (topic, key, value) = kafka.sent[0]
        event = decode(value)
        assert (topic, key) == ("w.clinical.labs", event.patient_id.encode())
        assert event.source == "lab-east"

    run(body())


def test_a_repetition_changes_nothing_and_a_correction_names_what_stands() -> None:
    async def body() -> None:
        kafka = Kafka()
        async with Intake(PROFILE, Memory(), kafka) as intake:
            for raw in (result("1.2"), result("1.2"), result("1.4", status="C"), result("1.4", status="C")):
                await intake.take(raw, reading(raw))
            assert (intake.counts.messages, intake.counts.repeated) == (4, 2)
        first, second = kafka.events()
        assert (second.status, second.replaces) == ("corrected", first.event_id)

    run(body())


def test_what_kafka_does_not_confirm_is_not_acknowledged_and_is_sent_when_it_is_back() -> None:
    async def body() -> None:
        kafka = Kafka()
        async with Intake(PROFILE, Memory(), kafka) as intake:
            kafka.down = True
            with pytest.raises(NotSafe):
                await intake.take(result("1.2"), reading(result("1.2")))
            with pytest.raises(NotSafe):
                await intake.take(result("1.4", status="C"), reading(result("1.4", status="C")))
            kafka.down = False
            await intake.take(result("1.2", order="R-2"), reading(result("1.2", order="R-2")))
        first, second, third = kafka.events()
        assert (first.value.value, second.value.value) == (1.2, 1.4)
        assert second.replaces == first.event_id
        assert third.replaces is None

    run(body())


def test_what_a_killed_feed_had_remembered_is_sent_by_the_next_with_the_same_id(tmp_path: Path) -> None:
    async def body() -> None:
        kafka = Kafka()
        kafka.down = True
        memory = Memory(tmp_path / "lab-east.sqlite")
        async with Intake(PROFILE, memory, kafka) as intake:
            with pytest.raises(NotSafe):
                await intake.take(result("1.2"), reading(result("1.2")))
        memory.close()
        kafka.down = False
        again = Memory(tmp_path / "lab-east.sqlite")
        async with Intake(PROFILE, again, kafka) as intake:
            await intake.take(result("1.2"), reading(result("1.2")))
        again.close()
        assert [event.value.value for event in kafka.events()] == [1.2]
        assert (tmp_path / "lab-east.sqlite").stat().st_mode & 0o077 == 0

    run(body())


def test_a_dead_letter_names_the_message_and_nobody_in_it() -> None:
    async def body() -> None:
        kafka, memory = Kafka(), Memory()
        raw = result("1.2", unit="K/uL")
        async with Intake(PROFILE, memory, kafka) as intake:
            taken = await intake.take(raw, reading(raw))
            assert taken.unreadable is None
        (letter,) = kafka.letters()
        assert letter.reason == "unknown_unit"
        assert letter.original_base64 is None
        assert "OBX[1]" in letter.detail
        assert "'lab-east'" in letter.detail
        assert not any(name in letter.detail for name in ("Doe", "Jane", "4711"))
        assert memory.originals() == [raw]

    run(body())


def test_what_cannot_be_read_at_all_is_a_dead_letter_and_safe() -> None:
    async def body() -> None:
        kafka = Kafka()

        def unreadable() -> list[Reading]:
            raise NotAFact("malformed", "no message")

        async with Intake(PROFILE, Memory(), kafka) as intake:
            taken = await intake.take(b"?", unreadable)
        assert taken.unreadable is not None
        assert [letter.reason for letter in kafka.letters()] == ["malformed"]

    run(body())


def test_a_reader_that_breaks_harms_no_neighbour() -> None:
    async def body() -> None:
        kafka = Kafka()

        def broken() -> list[Reading]:
            raise RuntimeError("a fault of ours")

        async with Intake(PROFILE, Memory(), kafka) as intake:
            good, bad = await asyncio.gather(
                intake.take(result("1.2"), reading(result("1.2"))), intake.take(b"?", broken), return_exceptions=True
            )
        assert not isinstance(good, BaseException)
        assert not isinstance(bad, NotSafe)
        assert [event.value.value for event in kafka.events()] == [1.2]
        assert [letter.reason for letter in kafka.letters()] == ["malformed"]

    run(body())


def test_more_than_can_wait_is_told_to_come_again() -> None:
    async def body() -> None:
        intake = Intake(PROFILE, Memory(), Kafka())  # nobody takes anything yet
        waiting = [asyncio.ensure_future(intake.take(b"", list)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(NotSafe, match=f"{MOST_WAITING} messages"):
            await intake.take(b"", list)
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    run(body())


def test_what_a_pump_says_of_nobody_is_given_to_whoever_knows_its_bindings() -> None:
    pump = "\r".join(
        (
            "MSH|^~\\&|PUMP|EAST|||20260302090000+0100||ORU^R42^ORU_R01|1|P|2.6|||AL|NE",
            "PID|||Unknown Patient",
            "OBR|1|A|B|L01CD02^Docetaxel^ATC|||20260302085959+0100",
            "OBX|1||70049^MDC_DEV_PUMP_INFUS_LVP_MDS^MDC|1.0.0.0|||||||X|||||||pump-4",
            "OBX|2|CWE|68487^MDC_ATTR_EVT_COND^MDC|1.0.0.2|197288^MDC_EVT_PUMP_DELIV_START^MDC||||||R",
            "OBX|3|ST|68488^MDC_ATTR_EVT_SOURCE^MDC|1.0.0.3|1.1.2.0||||||R",
            "OBX|4|CWE|158005^MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS^MDC|1.1.2.1|^pump-delivery-status-delivering||||||R",
            "OBX|5|NM|158014^MDC_FLOW_FLUID_PUMP_CURRENT^MDC|1.1.2.2|250|265266^MDC_DIM_MILLI_L_PER_HR^MDC||||||R",
            "OBX|6|NM|157760^MDC_CONC_DRUG^MDC|1.1.2.3|0.4|264306^MDC_DIM_MILLI_G_PER_ML^MDC||||||R",
        )
    ).encode()

    async def body() -> None:
        kafka = Kafka()
        async with Intake(PROFILE, Memory(), kafka, now=lambda: datetime(2026, 3, 2, 8, 0, 1, tzinfo=UTC)) as intake:
            for _ in range(2):
                await intake.take(pump, reading(pump))
        ((topic, key, value),) = kafka.sent
        assert (topic, key) == (DEVICES, b"pump-4")
        word = read_word(value)
        assert isinstance(word, DeviceWord)
        assert (word.event.kind, word.received_at) == ("pump_delivery", datetime(2026, 3, 2, 8, 0, 1, tzinfo=UTC))

    run(body())


def test_while_nobody_can_say_whose_it_is_a_message_is_to_be_sent_again(tmp_path: Path) -> None:
    create_pseudonym_store(tmp_path / "pseudonyms", b"m" * 32)
    store = PseudonymStore(PatientKeys(tmp_path / "pseudonyms", b"m" * 32))
    profile = Profile("lab-east", "hl7", Codes(), Pseudonyms(store))

    async def body() -> None:
        memory, kafka, raw = Memory(), Kafka(), result("2.1")
        async with Intake(profile, memory, kafka) as intake:
            folder = tmp_path / "pseudonyms" / "pseudonyms"
            folder.rename(tmp_path / "away")
            with pytest.raises(NotSafe, match="KeysUnusable"):
                await intake.take(raw, lambda: [read(message_of(raw, profile), profile)])
            assert kafka.sent == []
            (tmp_path / "away").rename(folder)
            await intake.take(raw, lambda: [read(message_of(raw, profile), profile)])
            assert [event.patient_id for event in kafka.events()] == [store.pseudonym("", "EAST", "4711")]

    run(body())
