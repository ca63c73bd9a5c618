"""What a long command says about how far it is."""

from __future__ import annotations

import io

from streams.terminal.progress import PlainLines, progress


class Clock:
    """A clock that stands still until it is told otherwise."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_plain_lines_are_silent_at_first_and_then_come_now_and_then() -> None:
    said: list[str] = []
    clock = Clock()
    reached = PlainLines("replay", "patients", 8, said.append, clock)
    for second in range(12):
        clock.now = 100.0 + second
        reached(second // 2)
    assert said == ["replay: 1 of 8 patients (12 %)", "replay: 3 of 8 patients (38 %)"]


def test_without_a_total_just_the_number_is_said() -> None:
    said: list[str] = []
    clock = Clock()
    reached = PlainLines("reading", "events", None, said.append, clock)
    clock.now += 3
    reached(1200)
    assert said == ["reading: 1200 events"]


def test_a_terminal_gets_a_bar() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    with progress("replay", "patients", 4, stream=terminal) as reached:
        reached(3)
    assert "replay" in terminal.getvalue()
    assert "3/4" in terminal.getvalue()


def test_other_output_gets_no_bar_and_nothing_for_short_work() -> None:
    plain = io.StringIO()
    with progress("replay", "patients", 4, stream=plain) as reached:
        reached(4)
    assert plain.getvalue() == ""
