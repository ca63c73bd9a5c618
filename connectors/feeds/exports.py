"""What people export from their phones: an archive or a folder, opened within bounds, and the readings in it.

An export names a person: in folders, in what devices are called, in notes. Nothing of that leaves it: a device is known
by its model and a keyed digest of its name, a reading by what it says.
"""

from __future__ import annotations

import hashlib
import hmac
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError

from connectors.facts.codes import known_quantities
from connectors.facts.fact import NotAFact
from connectors.facts.patients import LEAST_KEY_BYTES
from connectors.facts.profile import PatientSettings
from connectors.facts.units_of_sources import quantity
from connectors.feeds.messages import key_of_patients
from connectors.feeds.stream import TimedEvent
from twin.events import Covariate, InputEvent, VitalSample, event_id, to_millis
from twin.events.envelope import PatientId

MOST_FILES = 200_000
"""Files of an export; twelve years of one had 33,000."""

LARGEST = 64 << 30
"""Bytes of an archive, unpacked."""

MOST_TIMES = 300
"""So many times larger than packed may a file be; what bodies measure comes to some twenty."""

_SMALL = 1 << 20

CHANNELS = {"weight": "body_weight"}
"""What a reading's channel is called where it is not called as the quantity."""

_PATIENT: TypeAdapter[str] = TypeAdapter(PatientId)


class Part(NamedTuple):
    """A file of an export: its name without the folders, which may be a person's, and how to open it."""

    name: str
    open: Callable[[], BinaryIO]


@contextmanager
def opened(export: Path) -> Iterator[list[Part]]:
    """The files of an export, by name, while it is open: of a folder, an archive (ZIP), or the one that it is.

    Raises:
        ValueError: it is damaged, encrypted, or too large unpacked.
    """
    if export.is_dir():
        files = sorted(path for path in export.rglob("*") if path.is_file() and not path.is_symlink())
        _few(len(files))
        yield [Part(path.name, partial(_file, path)) for path in files]
    elif zipfile.is_zipfile(export):
        try:
            with zipfile.ZipFile(export) as archive:
                yield [
                    Part(PurePosixPath(one.filename).name, partial(_member, archive, one))
                    for one in _within_bounds(archive)
                ]
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise ValueError(f"the archive cannot be read ({error}); export it again") from None
    else:
        yield [Part(export.name, partial(_file, export))]


def _file(path: Path) -> BinaryIO:
    return path.open("rb")


def _member(archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> BinaryIO:
    return cast(BinaryIO, archive.open(one))


def _within_bounds(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    found = [one for one in archive.infolist() if not one.is_dir()]
    _few(len(found))
    if sum(one.file_size for one in found) > LARGEST:
        raise ValueError(f"the archive is of more than {LARGEST >> 30} GiB unpacked; unpack it and give the folder")
    for one in found:
        if one.flag_bits & 1:
            raise ValueError("the archive is encrypted; unpack it and give the folder")
        if one.file_size > max(_SMALL, MOST_TIMES * one.compress_size):
            raise ValueError(
                f"a file of the archive unpacks to more than {MOST_TIMES} times its size; that is no export"
            )
    return sorted(found, key=lambda one: one.filename)


def _few(files: int) -> None:
    if files > MOST_FILES:
        raise ValueError(f"an export of {files} files; at most {MOST_FILES} are read")


@dataclass(frozen=True)
class Wearer:
    """Whose an export is: makes events of its readings.

    Attributes:
        patient: as the ward's models know them.
        source: of the events.
        weight: what those models call a body's weight; without it a weight is a reading of a scale.
        key: of the digests.
    """

    patient: str
    source: str
    weight: str
    key: bytes

    def device(self, model: str, name: str) -> str:
        """The id of a device: its model, and a digest of what its owner calls it."""
        digest = hmac.new(self.key, name.encode(), hashlib.sha256).hexdigest()[:12]
        return f"{model[:40] or 'device'}-{digest}"

    def told(
        self, channel: str, value: float, unit: str, at: datetime, device: str, *, by_hand: bool = False
    ) -> TimedEvent:
        """The event of a reading in a unit of UCUM; a weight is a characteristic where the ward's models have one.

        The same reading of a later export is the same event.

        Raises:
            NotAFact: ``unknown_unit`` or ``out_of_range``.
        """
        known = known_quantities()[channel]
        read = quantity(value, unit, known.unit, means={}, low=known.low, high=known.high)
        said: dict[str, Any] = {
            "event_id": event_id(self.source, self.patient, channel, device, to_millis(at), repr(read.value)),
            "patient_id": self.patient,
            "time": at,
            "source": f"{self.source}/self-reported" if by_hand else self.source,
            "value": read,
        }
        event: InputEvent
        if channel == "weight" and self.weight:
            event = Covariate(name=self.weight, **said)
        else:
            event = VitalSample(device_id=device, channel=cast(Any, CHANNELS.get(channel, channel)), **said)
        return TimedEvent(to_millis(event.time), event)


def wearer(patient: str, source: str, weight: str) -> Wearer:
    """Whose an export is.

    Raises:
        ValueError: of a patient's name that is none, or without a secret.
    """
    try:
        _PATIENT.validate_python(patient)
    except ValidationError:
        detail = "letters, digits, '.', '_' and '-', at most 64; a pseudonym as on the console, never a name"
        raise ValueError(f"--patient {patient[:20]!r}: {detail}") from None
    made_by = key_of_patients()
    key = made_by if isinstance(made_by, bytes) else made_by.ring[0].secret
    if len(key) < LEAST_KEY_BYTES:
        variable = PatientSettings.variable("key")
        raise ValueError(
            f"devices' names become digests: set {variable} to a secret of {LEAST_KEY_BYTES} bytes or more"
        )
    return Wearer(patient, source, weight, key)


def refused(error: NotAFact) -> str:
    """A refusal in one line."""
    return f"{error.reason}: {error.detail}"
