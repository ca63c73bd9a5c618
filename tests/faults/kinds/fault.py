"""A fault, and where all of them are entered."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.ground import Ground


@dataclass(frozen=True)
class Fault:
    """What is done, how many brokers of its own it needs (0: any that runs), and how often ``make test`` does it."""

    inject: Callable[[Ground, random.Random, int], None]
    brokers: int
    short: int


FAULTS: dict[str, Fault] = {}

Inject = Callable[[Ground, random.Random, int], None]


def fault(*, brokers: int = 0, short: int = 1) -> Callable[[Inject], Inject]:
    """Enter a function into `FAULTS`. It is given the ground, chance, and how often to do what it does."""

    def enter(inject: Inject) -> Inject:
        FAULTS[inject.__name__] = Fault(inject, brokers, short)
        return inject

    return enter
