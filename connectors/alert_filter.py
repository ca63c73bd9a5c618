"""Which alerts somebody wants to be told of: by rule, severity and patient.

Rule and patient of an alert never change, its severity does. Who was told of an alert hears how it goes on and ends,
also when it has become less severe than what they asked for. What was told before this process began is not known to
it: of an alert that it did not see begin it tells the end, for an end too many is better than an alert that stands for
ever.
"""

from __future__ import annotations

import fnmatch
from collections import OrderedDict
from pathlib import Path
from typing import Annotated, Literal, Protocol

import structlog
from pydantic import Field, field_validator

from connectors.settings import PartSettings

RANK = {"low": 0, "medium": 1, "high": 2}

REMEMBERED = 100_000
"""Alerts of which it is known whether they were told."""

log = structlog.get_logger(__name__)

Severity = Literal["low", "medium", "high"]

Globs = Annotated[str, Field(pattern=r"^[A-Za-z0-9._*?\[\]!,\s-]*$")]


class FilterSettings(PartSettings):
    """Which alerts, and of whom: all that a system is told which keeps alerts and sees to their telling itself."""

    rules: Globs = Field(
        "*", min_length=1, description="rules that are told, as tox.*,delivery.*; !data.* leaves some out"
    )
    lowest_severity: Severity = Field("low", description="low, medium or high: alerts below it are not told")
    patients: Globs = Field("", description="pseudonyms that are told of, as P-1,WARD3-*; by default all")
    patients_file: Path | None = Field(
        None, description="file of such pseudonyms, one a line; read again when it has changed"
    )

    @field_validator("patients_file")
    @classmethod
    def _readable(cls, value: Path | None) -> Path | None:
        if value is not None:
            try:
                value.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"cannot be read ({type(error).__name__}); name a text file of pseudonyms") from None
        return value


class Judged(Protocol):
    """What an alert is judged by: a transition, or what is kept of one."""

    @property
    def alert_id(self) -> str: ...
    @property
    def patient_id(self) -> str: ...
    @property
    def rule(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def revision(self) -> int: ...
    @property
    def live(self) -> bool: ...


class AlertFilter:
    """Judges alerts in the order in which they come."""

    def __init__(self, settings: FilterSettings) -> None:
        self._rules, self._patients = globs_of(settings.rules), globs_of(settings.patients)
        self._lowest = RANK[settings.lowest_severity]
        self._group = _Group(settings.patients_file) if settings.patients_file is not None else None
        self._told: OrderedDict[str, bool] = OrderedDict()

    def wants(self, alert: Judged) -> bool:
        """Whether to tell it."""
        if not chosen(alert.rule, self._rules) or not self.tells_of(alert.patient_id):
            return False
        before = self._told.get(alert.alert_id)
        wanted = RANK[alert.severity] >= self._lowest or before is True
        if not wanted and before is None and alert.revision > 0 and not alert.live:
            wanted = True
        self._told[alert.alert_id] = wanted
        self._told.move_to_end(alert.alert_id)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        return wanted

    def tells_of(self, patient: str) -> bool:
        """Whether anything is told of a patient."""
        if self._patients and chosen(patient, self._patients):
            return True
        if self._group is not None:
            return chosen(patient, self._group.globs())
        return not self._patients


class _Group:
    """A file of pseudonyms; while it cannot be read the group is as it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._globs: tuple[str, ...] = ()

    def globs(self) -> tuple[str, ...]:
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_size)
            if seen != self._seen:
                self._globs = globs_of(self._path.read_text(encoding="utf-8").replace("\n", ","))
                self._seen = seen
        except (OSError, UnicodeDecodeError) as error:
            if self._seen is not None:
                log.warning("patients' file cannot be read, the group stays as it was", cause=type(error).__name__)
            self._seen = None
        return self._globs


def globs_of(text: str) -> tuple[str, ...]:
    """The patterns of a text that separates them by commas."""
    return tuple(glob for part in text.split(",") if (glob := part.strip()))


def chosen(name: str, globs: tuple[str, ...]) -> bool:
    """Whether one of the globs is meant and none that begins with ``!``; alone, those leave out of all.

    >>> [chosen(name, ("tox.*", "!tox.qtc")) for name in ("tox.anaemia", "tox.qtc", "data.dropout")]
    [True, False, False]
    """
    left_out = [glob[1:] for glob in globs if glob.startswith("!")]
    meant = [glob for glob in globs if not glob.startswith("!")]
    if any(fnmatch.fnmatchcase(name, glob) for glob in left_out):
        return False
    return any(fnmatch.fnmatchcase(name, glob) for glob in meant) or bool(left_out and not meant)
