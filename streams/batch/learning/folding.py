"""Records folded under a version: the messages that twins by it would send, in several processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from streams.batch.cases import Case, Problem, RecordedEvent, Report, of_patient
from streams.batch.process_pool import in_processes, model_of
from twin.events import decode
from twin.learning.messages.message import Message, NoMessage
from twin.model.spec import Model


def folded(
    cases: Sequence[Case], model: Model, particles: int, jobs: int, report: Report, done: Callable[[int], None]
) -> dict[str, Message]:
    """The message of every case whose record says something, by patient; the same whatever ``jobs`` there are.

    ``report`` is told of the others, ``done`` how many are finished.

    Raises:
        WorkerLost: a worker process was killed.
    """
    tasks = [(case.patient_id, case.recorded, model.text, model.id, particles) for case in cases]
    found: dict[str, Message] = {}
    with closing(in_processes(_fold_one, tasks, jobs)) as results:
        for number, (patient_id, said) in enumerate(results, start=1):
            if isinstance(said, str):
                report(Problem(of_patient(patient_id), said))
            else:
                found[patient_id] = said
            done(number)
    return found


def _fold_one(
    patient_id: str, recorded: tuple[RecordedEvent, ...], text: str, model_id: str, particles: int
) -> tuple[str, Message | str]:
    """One patient's message, or why there is none; runs in a worker process."""
    from twin.kernel.kernel import compile_model
    from twin.learning.following import message_from
    from twin.solver.step_control import step_sizes_for
    from twin.study.records import record_of
    from twin.timeline.timeline import build

    try:
        model = model_of(text, model_id)
        history, _ = record_of([decode(one.raw) for one in recorded], model)
        kernel = compile_model(model)
        timeline = build(history, kernel)
        if timeline is None:
            return patient_id, "nothing of the record means anything to the model, so there is nothing to learn from"
        sizes = step_sizes_for(kernel, timeline.delivered)
        return patient_id, message_from(kernel, patient_id, timeline, particles, sizes)
    except NoMessage as why:
        return patient_id, str(why)
    except Exception as error:  # one patient must not take the others' messages with it
        return patient_id, f"the fold failed, {type(error).__name__}: {error}"
