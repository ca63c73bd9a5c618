"""The profile of a source: one TOML file that says who speaks, what its words mean, and what of it counts.

    id = "lab-east"                  # the `source` of its events
    protocol = "hl7"                 # hl7, fhir, openmhealth, dosetwin (our own events), fields (JSON by a map)
    server = "https://ehr/fhir"      # FHIR: the address beside which its ids are one thing
    resources = ["Observation"]      # FHIR: the kinds that are asked for; without it all with facts
    mode = "real"                    # or "test": its patients are others, and messages marked as tests are theirs
    zone = "Europe/Berlin"           # of times without an offset; without it they are refused
    charset = "8859/1"               # in place of what messages declare
    date_only = "refuse"             # or "noon": a laboratory's value that has a date only
    values_without_result = false    # HL7: take numbers whose OBX-11 is X, as some gateways write it
    device_from = "nearest"          # HL7: whose OBX-18 names a device: the nearest, or that of its "mds" (pump, rack),
                                     # "vmd", "channel"; or the attribute "sys_id" (MDC_ATTR_SYS_ID)
    device_repetition = 1            # HL7: which repetition of OBX-18
    taken = 0.95                     # FHIR: probability that a dose by mouth or under the skin was taken, of a source
                                     # that only knows that a bottle was opened; without it it was
    end_without_return = false       # MLLP: a frame ends with 0x1C, whatever follows

    [patients]
    authorities = ["IHE"]            # whose ids count, the first that a message has; any without
    types = ["MR", "PI"]             # which types of id count
    table = "patients.csv"           # authority,id,patient_id; without it a keyed hash
    placeholders = ["BED 7"]         # ids that stand for nobody: a monitor's default, beds

    [devices]
    authorities = ["urn:ietf:rfc:3986"]  # FHIR: whose identifier of a Device is its id; without it the reference is

    [units]                          # what its spellings mean, in UCUM
    "K/uL" = "10*3/uL"

    [codes]                          # local codes, "SYSTEM|CODE" = a quantity
    "99LAB|NEUT" = "neutrophils"

    [quantities.docetaxel_plasma]    # what the tables do not have: an assay of its own
    kind = "drug_level"              # lab_result, drug_level, covariate
    unit = "mg/L"                    # one that it is measured in, of which low and high are, where it has such

    [drugs]                          # "SYSTEM|CODE" or "|label" = a drug of the models
    "99PUMP|2222" = "docetaxel"

    [names]                          # what the ward's models call a quantity
    weight = "WT"

What is published over MQTT needs ``[mqtt]`` (`connectors.facts.topics`), and ``protocol = "fields"`` a map of fields
(`connectors.facts.field_map`). Our own events name patients by their ids here. The key of the hash is the environment
variable ``DOSETWIN_PATIENT_KEY``.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from connectors.facts import field_map
from connectors.facts.codes import Codes, Quantified, known_quantities
from connectors.facts.field_map import Mapped
from connectors.facts.patients import LEAST_KEY_BYTES, Pseudonyms
from connectors.facts.topics import MqttPart, Topics
from connectors.privacy.pseudonyms import PseudonymStore
from connectors.settings import PartSettings
from twin.events.envelope import Name
from twin.units import UnitError, quantity_of

Protocol = Literal["hl7", "fhir", "openmhealth", "dosetwin", "fields"]

DeviceFrom = Literal["nearest", "mds", "vmd", "channel", "sys_id"]


class PatientSettings(PartSettings, env_prefix="DOSETWIN_PATIENT_"):
    """What makes pseudonyms of patients' ids."""

    key: SecretStr = Field(SecretStr(""), repr=False, description="secret of the pseudonyms of sources without a table")


class ProfileError(ValueError):
    """A profile cannot be used; the message names file, field, value and mend."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class PatientsPart(_Part):
    """Which ids count, and how they become pseudonyms."""

    authorities: list[str] = []
    types: list[str] = []
    table: str = ""
    placeholders: list[str] = []


class DevicesPart(_Part):
    """Which identifiers of devices count."""

    authorities: list[str] = []


class QuantityPart(_Part):
    """What is measured that the tables do not have."""

    kind: Literal["lab_result", "drug_level", "covariate"]
    unit: Annotated[str, Field(min_length=1, max_length=32)]
    low: float | None = None
    high: float | None = None
    molar_mass: Annotated[float, Field(gt=0)] | None = None


class _File(_Part):
    id: Name
    protocol: Protocol
    server: str = Field("", pattern=r"^(https?://[^/?#@\s]+[^?#@\s]*[^/?#@\s])?$")
    resources: list[str] = []
    mode: Literal["real", "test"]
    zone: str = ""
    charset: str = ""
    date_only: Literal["refuse", "noon"] = "refuse"
    values_without_result: bool = False
    device_from: DeviceFrom = "nearest"
    device_repetition: int = Field(1, ge=1, le=9)
    taken: Annotated[float, Field(gt=0, le=1)] | None = None
    end_without_return: bool = False
    patients: PatientsPart = PatientsPart()
    devices: DevicesPart = DevicesPart()
    units: dict[str, str] = {}
    codes: dict[str, str] = {}
    quantities: dict[Name, QuantityPart] = {}
    drugs: dict[str, Annotated[str, Field(min_length=1, max_length=64)]] = {}
    names: dict[str, str] = {}
    mqtt: MqttPart | None = None
    map: list[Mapped] = []


@dataclass(frozen=True)
class Profile:
    """A source, ready to read what it says."""

    source: str
    protocol: Protocol
    codes: Codes
    pseudonyms: Pseudonyms
    test: bool = False
    zone: ZoneInfo | None = None
    charset: str = ""
    days: bool = False
    values_without_result: bool = False
    device_from: DeviceFrom = "nearest"
    device_repetition: int = 1
    taken: float | None = None
    end_without_return: bool = False
    units: dict[str, str] | None = None
    names: dict[str, str] | None = None
    topics: Topics | None = None
    maps: tuple[Mapped, ...] = ()
    servers: tuple[str, ...] = ("",)
    resources: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()

    @property
    def server(self) -> str:
        """The address beside which ids of a FHIR server are one thing; others in ``servers`` are that server too."""
        return self.servers[0]

    @cached_property
    def means(self) -> dict[str, str]:
        """What the source's spellings of units mean, in UCUM."""
        return self.units or {}

    def named(self, quantity: str) -> str:
        """What the ward's models call a quantity."""
        return (self.names or {}).get(quantity, quantity)


def read_profile(path: Path, key: bytes | PseudonymStore) -> Profile:
    """The profile in a file.

    Args:
        path: the TOML file; a table of patients is beside it.
        key: secret of the pseudonyms, or the store of them; needed where there is no table.

    Raises:
        ProfileError: it cannot be read, a field is unknown or wrong, or a secret is missing.
    """
    try:
        with path.open("rb") as file:
            said = _File.model_validate(tomllib.load(file))
        zone = _zone(said.zone)
        own = [Quantified(name, one.kind, one.unit, one.low, one.high, (), one.molar_mass)
               for name, one in said.quantities.items()]  # fmt: skip
        codes = Codes(said.codes, said.drugs, own)
        _known_units(said.units)
        _known_units({one.name: one.unit for one in own}, "quantities")
        _known_names(said.names, said.quantities)
        _known_maps(said)
        topics = _topics(said)
        table = _table(path.parent / said.patients.table) if said.patients.table else None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise ProfileError(f"{path}: field {field!r}: {first['msg']} (got {str(first.get('input'))[:60]!r})") from None
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}: {error.filename}") from None
    except ValueError as error:
        raise ProfileError(f"{path}: {error}") from None
    short = isinstance(key, bytes) and len(key) < LEAST_KEY_BYTES
    if table is None and short and said.protocol != "dosetwin":
        variable = PatientSettings.variable("key")
        mend = f"set {variable} to a secret of {LEAST_KEY_BYTES} bytes or more, or name a table under patients.table"
        raise ProfileError(f"{path}: patients need a pseudonym: {mend}")
    types = {"types": tuple(said.patients.types)} if said.patients.types else {}
    test = said.mode == "test"
    nobody = frozenset(said.patients.placeholders)
    pseudonyms = Pseudonyms(key, table, tuple(said.patients.authorities), test=test, placeholders=nobody, **types)
    return Profile(
        source=said.id,
        protocol=said.protocol,
        codes=codes,
        pseudonyms=pseudonyms,
        test=test,
        zone=zone,
        charset=said.charset,
        days=said.date_only == "noon",
        values_without_result=said.values_without_result,
        device_from=said.device_from,
        device_repetition=said.device_repetition,
        taken=said.taken,
        end_without_return=said.end_without_return,
        units=said.units,
        names=said.names,
        topics=topics,
        maps=tuple(said.map),
        servers=(said.server,),
        resources=tuple(said.resources),
        devices=tuple(said.devices.authorities),
    )


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"field 'zone' {name!r}: no zone of the IANA database, as Europe/Berlin is") from None


def _known_units(units: dict[str, str], field: str = "units") -> None:
    for text, unit in units.items():
        try:
            quantity_of(unit)
        except UnitError as error:
            raise ValueError(f"field {field!r} {text!r} = {unit!r}: {error}") from None


def _known_names(names: dict[str, str], own: Iterable[str]) -> None:
    known = {*known_quantities(), *own}
    for quantity in names:
        if quantity not in known:
            raise ValueError(f"field 'names' {quantity!r}: no such quantity; use one of {', '.join(sorted(known))}")


def _known_maps(said: _File) -> None:
    if (said.protocol == "fields") != bool(said.map):
        raise ValueError("field 'map': protocol = 'fields' needs at least one [[map]], and no other protocol has any")
    for mapped in said.map:
        field_map.check(mapped)


def _topics(said: _File) -> Topics | None:
    if said.mqtt is None:
        return None
    if said.protocol in ("hl7", "fhir") and any(patients != ["*"] for patients in said.mqtt.users.values()):
        raise ValueError(
            f"field 'mqtt.users': whose {said.protocol} messages are, a hospital says; give each user ['*']"
        )
    topics = Topics.of(said.mqtt)
    if said.protocol == "openmhealth" and not topics.facts.names("patient"):
        raise ValueError("field 'mqtt.topic': data points do not say whose they are; a level must: {patient}")
    return topics


def _table(path: Path) -> dict[tuple[str, str], str]:
    wanted = ["authority", "id", "patient_id"]
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if rows.fieldnames != wanted:
            raise ValueError(f"patients.table {path.name}: its first line is {','.join(wanted)!r}")
        found: dict[tuple[str, str], str] = {}
        for number, row in enumerate(rows, start=2):
            place = (row["authority"] or "", row["id"] or "")
            if not row["patient_id"] or not place[1] or place in found:
                raise ValueError(f"patients.table {path.name}, line {number}: each id once, with its patient_id")
            found[place] = row["patient_id"]
    return found
