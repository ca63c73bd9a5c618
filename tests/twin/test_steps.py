"""Work in steps comes to what it comes to in one go."""

from __future__ import annotations

import doctest

from twin import steps as module
from twin.steps import Steps, finished


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(module).failed == 0


def test_work_without_a_step_gives_its_result() -> None:
    def nothing() -> Steps[int]:
        return 3
        yield

    assert finished(nothing()) == 3
