"""What other patients notice of a ward that moves to a released version: real Kafka, real worker, real twins.

    python -m tests.streams.worker.versions.figures [MOVED [DAYS [RATE [MINUTES]]]]

MOVED (40) patients with DAYS (30) of history each are moved while six, who go by a model that nobody replaces,
say RATE (20) events a second in all, every twentieth a result. Told is how long an answer to these took, from the
arrival of the event at the broker to that of what follows from it, before the release (as long as MINUTES, 1), during
the roll and after it, and how long the roll took. Side by side stand answers to what came while a twin was moved and to
what came in the rests between, which take turns every few seconds, so that a machine with other work is as busy in one
as in the other.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise, takewhile
from pathlib import Path

from connectors.feeds.ward.ward import SimulatedWard
from connectors.kafka.topics import COMMANDS
from connectors.services import local_services
from streams.worker.versions.rolling import SHARE
from tests.faults.answers import answers, at_most
from tests.faults.ground import REAL_TWINS, START
from tests.faults.kinds.patients import in_order
from tests.streams.worker.stage import Stage, WorkerProcess
from tests.streams.worker.versions.released import Folder
from twin.events import Clock, Enrolment, InputEvent, ModelMove, decode
from twin.modelfile.library import load_model
from twin.modelfile.reader import parse_model

MODEL = load_model("docetaxel_ozawa2007")
STAYING, WARD = (
    parse_model(
        MODEL.text.replace(f'id = "{MODEL.id}"', f'id = "{name}"').replace("value = 35.7", f"value = {value}"), name
    )
    for name, value in (("docetaxel_staying", 35.7), ("docetaxel_ward", 30.0))
)
PATIENCE = 3600.0


def history(patients: int, days: float) -> Iterator[InputEvent]:
    """Of who will be moved: every hour readings, what pumps say, results as a ward has them; the time every six hours,
    by which the worker is through with the past in a sixth of the estimates."""
    ward = SimulatedWard(
        [MODEL], patients, START - timedelta(days=days), seed=7, days=days, vitals_every=3600, pump_every=600
    )
    for arrival in ward.arrivals():
        if isinstance(arrival.event, Clock) and arrival.event.time.hour % 6:
            continue
        yield arrival.event.model_copy(update={"patient_id": f"moved-{arrival.event.patient_id}"})


def others(seed: int, count: int) -> Iterator[InputEvent]:
    """Of who stays."""
    for event in in_order(seed, count):
        again: dict[str, object] = {"model": STAYING.id} if isinstance(event, Enrolment) else {}
        yield event.model_copy(update=again)


def told(name: str, spent: Iterable[int]) -> str:
    """One line."""
    each = list(spent)
    p50, p95, p99, most = (at_most(each, share) for share in (0.5, 0.95, 0.99, 1.0))
    many = f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms, longest {most:.0f} ms"
    return f"{name}: {len(each)} answers, {many}"


def by_turns(seen: Sequence[tuple[int, int]], moves: Sequence[int]) -> tuple[list[int], list[int]]:
    """How long answers took to what came while a twin was moved, and in the rests, given when each move began.

    A move is followed by a rest of three times as long.
    """
    moving, resting = [], []
    for begun, following in pairwise(moves):
        ended = begun + SHARE * (following - begun)
        moving += [spent for at, spent in seen if begun <= at < ended]
        resting += [spent for at, spent in seen if ended <= at < following]
    return moving, resting


def main(moved: int = 40, days: int = 30, rate: float = 20.0, minutes: float = 1.0) -> None:
    """See the head of the module."""
    with local_services(Path(tempfile.mkdtemp()), influx=False, ephemeral=True, say=print) as servers:
        stage = Stage(servers.start_kafka())
        folder = Folder(Path(tempfile.mkdtemp()) / "releases")
        for model in (MODEL, STAYING):
            folder.release(model, "")
            (folder.path / f"{model.id}.toml").write_text(model.text)
        events = list(history(moved, days))
        stage.play(events)
        print(f"{moved} patients of {days} days, {len(events)} events", flush=True)
        given = {"DOSETWIN_CLINICAL": str(folder.path)}
        log = folder.path.parent / "log"
        with WorkerProcess(stage, log, twins=REAL_TWINS, environment=given) as worker:
            worker.wait_ready(PATIENCE)
            stage.wait_until_committed(PATIENCE)
            said, stopped = others(8, 100_000), threading.Event()
            sender = threading.Thread(target=lambda: stage.play(takewhile(lambda _: not stopped.is_set(), said), rate))
            sender.start()
            time.sleep(30.0)  # enrolments, and the first of all that a worker does
            calm = 1000 * time.time()
            time.sleep(60.0 * minutes)
            folder.release(WARD, MODEL.id)
            released = 1000 * time.time()
            done = 0
            until = time.monotonic() + PATIENCE
            while done < moved and time.monotonic() < until:
                time.sleep(1.0)
                done = sum(row.model_hash == WARD.hash for row in stage.rows().values())
            rolled = 1000 * time.time()
            time.sleep(60.0 * minutes)
            stopped.set()
            sender.join()
            stage.wait_until_committed(PATIENCE)
            seen = answers(stage, {key for key in stage.rows() if not key.startswith("moved-")})
            print(f"{done} moved in {(rolled - released) / 1000:.0f} s, {os.cpu_count()} cores, load {os.getloadavg()}")
            print(told("before", (spent for at, spent in seen if calm <= at < released)))
            print(told("during", (spent for at, spent in seen if released <= at < rolled)))
            commands = stage.records(stage.prefix + COMMANDS)
            moves = sorted(one.timestamp for one in commands if isinstance(decode(one.value), ModelMove))
            moving, resting = by_turns(seen, moves)
            print(told("while a twin is moved", moving))
            print(told("in the rests between", resting))
            print(told("after", (spent for at, spent in seen if rolled <= at)))
            worker.stop(120.0)
        stage.close()


if __name__ == "__main__":
    moved, days, rate, minutes = (*sys.argv[1:], *("40", "30", "20", "1")[len(sys.argv) - 1 :])
    main(int(moved), int(days), float(rate), float(minutes))
