"""Recorded cases through twins without any server: the same twin code, each patient's whole record told at once.

Patients are independent, so they go to worker processes, one patient at a time; a patient's files are written there and
joined here in the order of the patients. What comes out depends on the cases and the number of particles alone: not on
how many processes there are, nor on which patient was finished first. Processes compute with one thread each, since a
linear algebra library that splits a sum over threads rounds it differently.

Results are gathered beside the old ones and take their place only when all are complete.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

from streams.cases import Case, Place, Problem, Report, Told
from twin.events import Alert, OutputEvent, Prediction, decode, encode, to_millis
from twin.models import Model, parse_model

ESTIMATES, ALERTS, PREDICTIONS, POSTERIOR = "estimates.ndjson", "alerts.ndjson", "predictions.ndjson", "posterior"
"""What a replay writes: three files, and a folder with a file ``PATIENT.npz`` for each twin."""

STREAMS: dict[str, str] = {
    "estimate": ESTIMATES,
    "forecast": ESTIMATES,
    "alert": ALERTS,
    "prediction": PREDICTIONS,
}
"""Which file an output event belongs to, by its kind."""

ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""Environment of a worker process."""


class ReplayFailed(RuntimeError):
    """A worker process ended before its patient was done."""


@dataclass(frozen=True)
class Replayed:
    """One patient's replay: output events by kind, what the twin refused, and why it failed if it did."""

    patient_id: str
    outputs: Counter[str]
    problems: tuple[Problem, ...]
    failure: str | None = None


@dataclass(frozen=True)
class Totals:
    """Output events by kind over all patients, and how many twins there are."""

    outputs: Counter[str]
    twins: int


def replay(
    cases: Sequence[Case], out: Path, particles: int, jobs: int, report: Report, done: Callable[[int], None]
) -> Totals:
    """Replay the cases and write their results into ``out``, in place of those of an earlier replay.

    Args:
        particles: of every twin.
        jobs: worker processes.
        report: is told of every event that a twin refused, and of every patient whose twin failed.
        done: is told how many patients are finished.

    Raises:
        ReplayFailed: a worker process was killed, e.g. for want of memory.
        OSError: the results cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    totals: Counter[str] = Counter()
    twins = 0
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=out) as folder:
        parts = Path(folder)
        with closing(_in_processes(cases, parts, particles, jobs)) as results:
            for finished, result in enumerate(results, start=1):
                for problem in result.problems:
                    report(problem)
                if result.failure is not None:
                    report(Problem(Place(f"patient {result.patient_id}", None), result.failure))
                twins += result.failure is None
                totals += result.outputs
                done(finished)
        _publish(parts, [case.patient_id for case in cases], out)
    return Totals(totals, twins)


def read_predictions(out: Path) -> Iterator[Prediction]:
    """The predictions of a finished replay."""
    with (out / PREDICTIONS).open("rb") as stream:
        for line in stream:
            yield Prediction.model_validate_json(line)


# --- processes -------------------------------------------------------------------------------------------------------


def _in_processes(cases: Sequence[Case], parts: Path, particles: int, jobs: int) -> Generator[Replayed]:
    """Results as they are finished; the longest records first, so that no process is left alone with one at the end."""
    if not cases:
        return
    elder = set(active_children())
    with _environment(ONE_THREAD):
        # "spawn" starts from a clean interpreter: forking a process that has threads can lock up.
        pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_settle)
        try:
            waiting: list[Future[Replayed]] = [
                pool.submit(_replay_one, case.patient_id, case.model.text, case.model.id, case.told, particles, parts)
                for case in sorted(cases, key=lambda case: len(case.told), reverse=True)
            ]
            workers = set(active_children()) - elder
            for future in as_completed(waiting):
                yield future.result()
        except BrokenProcessPool:
            pool.shutdown(wait=True)
            raise ReplayFailed(
                f"a worker process ended early ({_ends(workers)}), which may be want of memory: try fewer --jobs"
            ) from None
        except BaseException:
            for child in set(active_children()) - elder:
                child.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ends(workers: Iterable[BaseProcess]) -> str:
    """How processes of a broken pool ended. The pool itself terminates those that are left, which says nothing."""
    codes = {worker.exitcode for worker in workers}
    named = {signal.Signals(-code).name if code < 0 else f"exit code {code}" for code in codes if code is not None}
    return ", ".join(sorted(named - {"SIGTERM"} or named)) or "unknown"


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Variables that processes started inside inherit."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _settle() -> None:
    """Leave interrupts to the parent, and end when it is gone: otherwise this process would wait for work for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _replay_one(
    patient_id: str, model_text: str, model_id: str, told: tuple[Told, ...], particles: int, parts: Path
) -> Replayed:
    """Replay one patient and write its files into ``parts``; runs in a worker process."""
    try:
        return replay_case(Case(patient_id, _model(model_text, model_id), told), particles, parts)
    except Exception as error:  # one patient's twin must not take the others' results with it
        for name in (ESTIMATES, ALERTS, PREDICTIONS, POSTERIOR):
            _part(parts, patient_id, name).unlink(missing_ok=True)
        return Replayed(patient_id, Counter(), (), f"the twin failed, {type(error).__name__}: {error}")


@lru_cache(maxsize=64)
def _model(text: str, model_id: str) -> Model:
    return parse_model(text, f"{model_id}.toml")


# --- one patient -----------------------------------------------------------------------------------------------------


def replay_case(case: Case, particles: int, parts: Path) -> Replayed:
    """Tell a new twin the whole case, and write what it says and believes into the folder ``parts``."""
    from twin import PatientTwin

    twin = PatientTwin(case.patient_id, case.model, particles)
    events = [decode(told.raw) for told in case.told]
    update = twin.observe(events)
    places = {event.event_id: told.place for event, told in zip(events, case.told, strict=True)}
    nowhere = Place(f"patient {case.patient_id}", None)
    problems = tuple(
        Problem(places.get(rejected.event_id or "", nowhere), f"{rejected.reason}: {rejected.detail}")
        for rejected in update.rejected
    )
    for name, lines in _lines(update.outputs).items():
        _part(parts, case.patient_id, name).write_bytes(b"".join(lines))
    _write_posterior(twin, _part(parts, case.patient_id, POSTERIOR))
    return Replayed(case.patient_id, Counter(output.kind for output in update.outputs), tuple(sorted(problems)))


def _lines(outputs: Iterable[OutputEvent]) -> dict[str, list[bytes]]:
    """Encoded outputs of each file, by time, kind and what else tells them apart."""
    files: dict[str, list[bytes]] = {name: [] for name in (ESTIMATES, ALERTS, PREDICTIONS)}
    for output in sorted(outputs, key=_order):
        files[STREAMS[output.kind]].append(encode(output) + b"\n")
    return files


def _order(output: OutputEvent) -> tuple[int, str, str, int, str]:
    alert = (output.rule, output.revision) if isinstance(output, Alert) else ("", 0)
    return to_millis(output.time), output.kind, *alert, output.event_id


def _write_posterior(twin: object, path: Path) -> None:
    import numpy as np

    from twin import PatientTwin

    assert isinstance(twin, PatientTwin)
    posterior = twin.posterior()
    with path.open("wb") as file:
        np.savez(
            file,
            names=np.array(posterior.names, dtype=np.str_),
            eta=posterior.eta,
            log_weight=posterior.log_weight,
            params=posterior.params,
            param_names=np.array(posterior.parameter_names, dtype=np.str_),
            mode=posterior.mode.eta,
            mode_cov=posterior.mode.covariance,
        )


# --- files -----------------------------------------------------------------------------------------------------------


def _part(parts: Path, patient_id: str, name: str) -> Path:
    return parts / f"{patient_id}.{name}"


def _publish(parts: Path, patients: Sequence[str], out: Path) -> None:
    """Join the patients' parts and put everything in place of what was there."""
    for name in (ESTIMATES, ALERTS, PREDICTIONS):
        whole = parts / name
        with whole.open("wb") as file:
            for patient_id in patients:
                _append(_part(parts, patient_id, name), file)
        whole.replace(out / name)
    posterior = out / POSTERIOR
    posterior.mkdir(exist_ok=True)
    for old in posterior.glob("*.npz"):
        old.unlink()
    for patient_id in patients:
        part = _part(parts, patient_id, POSTERIOR)
        if part.exists():
            part.replace(posterior / f"{patient_id}.npz")


def _append(part: Path, file: IO[bytes]) -> None:
    if part.exists():
        with part.open("rb") as stream:
            shutil.copyfileobj(stream, file)
        part.unlink()
