"""Messages of twins in files: those that a replay writes, or that were collected from a running ward.

A file holds one patient's latest message (``PATIENT.npz``); a folder stands for all such files in it, and the folder of
a replay for those in its ``posterior``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from connectors.posteriors import unpacked
from streams.batch.cases import CaseError
from streams.batch.replay import POSTERIOR
from twin.learning.messages.message import BadMessage, Message

ENDING = ".npz"


def message_files(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The files that paths stand for, in the order of their names.

    Raises:
        CaseError: a path is not there, or a folder has none.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_file():
            found.append(path)
            continue
        if not path.is_dir():
            raise CaseError(
                f"{path}: is not there; name files or folders of messages, as 'dosetwin replay' writes them"
            )
        folder = path / POSTERIOR if (path / POSTERIOR).is_dir() else path
        inside = sorted(folder.glob(f"*{ENDING}"))
        if not inside:
            raise CaseError(f"{folder}: has no message of a twin (PATIENT{ENDING}); 'dosetwin replay' writes them")
        found += inside
    return tuple(found)


def read_messages(paths: Sequence[Path]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """The messages in some files and folders, by patient; and of files that hold none why, in words.

    Raises:
        CaseError: a path that is none, or two messages of one patient.
    """
    found: dict[str, tuple[Path, Message]] = {}
    without: list[str] = []
    for path in message_files(paths):
        try:
            message = unpacked(path.read_bytes())
        except BadMessage as error:
            without.append(f"{path}: {error}")
            continue
        if message.patient_id in found:
            raise CaseError(
                f"{path}: patient {message.patient_id} has a message in {found[message.patient_id][0]} already; "
                "keep the latest, which contains what the one before said"
            )
        found[message.patient_id] = path, message
    return tuple(found[patient][1] for patient in sorted(found)), tuple(without)
