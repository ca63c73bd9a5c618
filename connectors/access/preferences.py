"""What each who may look has chosen: the language of the pages, a time zone, and units by kind of quantity.

::

    {"nurse-7": {"language": "de", "zone": "Europe/Berlin", "units": {"creatinine": "mg/dL"}}}

Consoles write it beside the file of accounts; nothing of a patient stands there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from connectors.services.run_state import replace_private
from twin.events.malformed import first_fault

UNITS: Mapping[str, tuple[str, ...]] = {
    "count": ("10*9/L", "10*3/uL", "/uL"),
    "concentration": ("mg/L", "ug/L", "ng/mL", "umol/L", "nmol/L"),
    "creatinine": ("umol/L", "mg/dL"),
    "temperature": ("Cel", "[degF]"),
}
"""Kinds of quantity, and the UCUM codes in which wards read each; how they convert is known to `twin.units` alone."""


class PreferencesError(ValueError):
    """They cannot be read or kept; the message names file or field, value and mend."""


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name, e.g. ``Europe/Berlin``. Raises `ValueError`."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:  # no such key, one that leads elsewhere, or a folder
        raise ValueError(f"time zone {name[:64]!r} is unknown: write an IANA name such as Europe/Berlin") from error


class Preferences(BaseModel):
    """Of one reader; what is not chosen is as the browser, and the twins, have it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Literal["en", "de"] | None = None
    zone: Annotated[str, Field(max_length=64)] | None = None
    units: dict[str, str] = {}

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        return value if value is None else zone_of(value).key

    @field_validator("units")
    @classmethod
    def _offered(cls, value: dict[str, str]) -> dict[str, str]:
        for kind, code in value.items():
            if code not in UNITS.get(kind, ()):
                offered = "; ".join(f"{one}: {', '.join(codes)}" for one, codes in UNITS.items())
                raise ValueError(f"{kind[:40]!r} in {code[:40]!r} is not offered; choose of {offered}")
        return value


def preferences_of(said: object) -> Preferences:
    """Preferences as they came from outside. Raises `PreferencesError`."""
    try:
        return Preferences.model_validate(said)
    except ValidationError as error:
        raise PreferencesError(first_fault(error, whole="")) from None


_each = TypeAdapter(dict[str, Preferences])


class PreferencesFile:
    """Everybody's, by name.

    >>> PreferencesFile(Path("/nowhere/preferences.json")).of("nurse-7")
    Preferences(language=None, zone=None, units={})
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, name: str) -> Preferences:
        """What somebody chose; nothing of one who did not yet. Raises `PreferencesError`."""
        return self._all().get(name, Preferences())

    def keep(self, name: str, chosen: Preferences) -> None:
        """Keep what somebody chose, one after another. Raises `PreferencesError`."""
        try:
            with FileLock(f"{self.path}.lock", mode=0o600):
                changed = self._all() | {name: chosen}
                replace_private(self.path, _each.dump_json(changed, indent=2, exclude_defaults=True).decode() + "\n")
        except OSError as error:
            raise PreferencesError(f"{self.path}: {error.strerror or error}") from None

    def _all(self) -> dict[str, Preferences]:
        try:
            return _each.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValidationError as error:
            raise PreferencesError(f"{self.path}: {first_fault(error, whole='')}; mend it, or remove it") from None
        except OSError as error:
            raise PreferencesError(f"{self.path}: {error.strerror or error}") from None
