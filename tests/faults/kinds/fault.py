"""A fault, and where all of them are entered."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.ground import Ground
from twin.events import InputEvent


@dataclass(frozen=True)
class Fault:
    """What is done, how many brokers of its own it needs (0: any that runs), and how often ``make test`` does it.

    ``story`` gives the events where a ward's will not do, from how often it is done and a seed.
    """

    inject: Callable[[Ground, random.Random, int], None]
    brokers: int
    short: int
    story: Story | None


FAULTS: dict[str, Fault] = {}

Inject = Callable[[Ground, random.Random, int], None]
Story = Callable[[int, int], list[InputEvent]]


def fault(*, brokers: int = 0, short: int = 1, story: Story | None = None) -> Callable[[Inject], Inject]:
    """Enter a function into `FAULTS`. It is given the ground, chance, and how often to do what it does."""

    def enter(inject: Inject) -> Inject:
        FAULTS[inject.__name__] = Fault(inject, brokers, short, story)
        return inject

    return enter
