"""Work that is done a step at a time, so that whoever does it may see to others between two steps.

A long fold takes minutes; who keeps many twins takes a few of its steps, lets others have their turn, and goes on.

>>> def squares(numbers):
...     found = []
...     for number in numbers:
...         found.append(number * number)
...         yield
...     return found
>>> finished(squares([1, 2, 3]))
[1, 4, 9]
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

Result = TypeVar("Result")

Steps = Generator[None, None, Result]
"""Each ``next`` does one step; the last one gives the result."""


def finished(steps: Steps[Result]) -> Result:
    """The result of all steps, done one after the other."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
