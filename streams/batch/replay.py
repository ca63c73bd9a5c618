"""Recorded cases through twins without any server: the same twin code, each patient's whole record told at once.

Patients are independent, so they go to worker processes, one patient at a time. What comes out of each depends on the
case and the number of particles alone: not on how many processes there are, nor on which patient was finished first.

Written to files, results are gathered beside the old ones, joined in the order of the patients, and take their place
only when all are complete.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from streams.batch.cases import Case, Problem, RecordedEvent, Report, of_patient, refusals
from streams.batch.process_pool import in_processes, model_of
from twin.alerts.thresholds import DEFAULT, Thresholds
from twin.dosing.protocol import Protocol
from twin.events import OUTPUT_EVENTS, Alert, Estimate, OutputEvent, Prediction, decode, encode, to_millis
from twin.model.spec import Model
from twin.patient.held_alerts import RULE as HELD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twin.patient.averaged import AveragedTwin
    from twin.patient.twin import PatientTwin, Posterior

POSTERIOR = "posterior"
"""The folder that a replay writes beside its files of events, with a file ``PATIENT.npz`` for each twin."""

FILES = tuple(dict.fromkeys(event.replay_file for event in OUTPUT_EVENTS))
"""The files of events that a replay writes."""


Arrays = dict[str, "NDArray[Any]"]


@dataclass(frozen=True)
class Replayed:
    """One patient's replay.

    Attributes:
        outputs: output events by kind.
        lines: encoded output events, one a line, by the name of the file that they belong to (`FILES`).
        posterior: arrays of what the twin believes in the end; of rival models each model's, named ``MODEL/eta`` and so
            on, and their weights.
        problems: what the twin refused or holds.
        notes: what it did not count as it was told.
        failure: why the twin failed, if it did; then there is nothing else.
    """

    patient_id: str
    outputs: Counter[str]
    lines: Mapping[str, bytes]
    posterior: Arrays
    problems: tuple[Problem, ...]
    failure: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Totals:
    """Output events by kind over all patients, how many twins there are, and what they note of their patients."""

    outputs: Counter[str]
    twins: int
    notes: tuple[str, ...] = ()


def replays(
    cases: Sequence[Case],
    particles: int,
    jobs: int,
    report: Report,
    done: Callable[[int], None],
    thresholds: Thresholds = DEFAULT,
    protocols: Sequence[Protocol] = (),
) -> Generator[Replayed]:
    """Replay the cases; what came out of each patient whose twin did not fail, in the order in which they are finished.

    Args:
        particles: of every twin.
        jobs: worker processes; with none it is done here.
        report: is told of every event that a twin refused, and of every patient whose twin failed.
        done: is told how many patients are finished.
        thresholds: that alerts are judged by.
        protocols: that advice is given by.

    Raises:
        WorkerLost: a worker process was killed, e.g. for want of memory.
    """
    tasks = [
        (
            case.patient_id,
            [(model.text, model.id) for model in _models(case)],
            case.recorded,
            particles,
            thresholds,
            protocols,
        )
        for case in sorted(cases, key=lambda case: len(case.recorded), reverse=True)
    ]
    with closing(in_processes(_replay_one, tasks, jobs)) as results:
        for finished, result in enumerate(results, start=1):
            for problem in result.problems:
                report(problem)
            if result.failure is not None:
                report(Problem(of_patient(result.patient_id), result.failure))
            else:
                yield result
            done(finished)


def replay(
    cases: Sequence[Case],
    out: Path,
    particles: int,
    jobs: int,
    report: Report,
    done: Callable[[int], None],
    thresholds: Thresholds = DEFAULT,
    protocols: Sequence[Protocol] = (),
) -> Totals:
    """Replay the cases and write their results into ``out``, in place of those of an earlier replay.

    Arguments and `WorkerLost` are those of `replays`.

    Raises:
        OSError: the results cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    totals: Counter[str] = Counter()
    twins = 0
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=out) as folder:
        parts = Path(folder)
        with closing(replays(cases, particles, jobs, report, done, thresholds, protocols)) as results:
            for result in results:
                _write_part(result, parts)
                twins += 1
                totals += result.outputs
                notes += [f"{result.patient_id}: {note}" for note in result.notes]
        _publish(parts, [case.patient_id for case in cases], out)
    return Totals(totals, twins, tuple(sorted(notes)))


def read_predictions(out: Path) -> Iterator[Prediction]:
    """The predictions of a finished replay."""
    with (out / Prediction.replay_file).open("rb") as stream:
        for line in stream:
            yield Prediction.model_validate_json(line)


# --- one patient -----------------------------------------------------------------------------------------------------


def _models(case: Case) -> tuple[Model, ...]:
    return case.rivals.models if case.rivals else (case.model,)


def _replay_one(
    patient_id: str,
    models: Sequence[tuple[str, str]],
    recorded: tuple[RecordedEvent, ...],
    particles: int,
    thresholds: Thresholds,
    protocols: Sequence[Protocol],
) -> Replayed:
    """Replay one patient; runs in a worker process."""
    try:
        from twin.patient.rivals import rivals

        found = [model_of(text, model_id) for text, model_id in models]
        averaged = rivals(found) if len(found) > 1 else None
        return replay_case(Case(patient_id, found[0], recorded, rivals=averaged), particles, thresholds, protocols)
    except Exception as error:  # one patient's twin must not take the others' results with it
        return Replayed(patient_id, Counter(), {}, {}, (), f"the twin failed, {type(error).__name__}: {error}")


def replay_case(
    case: Case, particles: int, thresholds: Thresholds = DEFAULT, protocols: Sequence[Protocol] = ()
) -> Replayed:
    """Tell a new twin the whole case: what it says and believes."""
    from twin.dosing.live import LiveAdviser
    from twin.patient.averaged import begun_twin

    twin = begun_twin(case.patient_id, case.models, particles, thresholds, LiveAdviser(protocols))
    events = [decode(recorded.raw) for recorded in case.recorded]
    update = twin.observe(events)
    problems = [*refusals(case.patient_id, events, case.recorded, update.rejected), *_held(case, update.outputs)]
    said = Counter[str](output.kind for output in update.outputs)
    noted = (note for output in update.outputs if isinstance(output, Estimate) for note in output.notes or ())
    return Replayed(
        case.patient_id,
        said,
        _lines(update.outputs),
        _posterior(twin),
        tuple(sorted(problems)),
        notes=tuple(dict.fromkeys(noted)),
    )


def _held(case: Case, outputs: Iterable[OutputEvent]) -> list[Problem]:
    """What the twin holds in the end, and does not count."""
    alerts = {one.alert_id: one for one in outputs if isinstance(one, Alert) and one.rule == HELD}
    place = of_patient(case.patient_id)
    return [Problem(place, f"held: {one.text}") for one in alerts.values() if one.live]


def _lines(outputs: Iterable[OutputEvent]) -> dict[str, bytes]:
    """Encoded outputs of each file, by time, kind and what else tells them apart."""
    files: dict[str, list[bytes]] = {name: [] for name in FILES}
    for output in sorted(outputs, key=_order):
        files[output.replay_file].append(encode(output) + b"\n")
    return {name: b"".join(lines) for name, lines in files.items()}


def _order(output: OutputEvent) -> tuple[int, str, str, int, str]:
    alert = (output.rule, output.revision) if isinstance(output, Alert) else ("", 0)
    return to_millis(output.time), output.kind, *alert, output.event_id


def _posterior(twin: PatientTwin | AveragedTwin) -> Arrays:
    import numpy as np

    from twin.patient.twin import PatientTwin

    if isinstance(twin, PatientTwin):
        return _arrays(twin.posterior()) | _message(twin)
    arrays = {f"{model}/{name}": a for model, p in twin.posteriors().items() for name, a in _arrays(p).items()}
    arrays["models"] = np.array(list(twin.weights), dtype=np.str_)
    arrays["model_weights"] = np.array(list(twin.weights.values()))
    return arrays | _message(twin)


def _message(twin: PatientTwin | AveragedTwin) -> Arrays:
    """What a population can be learnt from (`twin.learning.messages.message`), where the twin says anything of it."""
    from twin.learning.messages.message import NoMessage, arrays_of
    from twin.learning.messages.twins import message_by

    try:
        return arrays_of(message_by(twin))
    except NoMessage:
        return {}


def _arrays(posterior: Posterior) -> Arrays:
    import numpy as np

    return {
        "names": np.array(posterior.names, dtype=np.str_),
        "eta": posterior.eta,
        "log_weight": posterior.log_weight,
        "params": posterior.params,
        "param_names": np.array(posterior.parameter_names, dtype=np.str_),
        "mode": posterior.mode.eta,
        "mode_cov": posterior.mode.covariance,
    }


# --- files -----------------------------------------------------------------------------------------------------------


def _part(parts: Path, patient_id: str, name: str) -> Path:
    return parts / f"{patient_id}.{name}"


def _write_part(result: Replayed, parts: Path) -> None:
    import numpy as np

    for name, lines in result.lines.items():
        _part(parts, result.patient_id, name).write_bytes(lines)
    with _part(parts, result.patient_id, POSTERIOR).open("wb") as file:
        np.savez(file, **result.posterior)  # type: ignore[arg-type]


def _publish(parts: Path, patients: Sequence[str], out: Path) -> None:
    """Join the patients' parts and put everything in place of what was there."""
    for name in FILES:
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
