"""All faults for as long as one likes: ``python -m tests.faults.soak --out DIR``, or ``make soak``.

Each is injected into a ward and brokers of its own; what differs afterwards from twins that no stream has touched is
written to ``soak.json`` and ``soak.html``, beside the seconds and what the workers' memory came to; the logs of each
are in a folder of its name. Exit code 1 where anything differs, or where memory has grown by more than 2 % in the
hour without a fault.
"""

from __future__ import annotations

import argparse
import html
import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

from tests.faults.devices import devices_killed
from tests.faults.ground import PARTICLES, on_own_brokers, settle_particles, ward_story
from tests.faults.kinds import FAULTS
from tests.faults.shuffles import beliefs, week
from tests.faults.steady import steady
from tests.faults.verdict import Undisturbed
from tests.fuzz import messages

WITHOUT_WORKERS = ("shuffled", "messages_mutated", "devices_killed")
"""What is done where no worker keeps twins."""


def soaked(name: str, times: int, seed: int, logs: Path) -> dict[str, Any]:
    """One fault, ``times`` times over, on a story long enough for it."""
    fault = FAULTS[name]
    story = fault.story(times, seed) if fault.story else ward_story(days=max(4.0, min(times / 5, 60.0)), seed=seed)
    expected = Undisturbed.of(story, PARTICLES)
    began = time.monotonic()
    with on_own_brokers(expected, logs, max(fault.brokers, 1)) as ground:
        try:
            fault.inject(ground, random.Random(seed), times)
            found = ground.finish()
        except AssertionError as error:
            found = [str(error)]
    return {
        "fault": name,
        "what": (fault.inject.__doc__ or "").strip(),
        "times": times,
        "events": len(expected.events),
        "seconds": round(time.monotonic() - began),
        "differences": found,
        "measured": ground.measured,
    }


def shuffled(times: int, seed: int) -> dict[str, Any]:
    """One week in so many orders, without any stream."""
    began = time.monotonic()
    return {
        "fault": "shuffled",
        "what": "A week of one patient, with repeats, corrections and retractions, in any order and any bursts.",
        "times": times,
        "events": times * len(week(seed)[1]),
        "differences": beliefs(times, seed),
        "seconds": round(time.monotonic() - began),
    }


def mutated(count: int, seed: int) -> dict[str, Any]:
    """Messages of each protocol that somebody broke, without any stream."""
    began = time.monotonic()
    became, wrong = messages.run(count, seed)
    return {
        "fault": "messages_mutated",
        "what": "Messages of each protocol are broken in a few places, and told as a feed tells them.",
        "times": count,
        "events": count * len(messages.PROTOCOLS),
        "differences": wrong,
        "seconds": round(time.monotonic() - began),
        "measured": dict(sorted(became.items())),
    }


def page(reports: list[dict[str, Any]]) -> str:
    """The reports as a page that asks nothing of anyone."""
    rows = "".join(
        f"<tr><td>{html.escape(each['fault'])}</td><td>{html.escape(each['what'])}</td><td>{each['times']}</td>"
        f"<td>{each['events']}</td><td>{each['seconds']}</td>"
        f"<td>{html.escape('; '.join(each['differences'][:5])) or 'none'}"
        f"{_figures(each.get('measured', {}))}{_curve(each.get('memory_mib', []))}</td></tr>"
        for each in reports
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Faults survived</title>"
        "<style>body{font:15px system-ui;margin:2rem}td,th{padding:.3rem .8rem;text-align:left}</style>"
        "<h1>Faults survived</h1><table><tr><th>Fault<th>What is done<th>Times<th>Events<th>Seconds<th>Differences"
        f"</tr>{rows}</table></html>"
    )


def _figures(measured: dict[str, float]) -> str:
    """What was measured, a line each."""
    return "".join(f"<br>{html.escape(name)}: {value:g}" for name, value in measured.items())


def _curve(memory: list[float]) -> str:
    """MiB over time as a small picture, from zero; nothing where there is none."""
    if len(memory) < 2:
        return ""
    top = max(memory)
    points = " ".join(f"{300 * at / (len(memory) - 1):.1f},{60 - 60 * mib / top:.1f}" for at, mib in enumerate(memory))
    return (
        f"<br>memory {memory[0]:g} to {memory[-1]:g} MiB, at most {top:g}<br><svg width=300 height=62>"
        f"<polyline fill=none stroke=currentColor points='{points}'/></svg>"
    )


def main() -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("soak"))
    parser.add_argument("--kills", type=int, default=500, help="how often a worker is killed")
    parser.add_argument("--times", type=int, default=20, help="how often each other fault is injected")
    parser.add_argument("--fuzzed", type=int, default=100_000, help="spoilt records among the good ones")
    parser.add_argument("--corrections", type=int, default=20_000, help="of the start of one patient's record")
    parser.add_argument("--shuffles", type=int, default=1000, help="in how many orders a week is told")
    parser.add_argument("--messages", type=int, default=10_000, help="of each protocol that are broken and read")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long nothing happens; 0 leaves it out")
    parser.add_argument("--only", action="append", choices=[*sorted(FAULTS), *WITHOUT_WORKERS, "none"],
                        help="this fault alone, or none; repeatable")  # fmt: skip
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    settle_particles()
    options.out.mkdir(parents=True, exist_ok=True)
    reports: list[dict[str, Any]] = []
    names = options.only or [*sorted(FAULTS), *WITHOUT_WORKERS, "none"]
    for name in (each for each in names if each in FAULTS):
        times = {
            "worker_killed": options.kills, "inputs_fuzzed": options.fuzzed, "record_corrected": options.corrections,
        }.get(name, options.times)  # fmt: skip
        reports.append(soaked(name, times, options.seed, _fresh(options.out / name)))
        print(f"{name}: {'; '.join(reports[-1]['differences'][:5]) or 'no difference'}", flush=True)
    if "shuffled" in names:
        reports.append(shuffled(options.shuffles, options.seed))
    if "messages_mutated" in names:
        reports.append(mutated(options.messages, options.seed))
    if "devices_killed" in names:
        reports.append(devices_killed(options.times, options.seed, _fresh(options.out / "devices_killed")))
    if options.minutes and "none" in names:
        reports.append(steady(options.minutes, options.seed, _fresh(options.out / "none")))
    (options.out / "soak.json").write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    (options.out / "soak.html").write_text(page(reports), encoding="utf-8")
    return int(any(each["differences"] for each in reports))


def _fresh(logs: Path) -> Path:
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    return logs


if __name__ == "__main__":
    raise SystemExit(main())
