"""Who somebody is here by what a provider says of them: a name that is a pseudonym, a role and a group of patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from connectors.access.accounts import Holder
from connectors.access.oidc.settings import OidcSettings
from connectors.alert_filter import globs_of
from twin.events.envelope import StaffId

_NAME: TypeAdapter[str] = TypeAdapter(StaffId)


class NoName(ValueError):
    """What stands where a pseudonym should is none."""


class NoRole(ValueError):
    """Of none of the groups that may do something here."""


def is_all_told(claims: Mapping[str, Any], settings: OidcSettings) -> bool:
    """Whether claims have both a name and groups."""
    return all(_at(claims, where) is not None for where in (settings.name_claim, settings.groups_claim))


def holder_of(claims: Mapping[str, Any], settings: OidcSettings) -> Holder:
    """Who that is.

    The role is that of the first group in the settings to which they are counted; the patients are those of all of
    their groups with that role, less whom one of these leaves out.

    Raises:
        NoName, NoRole: it is nobody who may come in.
    """
    try:
        name = _NAME.validate_python(_at(claims, settings.name_claim))
    except ValidationError:
        raise NoName(f"claim {settings.name_claim!r} has no pseudonym") from None
    said = _at(claims, settings.groups_claim)
    counted = {said} if isinstance(said, str) else {one for one in _listed(said) if isinstance(one, str)}
    groups = [group for name_, group in settings.groups.items() if name_ in counted]
    if not groups:
        raise NoRole(f"claim {settings.groups_claim!r} names none of {len(settings.groups)} groups")
    role = groups[0].role
    patients = dict.fromkeys(glob for group in groups if group.role == role for glob in _whole(group.patients))
    return Holder(name=name, role=role, patients=",".join(patients))


def _whole(patients: str) -> tuple[str, ...]:
    """Patterns that mean the same beside others: those that only leave out mean all others."""
    globs = globs_of(patients)
    return globs if any(not glob.startswith("!") for glob in globs) else ("*", *globs)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _at(claims: Mapping[str, Any], where: str) -> Any:
    """A claim of that name, or by the path of that name, as ``realm_access.roles``; None where there is none."""
    if where in claims:
        return claims[where]
    found: Any = claims
    for name in where.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
