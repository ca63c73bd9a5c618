"""What ``dosetwin bench`` measures.

Each *measurement* gives some of the figures of `streams.bench.reach`. They run one after the other, so that none
disturbs another; a benchmark is no test, and nothing here judges a figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from streams.bench.reach import NAMES
from streams.terminal.progress import progress
from twin.clock import HOUR_MS
from twin.registry import nearest

if TYPE_CHECKING:
    from connectors.services import Influx

Say = Callable[[str], object]

DOCETAXEL = "docetaxel_ozawa2007"
FLUOROURACIL = "fluorouracil_yamada2025"
MERCAPTOPURINE = "mercaptopurine_jost2020"

ADVISED = (DOCETAXEL, FLUOROURACIL, "busulfan_mccune2014", "docetaxel_gcsf_suite", "nabpaclitaxel_chen2014")
"""Models whose advice is timed; the last two are stiff."""

SHARED_OUT = 20_000
"""Most events of the ward that one worker handles, and then two."""

MANY = 500
"""Twins whose memory is given."""

ROW_BYTES = 63_000
"""Of a state row that is encrypted: as ``state_row_bytes`` was measured."""

ADMITTED_HOURS = 6.1
"""After so long everybody is on the ward."""


@dataclass(frozen=True)
class Scale:
    """How much is measured. ``cycles`` and ``days_ahead`` are of the docetaxel courses, ``twins`` for their memory,
    ``ward`` patients, ``waiting_hours`` of the ward's events that wait in the topics, ``stream_seconds`` for which each
    stream is timed at most, ``paced_seconds`` for latency;
    ``messages`` over MLLP, ``http_seconds`` of events over HTTP, ``resources`` of a FHIR server; ``board_days`` of the
    ward on Grafana's boards; quarters and patients of each of the ward that is ``learning``; patients that are
    ``fitted`` at the most, and replicates of a bootstrap."""

    particles: int
    cycles: int
    days_ahead: int
    patients: int
    repeats: int
    twins: int
    ward: int
    waiting_hours: float
    stream_seconds: float
    paced_seconds: float
    messages: int
    http_seconds: float
    resources: int
    board_days: int
    learning: tuple[int, int]
    fitted: tuple[int, int]


FULL = Scale(1000, 6, 28, 4, 25, MANY, 200, ADMITTED_HOURS, 60.0, 90.0, 6_000, 12.0, 10_000, 30, (8, 38), (1000, 40))
QUICK = Scale(200, 2, 8, 1, 5, 20, 8, ADMITTED_HOURS, 15.0, 6.0, 300, 1.0, 300, 2, (3, 20), (8, 2))


class UnknownFigure(ValueError):
    """A name that is no figure's; the message has those that are."""


def measure(scale: Scale, only: Iterable[str] = (), say: Say = lambda _: None) -> dict[str, Any]:
    """Measure the figures named in ``only``, or all; by name, in the order of `streams.bench.reach.FIGURES`.

    A latency is left out where the worker does not catch up in time.

    Raises:
        UnknownFigure: a name of no figure.
    """
    wanted = set(only) or set(NAMES)
    unknown = sorted(wanted - set(NAMES))
    if unknown:
        raise UnknownFigure("; ".join(f"no figure {name!r}: {nearest(name, NAMES)}" for name in unknown))
    found: dict[str, Any] = {}
    for names, measurement in MEASUREMENTS:
        if wanted & set(names):
            found |= measurement(scale, say)
    return {name: found[name] for name in NAMES if name in wanted & found.keys()}


# --- measurements ----------------------------------------------------------------------------------------------------


def _kernel(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.kernel import compare, infusions, neutropenia
    from streams.bench.models import saturable, two_compartments
    from streams.bench.patients import course
    from twin import load_model

    say("kernels: generated against hand-written")
    model = load_model(DOCETAXEL)
    observed = course(model, 1, scale.cycles, scale.days_ahead)
    nanoseconds, ratio = compare(neutropenia(model, observed, scale.particles), scale.repeats)
    ratios = {"neutropenia": ratio}
    for simple in (two_compartments(), saturable()):
        ratios[simple.id] = compare(infusions(simple, scale.particles), scale.repeats)[1]
    return {"kernel_ns_per_particle_step": nanoseconds, "kernel_vs_handwritten": ratios}


def _compile(_: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.kernel import compile_seconds

    say("compiling a model, with an empty cache and from it")
    return compile_seconds(DOCETAXEL, beside=FLUOROURACIL)


def _forecast(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.kernel import forecast_ms
    from twin import load_model

    say("forecasts")
    return {"forecast_ms": forecast_ms(load_model(DOCETAXEL), scale.particles, scale.repeats)}


def _levels(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.models import two_compartments
    from streams.bench.twin import levels

    say("new levels")
    return levels(two_compartments(), 5 * scale.patients, scale.particles)


def _modes(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.mode import map_ms

    say("posterior modes")
    return {"map_ms": map_ms(5 * scale.patients)}


def _courses(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.patients import course
    from streams.bench.twin import Grown, courses, grown
    from twin import load_model

    say(f"twins of {scale.patients} docetaxel patients, {scale.cycles} cycles each")
    model = load_model(DOCETAXEL)
    patients: list[Grown] = []
    for seed in range(1, scale.patients + 1):
        observed = course(model, seed, scale.cycles, scale.days_ahead)
        with progress(f"history of patient {seed}", "events", len(observed.history)) as reached:
            patients.append(grown(model, observed, scale.particles, reached))
    say("new and late counts")
    return courses(patients)


def _rules(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.patients import ward_courses
    from streams.bench.twin import rules_share

    patients = max(scale.ward // 20, 2)
    say(f"rules, {patients} patients of a ward")
    with progress("days of a ward each", "patients", patients) as reached:
        return rules_share(ward_courses(patients, float(scale.cycles)), scale.particles, reached)


def _advice(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.twin import asked
    from twin import load_model

    models = [load_model(name) for name in ADVISED[: 1 + scale.patients]]
    say(f"advice and branches, {len(models)} models")
    return asked(models, scale.cycles, scale.particles, scale.repeats)


def _slowest_advice(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.twin import slowest_advice
    from twin import load_model
    from twin.modelfile.library import library_ids

    models = [load_model(name) for name in (ADVISED[:2] if scale is QUICK else library_ids())]
    say(f"advice by each of {len(models)} models")
    return slowest_advice(models, scale.particles, min(scale.repeats, 5))


def _growth(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.twin import growth
    from twin import load_model

    patients = 3 * scale.patients
    say("10,000 events of a patient, one by one")
    with progress("10,000 events each", "patients", patients) as reached:
        return growth(load_model(FLUOROURACIL), patients, scale.particles, reached)


def _years(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.twin import years
    from twin import load_model

    say("years of daily doses")
    model = load_model(MERCAPTOPURINE)
    with progress("three years each", "patients", scale.patients) as reached:
        return years(model, scale.patients, scale.particles, 180 * scale.cycles, reached)


def _memory(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.memory import resident

    say(f"memory of a process with {scale.twins} twins")
    found = resident(scale.twins, scale.particles)
    each = (found["with"] - found["idle"]) / scale.twins
    idle = (found["idle"] - found["empty"]) / scale.twins
    # With fewer twins than are asked about (--quick), the rest is taken to weigh as much.
    return {
        "worker_rss_mib_500_twins": round(found["empty"] + each * MANY, 1),
        "twin_kib": {"resident": round(1024 * each, 1), "idle": round(1024 * idle, 1)},
    }


def _mature(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.memory import mature

    say("memory of twins after weeks of a ward's data")
    return mature(max(scale.patients // 2, 1), scale.particles, max(scale.cycles // 3, 1))


def _events(scale: Scale, say: Say) -> dict[str, Any]:
    from connectors.feeds.ward.ward import WARD_MODELS
    from streams.bench.events import event_cost
    from streams.bench.patients import ward_bytes

    patients = scale.ward // 4
    say(f"events of a ward of {patients} patients, without a broker")
    return event_cost(list(ward_bytes(patients, 1.5 * ADMITTED_HOURS)), WARD_MODELS, scale.particles)


def _encryption(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.events import encryption_cost

    say("state rows under their patients' keys")
    return encryption_cost(ROW_BYTES, 20 * scale.repeats)


def _stream(scale: Scale, say: Say) -> dict[str, Any]:
    from connectors.services import local_services

    say("Kafka")
    with local_services(influx=False) as servers:
        return stream(servers.kafka, scale, say)


def stream(bootstrap: str, scale: Scale, say: Say) -> dict[str, Any]:
    """The figures of the worker on the Kafka at ``bootstrap``."""
    from connectors.feeds.ward.ward import WARD_MODELS
    from streams.bench.patients import ward_bytes
    from streams.bench.stream import scaling, stream_vs_passthrough

    say(f"a ward of {scale.ward} patients")
    arrivals = ward_bytes(scale.ward, 48.0)
    waiting: list[bytes] = []
    paced: Iterator[bytes] = iter(())
    for millis, raw in arrivals:
        if millis > scale.waiting_hours * HOUR_MS:
            paced = chain([raw], (later for _, later in arrivals))
            break
        waiting.append(raw)
    environment = {"DOSETWIN_PARTICLES": str(scale.particles), "DOSETWIN_READY": ",".join(WARD_MODELS)}
    found = stream_vs_passthrough(
        bootstrap,
        waiting,
        seconds=scale.stream_seconds,
        paced=paced,
        paced_seconds=scale.paced_seconds,
        environment=environment,
        say=say,
    )
    found["two_workers"] = scaling(bootstrap, waiting[:SHARED_OUT], environment=environment, say=say)
    return {name: found[name] for name in STREAM if name in found}


def _backlog(scale: Scale, say: Say) -> dict[str, Any]:
    from connectors.services import local_services

    say("Kafka")
    with local_services(influx=False) as servers:
        return backlog(servers.kafka, scale, say)


def backlog(bootstrap: str, scale: Scale, say: Say) -> dict[str, Any]:
    """The figures of years that wait, on the Kafka at ``bootstrap``."""
    from streams.bench.backlog import backlog_vs_replay

    days = 60 * scale.cycles
    return backlog_vs_replay(bootstrap, MERCAPTOPURINE, patients=3, days=days, particles=scale.particles, say=say)


def _restart(scale: Scale, say: Say) -> dict[str, Any]:
    from connectors.services import local_services
    from streams.bench.restart import back_again

    say("Kafka")
    with local_services(influx=False) as servers:
        return back_again(servers.kafka, DOCETAXEL, 2 * scale.twins, scale.particles, say)


def _doors(scale: Scale, say: Say) -> dict[str, Any]:
    from connectors.services import local_services

    say("Kafka")
    with local_services(influx=False) as servers:
        return doors(servers.kafka, scale, say)


def doors(bootstrap: str, scale: Scale, say: Say) -> dict[str, Any]:
    """The figures of the live ways in, on the Kafka at ``bootstrap``."""
    from streams.bench.doors.fhir import fhir_cost
    from streams.bench.doors.http import http_latency
    from streams.bench.doors.mllp import mllp_cost

    found = mllp_cost(bootstrap, scale.messages, say) | http_latency(bootstrap, scale.http_seconds, say)
    return found | fhir_cost(bootstrap, scale.resources, say)


def _boards(scale: Scale, say: Say) -> dict[str, Any]:
    from connectors.services import local_services

    say("InfluxDB")
    with local_services(kafka=False) as servers:
        return boards(servers.influx, scale, say)


def boards(influx: Influx, scale: Scale, say: Say) -> dict[str, Any]:
    """The figures of Grafana's boards, on the InfluxDB that ``influx`` names: a bucket of their own is made there."""
    from streams.bench.boards.asked import query_times, slowest
    from streams.bench.boards.filled import filled, shown

    say(f"{scale.board_days} days of {scale.ward} patients, as the sinks write them")
    with (
        progress("written", "patients", scale.ward) as reached,
        filled(influx, scale.ward, scale.board_days, scale.particles, reached) as ours,
    ):
        say("every query of the boards")
        times = query_times(ours, shown(scale.board_days), min(scale.repeats, 5))
    for where in sorted(times, key=times.__getitem__, reverse=True)[:3]:
        say(f"{times[where]} ms: {where}")
    return {"grafana_query_ms_slowest": slowest(times), "grafana_queries": len(times)}


KERNEL = ("kernel_ns_per_particle_step", "kernel_vs_handwritten")
COURSES = (
    "update_ms",
    "update_ms_worst",
    "update_moved_share",
    "late_event_ms",
    "late_event_ms_worst",
    "state_row_bytes",
)
ADVICE = ("advice_ms", "what_if_ms")
LEARNING = ("learning_off_ml", "learning_gain", "learning_worst")
ESTIMATION = ("fit_focei_s", "focei_vs_scipy", "fit_ml_s", "bootstrap_s", "fit_stepped_s")
STREAM = (
    "stream_vs_passthrough",
    "worker_per_s",
    "passthrough_per_s",
    "latency_ms",
    "latency_at_per_s",
    "two_workers",
)
BACKLOG = ("backlog_vs_replay", "backlog_refolds")
RESTART = ("crash_recovery_s", "hand_over_s")
BOARDS = ("grafana_query_ms_slowest", "grafana_queries")
DOORS = ("mllp_per_s", "mllp_mib", "http_ms", "http_mib", "fhir_per_s", "fhir_mib")


def _learning(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.learning.ward import WARD, WardPlan, run_ward
    from twin import load_model

    say(f"a ward that learns, {scale.learning[0]} quarters of {scale.learning[1]} patients")
    found = run_ward(load_model(WARD), WardPlan(*scale.learning, scale.particles // 3), say)
    return {
        "learning_off_ml": round(found.off_ml, 5),
        "learning_gain": round(100 * found.gain, 1),
        "learning_worst": round(100 * found.worst, 1),
    }


def _estimation(scale: Scale, say: Say) -> dict[str, Any]:
    from streams.bench.estimation.fits import estimation

    return estimation(*scale.fitted, say)


MEASUREMENTS: tuple[tuple[tuple[str, ...], Callable[[Scale, Say], dict[str, Any]]], ...] = (
    (KERNEL, _kernel),
    (("compile_s", "compile_cached_s"), _compile),
    (("forecast_ms",), _forecast),
    (("update_levels_ms",), _levels),
    (("map_ms",), _modes),
    (COURSES, _courses),
    (("rules_share",), _rules),
    (ADVICE, _advice),
    (("advice_ms_slowest", "advice_models"), _slowest_advice),
    (LEARNING, _learning),
    (ESTIMATION, _estimation),
    (("cost_growth",), _growth),
    (("cost_growth_years",), _years),
    (("worker_rss_mib_500_twins", "twin_kib"), _memory),
    (("mature_twin_kib",), _mature),
    (("routine_event_us", "ward_event_us"), _events),
    (("row_encrypt_us", "row_open_us"), _encryption),
    (STREAM, _stream),
    (BACKLOG, _backlog),
    (RESTART, _restart),
    (DOORS, _doors),
    (BOARDS, _boards),
)
