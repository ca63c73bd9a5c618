"""Where an observation stands in its device (IHE PCD TF-2, B.8): OBX-4 is MDS.VMD.CHANNEL.METRIC, then a facet.

A device and a time are inherited: what an observation does not say, its channel, its module or the whole device says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timezone
from functools import cached_property

from connectors.facts.codes import system_of
from connectors.facts.fact import Moment, NotAFact, Subject
from connectors.facts.profile import Profile
from connectors.protocols.hl7.groups import Group, subject_of
from connectors.protocols.hl7.message import NULL, Segment
from connectors.protocols.hl7.stamps import moment
from connectors.protocols.hl7.values import Number, codings, number, term

Path = tuple[str, ...]

TERMS = {
    "67972": "MDC_ATTR_SYS_ID",
    "68063": "MDC_ATTR_PT_WEIGHT",
    "68480": "MDC_ATTR_ALERT_SOURCE",
    "68481": "MDC_ATTR_EVENT_PHASE",
    "68487": "MDC_ATTR_EVT_COND",
    "68488": "MDC_ATTR_EVT_SOURCE",
    "157760": "MDC_CONC_DRUG",
    "157784": "MDC_FLOW_FLUID_PUMP",
    "157924": "MDC_RATE_DOSE",
    "157993": "MDC_VOL_FLUID_DELIV_TOTAL",
    "158005": "MDC_DEV_PUMP_CURRENT_DELIVERY_STATUS",
    "158006": "MDC_DEV_PUMP_NOT_DELIVERING_REASON",
    "158014": "MDC_FLOW_FLUID_PUMP_CURRENT",
    "184514": "MDC_DRUG_NAME_LABEL",
    "184519": "MDC_PUMP_INFUSING_STATUS",
    "196616": "MDC_EVT_ALARM",
    "197288": "MDC_EVT_PUMP_DELIV_START",
    "197292": "MDC_EVT_PUMP_DELIV_COMP",
}
"""Numbers of IEEE 11073-10101, for senders that leave the names out; where there is a name, it counts."""

_LEVELS = {"mds": 1, "vmd": 2, "channel": 3}

_NOT_VALID = {"INV", "NAV", "NI", "OFF", "CAL", "TEST", "DEMO"}


def path_of(result: Segment) -> Path:
    """The place of OBX-4 without trailing zeros: ``1.1.2.0`` is the channel ``("1", "1", "2")``."""
    return _without_zeros(tuple(part.strip() for part in result(4).split(".")))


def _without_zeros(parts: Path) -> Path:
    while parts and parts[-1] in ("", "0"):
        parts = parts[:-1]
    return parts


def term_of(result: Segment) -> str:
    """The name of what an OBX is, without the mark of drafts: ``MDC_ATTR_EVT_COND``."""
    given = codings(result, 3)
    name = next((coding.name for coding in given if coding.name.startswith("MDC")), "")
    if not name:
        return next((TERMS[one.code] for one in given if system_of(one.system) == "mdc" and one.code in TERMS), "")
    return name.replace("MDCX_", "MDC_", 1)


def is_valid(result: Segment) -> bool:
    """Whether its device vouches for a number (OBX-8): not where it is not available, invalid, off, or of a test."""
    return not any(part[0].strip() in _NOT_VALID for part in result.repetitions(8))


@dataclass(frozen=True)
class Devices:
    """The observations of one order, each at its place; the profile says what in them names the device."""

    group: Group
    zone: timezone | None
    profile: Profile

    @cached_property
    def metrics(self) -> list[tuple[int, Segment, Path]]:
        """Each OBX with its number in the group and its place."""
        return [(index, result, path_of(result)) for index, result in self.group.results]

    @cached_property
    def _of_term(self) -> dict[str, list[tuple[Path, Segment]]]:
        found: dict[str, list[tuple[Path, Segment]]] = {}
        for _, result, path in self.metrics:
            found.setdefault(term_of(result), []).append((path, result))
        return found

    @cached_property
    def _named(self) -> dict[Path, str]:
        """What names a device, by the place where it stands: OBX-18, or its attribute where the profile says so."""
        found: dict[Path, str] = {}
        for _, result, path in self.metrics:
            if self.profile.device_from == "sys_id":
                said = result(5)[:64] if term_of(result) == "MDC_ATTR_SYS_ID" else ""
                path = _without_zeros(path[:3])  # an attribute is of the place that it stands in
            else:
                said = _device(result, self.profile.device_repetition)
            if said:
                found.setdefault(path, said)
        return found

    @cached_property
    def _stamped(self) -> dict[Path, str]:
        """What OBX-14 says, by the place where it stands."""
        return {path: result(14) for _, result, path in self.metrics if result(14)}

    def find(self, names: tuple[str, ...], within: Path = ()) -> Segment | None:
        """The first observation of one of the terms, in the order of the terms, whose place is within another."""
        for name in names:
            for path, result in self._of_term.get(name, ()):
                if path[: len(within)] == within:
                    return result
        return None

    def number(self, names: tuple[str, ...], within: Path = ()) -> tuple[Number, Segment] | None:
        """The number of the first such observation, and the observation."""
        found = self.find(names, within)
        value = number(found) if found is not None else None
        return (value, found) if value is not None and found is not None else None

    def term(self, names: tuple[str, ...], within: Path = ()) -> str:
        """The term that the first such observation names; empty where there is none."""
        found = self.find(names, within)
        return term(found) if found is not None else ""

    def device(self, path: Path) -> str:
        """The id of the device that an observation is of: that of OBX-18 at its place, or at the nearest place around
        it, else the first of the order; or that of the level that the profile names and no other. Both a name and an
        EUI-64 are kept, as ``E0002/0012210000000000``.
        """
        if (level := _LEVELS.get(self.profile.device_from)) is not None:
            return self._named.get(path[:level], "")
        for depth in range(len(path), -1, -1):
            if path[:depth] in self._named:
                return self._named[path[:depth]]
        return next(iter(self._named.values()), "")

    def channel_of(self, path: Path) -> str:
        """The device of an infusion channel: one that is named for several modules has each module's number behind it.

        A pump with one module has the first, and is called by its own name alone.
        """
        device, module = self.device(path), path[1:2]
        own = any(place[:2] == path[:2] and len(place) > 1 for place in self._named if self.device(place) == device)
        return device if own or not device or module in ((), ("1",)) else f"{device[:55]}/{module[0][:8]}"

    def time(self, result: Segment, path: Path) -> Moment | None:
        """When it was observed: OBX-14 of it, or of what is around it, else OBR-7; never when it was sent.

        Raises:
            NotAFact: ``malformed`` where a stamp is none.
        """
        if own := moment(result(14), self.zone):
            return own
        for depth in range(len(path) - 1, 0, -1):
            if path[:depth] in self._stamped:
                return moment(self._stamped[path[:depth]], self.zone)
        return moment(self.group.order(7), self.zone) if self.group.order is not None else None

    def subject(self, profile: Profile) -> Subject | None:
        """Whose the observations are; None where the device itself does not know, and its bindings have to say.

        Raises:
            NotAFact: ``unknown_patient_id`` of an id that does not count: that of somebody, but not known whose.
        """
        try:
            return subject_of(self.group, profile)
        except NotAFact as error:
            if error.reason != "no_patient":
                raise
            return None


def _device(result: Segment, repetition: int) -> str:
    """OBX-18, an entity identifier: its first component, and an EUI-64 where there is one."""
    given = result.repetitions(18)
    parts = given[repetition - 1] if repetition <= len(given) else []
    entity, _, universal, kind = (*("" if part.strip() == NULL else part.strip() for part in parts), *[""] * 4)[:4]
    return "/".join(part for part in (entity, universal if kind == "EUI-64" or not entity else "") if part)[:64]
