"""Threads are shared so that work that is not long waits for none that is."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest

from streams.worker.turns import threads as module
from streams.worker.turns.threads import LIGHT, LONG, OVERRUN, FairThreads
from twin.steps import Steps


class Gate:
    """Work that lasts until it is let through, and then has taken ``seconds`` of a processor; it notes its begin."""

    def __init__(self, journal: list[str], seconds: float = 0.0) -> None:
        self.journal = journal
        self.seconds = seconds
        self.open = threading.Event()

    def __call__(self, name: str) -> str:
        self.journal.append(name)
        assert self.open.wait(10.0)
        used.seconds = processor() + self.seconds
        return name


used = threading.local()


def processor() -> float:
    """What a thread says that it has used of a processor (s)."""
    return float(getattr(used, "seconds", 0.0))


@pytest.fixture
async def threads() -> AsyncIterator[FairThreads]:
    found = FairThreads(processor=processor)
    yield found
    found.close()


async def begun(journal: list[str], count: int) -> None:
    async with asyncio.timeout(5.0):
        while len(journal) < count:
            await asyncio.sleep(0.005)


async def test_work_gives_its_result_and_its_error(threads: FairThreads) -> None:
    assert await threads.run("A", divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await threads.run("A", divmod, 7, 0)
    assert not threads.is_heavy("A")


async def test_work_that_turns_out_long_gives_its_place_to_the_next(threads: FairThreads) -> None:
    journal: list[str] = []
    gate = Gate(journal, seconds=1.1 * LONG)
    long = [asyncio.create_task(threads.run(f"L{i}", gate, f"long {i}")) for i in range(LIGHT)]
    await begun(journal, LIGHT)
    async with asyncio.timeout(5.0):
        assert [await threads.run(f"P{i}", str, i) for i in range(20)] == [str(i) for i in range(20)]
    assert not any(task.done() for task in long)
    gate.open.set()
    await asyncio.gather(*long)
    assert all(threads.is_heavy(f"L{i}") for i in range(LIGHT))


async def test_heavy_patients_take_turns_in_one_place_and_hold_up_nobody(
    threads: FairThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal: list[str] = []
    threads._heavy = {"H0", "H1", "H2"}
    gate = Gate(journal)
    heavy = [asyncio.create_task(threads.run(f"H{i}", gate, f"heavy {i}")) for i in range(3)]
    await begun(journal, 1)
    monkeypatch.setattr(module, "LONG", 60.0)  # No light slice that waits long here would be let go beside.
    async with asyncio.timeout(5.0):
        assert [await threads.run(f"P{i}", str, i) for i in range(20)] == [str(i) for i in range(20)]
    assert journal == ["heavy 0"], "the others wait for their turn"
    gate.open.set()
    await asyncio.gather(*heavy)
    assert journal == ["heavy 0", "heavy 1", "heavy 2"]
    assert not any(threads.is_heavy(f"H{i}") for i in range(3)), "what is quick again is heavy no more"


async def test_work_that_was_only_slow_beside_others_is_not_heavy(threads: FairThreads) -> None:
    journal: list[str] = []
    gate = Gate(journal, seconds=0.9 * LONG)
    slow = asyncio.create_task(threads.run("P", gate, "slow"))
    await begun(journal, 1)
    await asyncio.sleep(2 * LONG)
    gate.open.set()
    await slow
    assert not threads.is_heavy("P")


async def test_the_slices_of_a_work_count_together_however_short_each_is(
    threads: FairThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", 0.01)

    def fold() -> Steps[list[bool]]:
        heavy = []
        for _ in range(3):
            used.seconds = processor() + 0.004
            time.sleep(0.011)
            yield
            heavy.append(threads.is_heavy("P"))
        return heavy

    assert await threads.run_steps("P", fold(), lambda: True) == [False, False, True]


async def test_only_so_much_runs_beside(threads: FairThreads) -> None:
    journal: list[str] = []
    gate = Gate(journal)
    tasks = [asyncio.create_task(threads.run(f"L{i}", gate, f"{i}")) for i in range(LIGHT + OVERRUN + 3)]
    await begun(journal, LIGHT + OVERRUN)
    await asyncio.sleep(0.3)
    assert len(journal) == LIGHT + OVERRUN
    gate.open.set()
    await asyncio.gather(*tasks)


async def test_work_that_is_given_up_while_it_waits_leaves_its_turn_to_the_next(threads: FairThreads) -> None:
    journal: list[str] = []
    threads._heavy = {"H0", "H1", "H2"}
    gate = Gate(journal)
    tasks = [asyncio.create_task(threads.run(f"H{i}", gate, f"heavy {i}")) for i in range(3)]
    await begun(journal, 1)
    tasks[1].cancel()
    gate.open.set()
    assert await tasks[2] == "heavy 2"
    assert journal == ["heavy 0", "heavy 2"]


async def test_work_in_steps_lets_others_have_their_turn(threads: FairThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONG", 0.005)
    journal: list[str] = []

    def fold(name: str, steps: int) -> Steps[str]:
        for _ in range(steps):
            time.sleep(0.004)
            journal.append(name)
            yield
        return name

    threads._heavy = {"years", "days"}
    years = asyncio.create_task(threads.run_steps("years", fold("years", 100), lambda: True))
    await begun(journal, 3)
    assert await threads.run_steps("days", fold("days", 4), lambda: True) == "days"
    assert not years.done(), "two heavy patients take turns"
    assert await years == "years"
    assert journal.count("years") == 100


async def test_work_in_steps_ends_when_it_is_not_wanted(threads: FairThreads, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONG", 0.0)
    journal: list[str] = []

    def endless() -> Steps[None]:
        while True:
            journal.append("step")
            yield

    await threads.run_steps("A", endless(), lambda: len(journal) < 3)
    assert len(journal) == 3


async def test_a_step_that_fails_fails_the_work(threads: FairThreads) -> None:
    def broken() -> Steps[None]:
        yield
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await threads.run_steps("A", broken(), lambda: True)
