"""Work on a real cluster: the same bytes as here, workers and schedulers that go, and workers that are others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from streams.batch.cluster.address import ClusterUnusable
from streams.batch.cluster.spreading import ClusterLost, on_cluster
from streams.batch.process_pool import WorkerLost, in_processes
from streams.batch.trial.running import known, run
from streams.terminal.version import version
from tests.streams.batch.cluster import tasks
from tests.streams.batch.cluster.machines import ROOT, Machines, machines
from tests.streams.batch.trial.test_patients import MODEL, PLAN
from tests.streams.commands.study.test_fit import fit

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A cluster of two workers that speak TLS."""
    with machines(tmp_path_factory.mktemp("cluster"), tls=True) as found:
        found.worker()
        found.worker()
        yield found


@pytest.fixture
def cluster(two: Machines, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its address, for a command that may enter it."""
    for name, value in two.settings.items():
        monkeypatch.setenv(name, value)
    return two.address


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Machines]:
    """A scheduler without workers, of a test alone, in the clear; it gives a task up when one worker ended with it."""
    with machines(tmp_path, failures=0) as found:
        yield found


def test_a_fit_its_starts_and_its_bootstrap_are_the_same_bytes_here_and_on_a_cluster(
    cluster: str, tmp_path: Path
) -> None:
    made = []
    for where in (("--jobs", "1"), ("--cluster", cluster)):
        result = fit(tmp_path, "--starts", "2", "--bootstrap", "4", "--no-page", *where)
        assert result.exit_code == 0, result.output
        made.append([(tmp_path / "out" / name).read_bytes() for name in ("fit.json", "made_fit.toml")])
    assert made[0] == made[1]


def test_a_trial_is_the_same_bytes_here_in_processes_and_on_a_cluster(cluster: str) -> None:
    plan = replace(PLAN, patients=2, days=3.0, estimate_hours=24.0)
    here, pool = (run(plan, MODEL, jobs, lambda _: None) for jobs in (0, 2))
    with on_cluster(cluster):
        there = run(plan, MODEL, 0, lambda _: None)
    assert json.dumps(known(asdict(here))) == json.dumps(known(asdict(pool))) == json.dumps(known(asdict(there)))


def test_what_a_task_raises_is_raised(cluster: str) -> None:
    with on_cluster(cluster), pytest.raises(ValueError, match="-3 is negative"):
        list(in_processes(tasks.square, [(1,), (-3,)], 2))
    assert list(in_processes(tasks.square, [(3,)], 0)) == [9]


def test_what_a_worker_had_begun_when_it_ended_is_done_by_another(two: Machines, cluster: str, tmp_path: Path) -> None:
    two.worker()
    with on_cluster(cluster):
        found = sorted(in_processes(tasks.end_first, [(n, tmp_path / "mark") for n in range(8)], 2))
    assert found == list(range(8))
    assert (tmp_path / "mark").exists()


def test_a_task_with_which_workers_end_is_given_up_by_name(one: Machines) -> None:
    one.worker()
    with on_cluster(one.address), pytest.raises(WorkerLost, match=rf"{one.address} ended early.*--memory-limit"):
        list(in_processes(tasks.end_always, [()], 2))


def test_a_scheduler_that_goes_in_the_middle_is_told(one: Machines) -> None:
    one.worker()
    with (
        on_cluster(one.address),
        pytest.raises(WorkerLost, match=rf"the scheduler at {one.address} went in the middle"),
    ):
        list(in_processes(tasks.end_other, [(one.scheduler.pid,)], 2))


def test_a_worker_of_other_sources_is_refused(one: Machines, tmp_path: Path) -> None:
    other = tmp_path / "other"
    for package in ("twin", "streams", "connectors", "tests"):
        shutil.copytree(
            ROOT / package, other / package, ignore=shutil.ignore_patterns("static", "node_modules", "*.svg")
        )
    clock = other / "twin" / "clock.py"
    clock.write_text(clock.read_text() + "\n")
    one.worker(PYTHONPATH=str(other))
    said = (
        rf"would give other results: worker tcp://\S+ has dosetwin {version()} \(sources \w+\), not {version()} \(sou"
    )
    with on_cluster(one.address), pytest.raises(WorkerLost, match=said):
        list(in_processes(tasks.square, [(1,)], 2))


def test_nobody_there_or_nobody_to_work_is_told_with_the_mend(
    one: Machines, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("streams.batch.cluster.spreading.WORKER_SECONDS", 0.2)
    with pytest.raises(ClusterLost, match=f"has no worker: start some on your machines: dask worker {one.address}"):
        on_cluster(one.address).__enter__()
    one.close()
    monkeypatch.setattr("streams.batch.cluster.spreading.ANSWER_SECONDS", 0.5)
    with pytest.raises(ClusterUnusable, match=rf"--cluster {one.address}: no scheduler answers there .*dask scheduler"):
        on_cluster(one.address).__enter__()
    result = fit(tmp_path, "--bootstrap", "2", "--cluster", one.address)
    assert (result.exit_code, f"--cluster {one.address}: no scheduler" in result.stderr) == (2, True)
