"""Which provider of identities lets people in, as what it knows us, and what its groups may do here.

::

    DOSETWIN_OIDC_ISSUER=https://login.hospital.example/realms/wards
    DOSETWIN_OIDC_CONSOLE=https://ward.example
    DOSETWIN_OIDC_CLIENT_ID=dosetwin
    DOSETWIN_OIDC_CLIENT_SECRET_FILE=/etc/dosetwin/oidc-secret
    DOSETWIN_OIDC_GROUPS={"ward3-nurses": {"role": "clinician", "patients": "WARD3-*"}}
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from connectors.access.accounts import Patients
from connectors.access.roles import Role
from connectors.services.ports import LOCAL_HOSTS
from connectors.settings import PartSettings, SettingsError, load_settings
from twin.events.malformed import first_fault

MOST_GROUPS = 500
"""Of the provider that are given a role."""

MOST_PATTERNS = 4000
"""Characters of the patterns of all of them: somebody may be of each."""


class Group(BaseModel):
    """What those whom the provider counts to a group may do here, and which patients they see."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    patients: Patients


_groups = TypeAdapter(dict[Annotated[str, Field(min_length=1, max_length=256)], Group])

_HOW = """write JSON such as {"ward3-nurses": {"role": "clinician", "patients": "WARD3-*"}}"""


class OidcSettings(PartSettings, env_prefix="DOSETWIN_OIDC_"):
    """How people log in through a provider."""

    issuer: str = Field(description="the provider, by the address that it calls itself in its tokens")
    console: str = Field(description="the address by which browsers ask for the console, as https://ward.example")
    client_id: str = Field(min_length=1, max_length=512, description="as what the provider knows this console")
    client_secret: str = Field("", repr=False, description="of that client; none where it is a public one")
    client_secret_file: Path | None = Field(None, description="file with the secret alone, instead of the secret")
    groups: Annotated[dict[str, Group], NoDecode] = Field(
        description="role and patients of each group that the provider names, as JSON; the first that fits is the role"
    )
    groups_claim: str = Field(
        "groups", min_length=1, description="where the provider names groups, as groups or realm_access.roles"
    )
    name_claim: str = Field(
        "preferred_username",
        min_length=1,
        description="where the provider tells a pseudonym, by which is told who acts",
    )
    scopes: str = Field("openid profile", description="what is asked for, separated by blanks; with openid")
    title: str = Field("the hospital's log-in", min_length=1, max_length=60, description="the provider, for people")
    ca: Path | None = Field(None, description="authority of the provider's certificate, PEM; by default the system's")
    skew_seconds: int = Field(60, ge=0, le=300, description="by which the provider's clock and ours may differ")

    @field_validator("issuer", "console")
    @classmethod
    def _safe(cls, value: str, info: ValidationInfo) -> str:
        parts = urlsplit(value)
        if parts.query or parts.fragment or parts.username is not None or any(sign.isspace() for sign in value):
            raise ValueError("write an address without blanks, user, ? or #")
        if not is_safe(value):
            raise ValueError("what is sent there could be read on the way: write https://")
        return value.rstrip("/") if info.field_name == "console" else value

    @field_validator("scopes")
    @classmethod
    def _with_openid(cls, value: str) -> str:
        if "openid" not in value.split():
            raise ValueError("must have openid among them, as 'openid profile'")
        return " ".join(value.split())

    @field_validator("groups", mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            found = _groups.validate_json(value)
        except ValidationError as error:
            raise ValueError(f"{first_fault(error, whole='')}; {_HOW}") from None
        if not 0 < len(found) <= MOST_GROUPS:
            raise ValueError(f"has {len(found)} groups, and may have 1 to {MOST_GROUPS}; {_HOW}")
        if (length := sum(len(group.patients) + 3 for group in found.values())) > MOST_PATTERNS:
            raise ValueError(f"has {length} characters of patterns, and may have {MOST_PATTERNS}: write wider ones")
        return found

    @field_validator("client_secret_file")
    @classmethod
    def _one_secret(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        if info.data.get("client_secret"):
            raise ValueError("DOSETWIN_OIDC_CLIENT_SECRET is set too: take one of them away")
        try:
            if value.stat().st_mode & 0o004:
                raise ValueError(f"everybody may read it: chmod 600 {value}")
            if not value.read_text(encoding="utf-8").strip():
                raise ValueError("is empty: write the client's secret into it")
        except UnicodeDecodeError:
            raise ValueError("is no text: write the client's secret into it") from None
        except OSError as error:
            raise ValueError(f"{error.strerror}; name a file that holds the client's secret alone") from None
        return value

    @field_validator("ca")
    @classmethod
    def _an_authority(cls, value: Path | None) -> Path | None:
        try:
            ssl.create_default_context(cafile=value)
        except OSError as error:  # ssl.SSLError is one
            raise ValueError(f"{error}; name the PEM file of the provider's authority") from None
        return value

    @property
    def secret(self) -> str:
        """Of the client, as it is now; empty of a public one."""
        if self.client_secret_file is None:
            return self.client_secret
        return self.client_secret_file.read_text(encoding="utf-8").strip()

    @property
    def callback(self) -> str:
        """Where the provider sends browsers back to."""
        return f"{self.console}/oidc/callback"

    @property
    def place(self) -> str:
        """Name and port of the console, as browsers send them in ``Host``."""
        return urlsplit(self.console).netloc.lower()


def is_safe(address: str) -> bool:
    """Whether what is sent there cannot be read on the way: by https, or on this machine."""
    try:
        parts = urlsplit(address)
        here = parts.scheme == "http" and parts.hostname in LOCAL_HOSTS
        return bool(parts.hostname) and (parts.scheme == "https" or here)
    except ValueError:
        return False


def oidc_settings(environment: Mapping[str, str] = os.environ, **given: Any) -> OidcSettings | None:
    """As they stand now; None where nothing is said of a provider.

    Raises:
        SettingsError: what is said is not enough, or cannot be used; naming the variable, its value and the mend.
    """
    if not given and not any(value for name, value in environment.items() if name.startswith("DOSETWIN_OIDC_")):
        return None
    try:
        return load_settings(OidcSettings, **given)
    except SettingsError as error:
        raise SettingsError(f"log-in through a provider: {error}") from None
