"""Who somebody is by what a provider says of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.access.oidc.holders import NoName, NoRole, holder_of, is_all_told
from connectors.access.oidc.settings import OidcSettings
from connectors.access.roles import Who


def settings(**changes: Any) -> OidcSettings:
    groups = {
        "pharmacy": {"role": "clinician", "patients": "W3-*"},
        "staff": {"role": "viewer", "patients": "*"},
        "ward4": {"role": "clinician", "patients": "W4-*,!W4-9"},
        "all-but": {"role": "clinician", "patients": "!W5-*"},
    }
    said = {
        "issuer": "https://i.example",
        "console": "https://w.example",
        "client_id": "d",
        "groups": json.dumps(groups),
    }
    return OidcSettings(**(said | changes))


def told(groups: Any, name: Any = "nora-7") -> dict[str, Any]:
    return {"preferred_username": name, "groups": groups}


@pytest.mark.parametrize(
    ("groups", "role", "sees"),
    [
        (["staff"], "viewer", "W3-1 W4-1 W4-9 W5-1 X-1"),
        ("staff", "viewer", "W3-1 W4-1 W4-9 W5-1 X-1"),
        (["staff", "pharmacy"], "clinician", "W3-1"),
        (["ward4", "pharmacy"], "clinician", "W3-1 W4-1"),
        (["all-but"], "clinician", "W3-1 W4-1 W4-9 X-1"),
        (["all-but", "ward4", 7, None], "clinician", "W3-1 W4-1 X-1"),
    ],
)
def test_the_first_group_says_the_role_and_all_of_that_role_the_patients(groups: Any, role: str, sees: str) -> None:
    who: Who = holder_of(told(groups), settings()).who
    assert (who.name, who.role) == ("nora-7", role)
    assert [one for one in ("W3-1", "W4-1", "W4-9", "W5-1", "X-1") if who.sees(one)] == sees.split()


@pytest.mark.parametrize("groups", [None, [], ["Staff"], {"staff": True}, 7, [["staff"]]])
def test_who_is_of_no_group_is_nobody(groups: Any) -> None:
    with pytest.raises(NoRole, match="'groups' names none of 4 groups"):
        holder_of(told(groups), settings())


@pytest.mark.parametrize("name", [None, "", "Nora Doe", "nora@hospital.example", 7, "x" * 65])
def test_what_is_no_pseudonym_is_nobodys_name_and_is_not_told(name: Any) -> None:
    with pytest.raises(NoName, match=r"^claim 'preferred_username' has no pseudonym$"):
        holder_of(told(["staff"], name), settings())


def test_claims_may_stand_deeper() -> None:
    said = settings(groups_claim="realm_access.roles", name_claim="sub")
    assert holder_of({"sub": "a-1", "realm_access": {"roles": ["staff"]}}, said).name == "a-1"
    assert holder_of({"sub": "a-1", "realm_access.roles": ["staff"]}, said).role == "viewer"
    assert is_all_told({"sub": "a-1", "realm_access": {"roles": []}}, said)
    assert not is_all_told({"sub": "a-1", "realm_access": "x"}, said)
