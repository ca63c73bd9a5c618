"""The benchmarks run and measure what they say; how fast anything is, is no test's business."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from streams.bench import stream as bench_stream
from streams.bench.by_hand.neutropenia import Patients
from streams.bench.figures import (
    ADVICE,
    BACKLOG,
    BOARDS,
    DOORS,
    ESTIMATION,
    LEARNING,
    QUICK,
    RESTART,
    STREAM,
    UnknownFigure,
    backlog,
    measure,
    stream,
)
from streams.bench.kernel import KernelCase, compile_seconds, infusions, neutropenia
from streams.bench.mode import STUDIES, map_ms
from streams.bench.models import saturable, two_compartments
from streams.bench.patients import (
    CYCLE_DAYS,
    EVENTS_AN_HOUR,
    PatientCourse,
    course,
    newcomer,
    steady_hours,
    steady_start,
    ward_bytes,
)
from streams.bench.reach import FIGURES, NAMES, table
from streams.bench.restart import back_again
from streams.bench.stream import BenchmarkFailed, _Process, _process, _rate
from streams.bench.twin import grown, new_counts, slowest_advice
from streams.cli import app
from tests.streams.bench.forked import forked
from twin import PatientTwin, load_model
from twin.clock import DAY_MS
from twin.events import Clock, decode, to_millis
from twin.filter.belief import prior
from twin.filter.posthoc import post_hoc
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.study.prediction import Predictor
from twin.study.simulation import simulate

pytestmark = pytest.mark.slow

SMALL = replace(QUICK, particles=100, cycles=1, days_ahead=6, repeats=2, twins=3)


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers start by a fork, where it is no matter what their imports cost; a bare pass-through starts as it does."""

    def process(arguments: list[str], environment: dict[str, str]) -> AbstractContextManager[_Process]:
        return (forked if arguments[2:3] == ["worker"] else _process)(arguments, environment)

    for room in ("backlog", "restart", "stream"):
        monkeypatch.setattr(f"streams.bench.{room}._process", process)


@pytest.fixture(scope="module")
def docetaxel() -> Model:
    return load_model("docetaxel_ozawa2007")


@pytest.fixture(scope="module")
def two_cycles(docetaxel: Model) -> PatientCourse:
    return course(docetaxel, seed=3, cycles=2, days_ahead=8)


@pytest.fixture(scope="module")
def kernels(docetaxel: Model, two_cycles: PatientCourse) -> KernelCase:
    return neutropenia(docetaxel, two_cycles, particles=64)


# --- the same work ---------------------------------------------------------------------------------------------------


def test_the_hand_written_kernel_gives_what_the_generated_one_gives(kernels: KernelCase) -> None:
    generated, z, cells = kernels.generated()
    by_hand, patients = kernels.by_hand()
    assert isinstance(patients, Patients)
    # Levels fall below 1e-9 mg/L between the cycles, where only their absolute error means something.
    np.testing.assert_allclose(by_hand, generated, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(patients.cells, cells, rtol=1e-12)
    states = np.einsum("nij,nj->ni", kernels.system.v, z)
    names = kernels.kernel.linear
    np.testing.assert_allclose(patients.auc, states[:, names.index("AUC")], rtol=1e-12)
    np.testing.assert_allclose(patients.pool, states[:, names.index("In")], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("textbook", [two_compartments, saturable])
def test_the_textbook_kernels_written_by_hand_give_the_same(textbook: Callable[[], Model]) -> None:
    measured = infusions(textbook(), particles=64)
    generated = measured.generated()[0]
    np.testing.assert_allclose(measured.by_hand()[0], generated, rtol=1e-11)
    assert np.all(generated > 0)


def test_both_kernels_solve_a_course_in_which_something_happens(kernels: KernelCase) -> None:
    level, count = kernels.by_hand()[0].transpose(1, 0, 2)
    assert level.max() > 0.1
    assert np.all(level >= 0)
    assert np.all(count.min(axis=0) < 0.7 * count[0])
    assert kernels.particle_steps == len(kernels.steps.dt) * 64


def test_a_bolus_enters_both_kernels_alike(kernels: KernelCase) -> None:
    inputs = kernels.steps.inputs
    at_once = inputs._replace(
        kick_column=np.zeros_like(inputs.kick_column), kick_amount=np.full_like(inputs.kick_amount, 30.0)
    )
    struck = replace(kernels, steps=kernels.steps._replace(inputs=at_once))
    generated, by_hand = struck.generated()[0], struck.by_hand()[0]
    np.testing.assert_allclose(by_hand, generated, rtol=1e-12, atol=1e-15)
    assert not np.allclose(by_hand, kernels.by_hand()[0])


# --- the patients ----------------------------------------------------------------------------------------------------


def test_a_course_is_told_in_event_time_order_without_slips(two_cycles: PatientCourse) -> None:
    observed = [*two_cycles.history, *two_cycles.ahead]
    assert all(one.time <= next_.time for one, next_ in pairwise(observed))
    assert all(isinstance(event, Clock) or event.replaces is None for event in observed)
    assert len({event.event_id for event in observed}) == len(observed)
    kinds = Counter(event.kind for event in two_cycles.history)
    assert kinds["dose_given"] == 2
    assert {"pump_delivery", "vital_sample", "lab_result", "drug_level", "clock"} <= set(kinds)
    assert sum(event.kind == "lab_result" for event in two_cycles.ahead) >= 2
    span = two_cycles.now - to_millis(two_cycles.history[0].time)
    assert span == pytest.approx((CYCLE_DAYS + 1) * DAY_MS, rel=0.01)


def test_every_hour_of_the_steady_patient_is_like_the_next() -> None:
    hours = list(steady_hours("S-1", 60))
    mixes = [Counter(event.kind for event in hour) for hour in hours]
    assert [number for number, mix in enumerate(mixes) if mix["lab_result"]] == [12]
    plain = [mix for mix in mixes if not mix["lab_result"]]
    assert all(mix == plain[0] for mix in plain)
    assert plain[0].total() == EVENTS_AN_HOUR
    observed = [*steady_start("S-1"), *(event for hour in hours for event in hour)]
    assert len({event.event_id for event in observed}) == len(observed)


def test_the_steady_patient_and_the_newcomer_are_told_nothing_a_twin_refuses(docetaxel: Model) -> None:
    steady = PatientTwin("S-1", load_model("fluorouracil_yamada2025"), 50)
    observed = [*steady_start("S-1"), *(event for hour in steady_hours("S-1", 14) for event in hour)]
    assert steady.observe(observed).rejected == ()
    assert steady.belief.observations == 1
    new = PatientTwin("N-1", docetaxel, 50)
    assert new.observe(newcomer("N-1", 4.2)).rejected == ()
    assert new.belief.observations == 2


def test_the_ward_says_the_same_bytes_each_time_in_order_of_arrival() -> None:
    first = list(ward_bytes(3, 4.0))
    assert first == list(ward_bytes(3, 4.0))
    arrivals = [millis for millis, _ in first]
    assert arrivals == sorted(arrivals)
    assert arrivals[0] >= 0
    assert arrivals[-1] <= 4 * 3_600_000
    assert {decode(raw).kind for _, raw in first} >= {"enrolment", "vital_sample", "pump_delivery", "clock"}


# --- the figures -----------------------------------------------------------------------------------------------------


def test_everything_but_modes_and_the_stream_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.bench.twin.LATE", 600)  # events of a patient, instead of ten thousand
    small = compile_seconds("imatinib_widmer2006", beside="carboplatin_ekhart2009")
    monkeypatch.setattr("streams.bench.kernel.compile_seconds", lambda *_, **__: small)
    # The whole library's advice is asked for elsewhere, of four models: else every kernel there is would be compiled.
    # A ward that learns and fits have tests of their own.
    left_out = {"map_ms", *LEARNING, *ESTIMATION, "advice_ms_slowest", "advice_models", *STREAM, *BACKLOG, *RESTART}
    left_out |= {*DOORS, *BOARDS}
    names = [name for name in NAMES if name not in left_out]
    said: list[str] = []
    found = measure(SMALL, names, said.append)
    assert list(found) == names
    # With a small history it may be that none of the few counts moves the cloud.
    share = found.pop("update_moved_share")
    assert 0 <= share <= 1
    assert set(found.pop("twin_kib")) == {"resident", "idle"}
    for name in ADVICE:
        assert all(value > 0 for value in found.pop(name).values())
    ratios = found.pop("kernel_vs_handwritten")
    assert set(ratios) == {"neutropenia", "two_compartments", "saturable"}
    assert all(value > 0 for value in [*ratios.values(), *found.values()]), found
    assert found["compile_cached_s"] < found["compile_s"]
    assert found["update_ms_worst"] >= found["update_ms"]
    assert found["late_event_ms_worst"] >= found["late_event_ms"]
    assert found["routine_event_us"] < found["ward_event_us"]
    assert said


def test_counts_that_move_the_particles_are_told_from_those_that_do_not(docetaxel: Model) -> None:
    observed = course(docetaxel, seed=3, cycles=1, days_ahead=20)
    patient = grown(docetaxel, observed, particles=100)
    moved = [count.moved for count in new_counts(patient)]
    assert True in moved
    assert False in moved
    assert len(new_counts(patient, delay=DAY_MS)) <= len(moved) <= sum(e.kind == "lab_result" for e in observed.ahead)


@pytest.mark.usefixtures("forked_workers")
def test_the_stream_is_measured_on_a_real_broker(kafka: str) -> None:
    found = stream(
        kafka, replace(SMALL, ward=3, waiting_hours=3.0, stream_seconds=1.0, paced_seconds=2.0), lambda _: None
    )
    assert set(found) == set(STREAM)
    assert found["stream_vs_passthrough"] == pytest.approx(
        found["worker_per_s"] / found["passthrough_per_s"], rel=0.01, abs=0.001
    )
    assert found["passthrough_per_s"] > 0
    assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
    # Of a worker that did nothing in its second: two events a second apart, which are two a second.
    assert 0 < found["latency_at_per_s"] <= 1.1 * max(found["worker_per_s"] / 2, 2 * bench_stream.LEAST_RATE)
    assert 0.2 < found["two_workers"] < 10


@pytest.mark.usefixtures("forked_workers")
def test_years_that_wait_are_measured_on_a_real_broker_and_folded_once(kafka: str) -> None:
    found = backlog(kafka, SMALL, lambda _: None)
    assert set(found) == set(BACKLOG)
    assert found["backlog_vs_replay"] > 0
    assert found["backlog_refolds"] == 0


@pytest.mark.usefixtures("forked_workers")
def test_a_killed_worker_and_one_that_hands_over_are_timed_on_a_real_broker(kafka: str) -> None:
    found = back_again(kafka, "docetaxel_ozawa2007", 6, 100)
    assert set(found) == set(RESTART)
    assert all(figure["clock"] > 0 for figure in found.values())


SLEEPS = ["-c", "import time; time.sleep(60)"]


@pytest.fixture
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_stream, "POLL", 0.02)
    monkeypatch.setattr(bench_stream, "WARM_UP_SECONDS", 0.1)


def test_a_stream_too_slow_to_come_to_its_end_still_has_a_rate(quick_looks: None) -> None:  # noqa: ARG001
    with _process(SLEEPS, dict(os.environ)) as process:
        began = time.monotonic()
        rate = _rate(process, 1_000_000, lambda: 100.0 * (time.monotonic() - began), seconds=0.3)
        assert time.monotonic() - began < 20
    assert rate == pytest.approx(100.0, rel=0.05)


def test_a_stream_that_stands_still_after_its_first_events_has_a_rate_of_none(quick_looks: None) -> None:  # noqa: ARG001
    with _process(SLEEPS, dict(os.environ)) as process:
        assert _rate(process, 1_000, lambda: 5.0, seconds=0.1) == 0.0


@pytest.mark.parametrize("counts", [[0, 400, 600, 1000], [0, 300, 1000], [0, 1000]])
def test_a_stream_that_comes_to_its_end_is_timed_until_then(quick_looks: None, counts: list[int]) -> None:  # noqa: ARG001
    left = iter(counts)
    with _process(SLEEPS, dict(os.environ)) as process:
        assert _rate(process, 1000, lambda: float(next(left, 1000)), seconds=60.0) > 0


def test_events_that_have_passed_before_anybody_looked_are_not_counted(quick_looks: None) -> None:  # noqa: ARG001
    with _process(SLEEPS, dict(os.environ)) as process, pytest.raises(BenchmarkFailed, match="before they could"):
        _rate(process, 1000, lambda: 1000.0, seconds=1.0)


def test_a_measured_process_that_ends_is_noticed_at_once_with_its_last_words() -> None:
    command = ["-c", "import sys; print('no such thing', file=sys.stderr); sys.exit(3)"]
    with (
        _process(command, dict(os.environ)) as process,
        pytest.raises(BenchmarkFailed, match=r"ended with code 3; it said:\nno such thing"),
    ):
        process.wait_until(lambda: False)


def test_a_step_that_takes_too_long_is_told_with_the_last_words_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_stream, "PATIENCE", 0.0)
    speak = ["-c", "import sys, time; print(sys.argv[1], flush=True); time.sleep(60)"]
    with _process([*speak, "stays"], dict(os.environ)) as stays, _process([*speak, "goes"], dict(os.environ)) as goes:
        assert stays.watch(lambda: bool(stays.said() and goes.said()), 60.0)
        with pytest.raises(BenchmarkFailed, match=r"took over 0 s; .*:\nstays\n\nand beside it:\ngoes"):
            stays.wait_until(lambda: False, beside=[goes])


def test_only_what_was_asked_for_is_told() -> None:
    assert list(measure(SMALL, ["forecast_ms"])) == ["forecast_ms"]


def test_a_figure_that_does_not_exist_is_named_beside_those_that_do() -> None:
    with pytest.raises(UnknownFigure, match=r"no figure 'speed': there are kernel_ns_per_particle_step, .*latency_ms"):
        measure(SMALL, ["update_ms", "speed"])


def test_the_table_has_what_was_measured_what_is_to_be_reached_and_how() -> None:
    lines = table({"state_row_bytes": 108765, "latency_ms": {"p50": 9.5, "p99": 210.0}}).splitlines()
    assert lines[0].split() == ["figure", "measured", "to", "reach", "how"]
    assert len(lines) == 3
    assert lines[1].startswith("state_row_bytes  108,765 B")
    assert "<= 150,000" in lines[1]
    assert "p50 9.5 ms, p99 210.0 ms" in lines[2]
    assert all(figure.how for figure in FIGURES)


# --- the command -----------------------------------------------------------------------------------------------------


def test_json_is_the_last_line_on_stdout_and_progress_is_on_stderr() -> None:
    ran = CliRunner().invoke(app, ["bench", "--json", "--quick", "--only", "forecast_ms"])
    assert ran.exit_code == 0, ran.output
    (line,) = ran.stdout.splitlines()
    found = json.loads(line)
    assert set(found) == {"quick", "forecast_ms"}
    assert "forecasts" in ran.stderr


def test_an_unknown_figure_is_a_wrong_argument() -> None:
    ran = CliRunner().invoke(app, ["bench", "--only", "speed"])
    assert ran.exit_code == 2
    assert "no figure 'speed'" in ran.stderr


def test_the_mode_is_measured_on_patients_whose_random_effects_it_finds() -> None:
    found = map_ms(1)
    assert set(found) == set(STUDIES)
    assert all(value > 0 for value in found.values())
    for name, study in STUDIES.items():
        model = study.model()
        kernel = compile_model(model)
        predictor = Predictor(kernel, "bench 0")
        eta = prior(model, 1, "bench 0").eta[0]
        timeline = simulate(predictor, eta, study.design(model))
        assert len(timeline.observations) == len(study.samples)
        estimate = post_hoc(kernel, predictor.step_sizes, timeline)
        assert estimate.converged, name
        # The patient lies where the estimate says with its standard errors.
        assert np.abs((estimate.eta - eta) / estimate.errors).max() < 5


def test_of_the_models_that_can_advise_the_slowest_is_named() -> None:
    names = ("carboplatin_mapbayr188", "mercaptopurine_jost2020", "imatinib_widmer2006", "tgi_simeoni2004")
    found = slowest_advice([load_model(name) for name in names], 100, 1)
    assert found["advice_models"] == 3, "one has neither aim nor limit"
    ((slowest, milliseconds),) = found["advice_ms_slowest"].items()
    assert slowest in names[:3]
    assert milliseconds > 0
