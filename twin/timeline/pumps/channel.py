"""One channel of a pump: the rate from word to word, reconciled with what its counter counted.

A rate holds from one word to the next. Between two readings of the counter the rates are scaled so that they come to
what was counted, or as a hypothesis has it; what was counted while no word told of a rate is spread evenly. Where the
counter stands still with no word since, the pump stands until it speaks or counts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise

from twin.clock import MINUTE_MS
from twin.record.history import HOLD_MS
from twin.timeline.pumps.mismatch import matters, reconciled
from twin.timeline.pumps.silence import LATEST_STOP_MS, RUNNING, Hypothesis
from twin.timeline.pumps.steps import Steps, amount_of, value_at

COUNTER_TOLERANCE = 0.01
"""Counters and reported rates that agree within this fraction need no correction (pump accuracy is a few percent)."""

COUNTER_NOISE = 0.02
"""A counter may read less than before by this fraction of it without having been cleared: rounding of what it shows,
and a sensor's noise (assumed; infusion pumps themselves keep within about 5 %)."""

COUNTER_ACCURACY = 0.1
"""A pump's words agree within this fraction with what its counter counted in order (twice a pump's own error)."""

STANDS_MS = 15 * MINUTE_MS
"""A counter that did not count for so long tells that the pump stands; sooner its display may only round (assumed)."""

Standing = tuple[int, int | None]
"""From which reading of a counter that stands still to which word or reading (ms) the pump stands by it, where any word
in between would say otherwise; ``None``: nothing was told since."""

Doubt = tuple[int, int, float, float]
"""Two readings of a counter (ms), and what the rates and the counter came to between them (mg)."""


@dataclass(frozen=True)
class Channel:
    """What a channel delivers (mg/h), when its counter told that it stands, and between which readings (ms) it
    disagrees with the rates so much that it is in doubt when the difference went in; with what each came to (mg)."""

    steps: Steps
    stood: tuple[Standing, ...]
    doubts: tuple[Doubt, ...]


def last_of_instant(words: Steps) -> Steps:
    """The last word of each instant."""
    return [w for i, w in enumerate(words) if i + 1 == len(words) or words[i + 1][0] != w[0]]


def held(words: Steps, stops: Collection[int], falls: int | None) -> Steps:
    """A channel's words as a step function.

    A word that the pump stops, or still runs as it did, says that it ran until then. Any other after a long silence
    does not, and the rate before it ends `HOLD_MS` after it was told.

    Args:
        words: (ms, mg/h), distinct times, sorted.
        stops: times of those that say that the pump stops just then.
        falls: when (ms) the last rate ends, if nothing ends it.
    """
    steps: Steps = []
    for i, (millis, rate) in enumerate(words):
        if not steps or steps[-1][1] != rate:
            steps.append((millis, rate))
        if rate <= 0:
            continue
        if i + 1 == len(words):
            steps += [] if falls is None else [(falls, 0.0)]
        else:
            following, then = words[i + 1]
            believed = LATEST_STOP_MS if then == rate or following in stops else HOLD_MS
            if following - millis > believed:
                steps.append((millis + HOLD_MS, 0.0))
    return steps


def counted(steps: Steps, counter: Steps, words: Steps, assumed: Hypothesis = RUNNING) -> Channel:
    """A channel's rates reconciled with its counter's readings (ms, mg), sorted, as a hypothesis has it."""
    counter = _plausible(steps, counter)
    line, stood = _stood(steps, words, counter)
    doubts = list[Doubt]()
    in_doubt = None if assumed.of is None else (assumed.of.since, assumed.of.until)
    for (since, before), (until, after) in pairwise(counter):
        if after < before or until <= since:
            continue  # The counter was cleared in between: it says nothing about this stretch.
        said, found = amount_of(line, since, until), after - before
        if abs(found - said) <= COUNTER_TOLERANCE * max(found, said):
            continue
        if words and found > 0 and matters(since, until, found, said):
            doubts.append((since, until, said, found))
        within = reconciled(line, since, until, found, assumed.where if (since, until) == in_doubt else "even")
        resumed = (until, value_at(line, until))
        line = [*(s for s in line if s[0] < since), *within, resumed, *(s for s in line if s[0] > until)]
    return Channel(line, tuple(stood), tuple(doubts))


def _stood(said: Steps, words: Steps, counter: Steps) -> tuple[Steps, list[Standing]]:
    """A channel's rates, zero from where its counter stands still, with no word since, until it counts or speaks."""
    line, stood = said, list[Standing]()
    spoken = [millis for millis, _ in words]
    turns = sorted({*spoken, *(millis for millis, _ in counter)})
    still: int | None = None
    for (since, before), (until, after) in pairwise(counter):
        cleared = after < before
        moved = (after if cleared else after - before) > COUNTER_TOLERANCE * amount_of(said, since, until)
        if moved or bisect_right(spoken, since) < bisect_right(spoken, until):
            still = None
        elif still is None and not cleared:
            still = since
        if still is None or until - still < STANDS_MS:
            continue
        # Until the next reading, which is looked at in its turn, or the next word.
        line = [*line[: bisect_left(line, until, key=lambda step: step[0])], (until, 0.0)]
        end = next(iter(turns[bisect_right(turns, until) :]), None)
        if end is not None:
            line += [(end, value_at(said, end)), *(step for step in said if step[0] > end)]
        if value_at(said, until) > 0:
            stood.append((still, end))
    return line, stood


def _plausible(line: Steps, counter: Steps) -> Steps:
    """A counter's readings without those that are less than the one before though it was not cleared.

    A counter that was cleared has counted all that it shows since then. So a reading that is less by no more than
    `COUNTER_NOISE` is noise where the pump's words tell of less than half of that. Less by more, it is of a pump whose
    clock was set back, and counted earlier than what is read before it, where the words agree with what was counted
    from the reading before to the next that is more, and better than with a counter that was cleared.
    """
    kept: Steps = []
    for at, (millis, reading) in enumerate(counter):
        since, before = kept[-1] if kept else (millis, 0.0)
        dips = before * (1.0 - COUNTER_NOISE) <= reading < before
        if dips and amount_of(line, since, millis) < 0.5 * reading:
            continue
        later = next((one for one in counter[at + 1 :] if one[1] >= before), None) if reading < before else None
        if later is None or not _set_back(line, (since, before), (millis, reading), later):
            kept.append((millis, reading))
    return kept


def _set_back(line: Steps, last: tuple[int, float], less: tuple[int, float], later: tuple[int, float]) -> bool:
    """Whether a reading that is less than the ``last`` was counted before that, by a pump that ran all the while."""
    so_far, since = amount_of(line, last[0], less[0]), amount_of(line, less[0], later[0])
    if so_far <= 0.0 or since <= 0.0:
        return False
    as_set_back = abs(later[1] - last[1] - (so_far + since))
    as_cleared = abs(later[1] - less[1] - since)
    return as_set_back <= COUNTER_ACCURACY * (so_far + since) and as_set_back < as_cleared
