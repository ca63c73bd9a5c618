"""Entering Kafka as engineers do: the console only looks, and what mends goes by a user of its own.

Where the environment names none, what engineers do is done as whoever the process is otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator

from connectors.kafka.access.entry import KafkaAccess, access_to, entered_as
from connectors.settings import PartSettings, SettingsError, load_settings


class EngineerAccess(PartSettings, env_prefix="DOSETWIN_ENGINEER_"):
    """Who sends dead letters again and reads what twins hold back; the rest is as DOSETWIN_KAFKA_ says."""

    user: str = Field(
        "", max_length=249, description="who does what engineers do, for DOSETWIN_KAFKA_PROTOCOL=SASL_SSL"
    )
    password_file: Path | None = Field(None, validate_default=True, description="file with that user's password alone")

    @field_validator("password_file")
    @classmethod
    def _of_a_user(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if bool(info.data.get("user")) != (value is not None):
            raise ValueError("DOSETWIN_ENGINEER_USER and the file of that user's password are set both, or neither")
        return value


class _AsEngineer(KafkaAccess):
    """The entry of a process, but for who it is."""

    def named(self, field: str) -> str:
        return (EngineerAccess if field in EngineerAccess.model_fields else KafkaAccess).variable(field)


def engineers_access(bootstrap: str) -> KafkaAccess:
    """How engineers enter a broker.

    Raises:
        SettingsError: a setting cannot be used.
    """
    own, engineer = access_to(bootstrap), load_settings(EngineerAccess)
    if not engineer.user:
        return own
    if own.protocol != "SASL_SSL":
        raise SettingsError(
            f"DOSETWIN_ENGINEER_USER={engineer.user!r}: a user is told by DOSETWIN_KAFKA_PROTOCOL=SASL_SSL only, and "
            f"that is {own.protocol}"
        )
    said = own.model_dump() | {"user": engineer.user, "password_file": engineer.password_file}
    return _AsEngineer.model_construct(own.model_fields_set, **said)


@contextmanager
def as_engineer(bootstrap: str) -> Iterator[None]:
    """Clients that are opened in this block enter as engineers do.

    Raises:
        SettingsError: a setting cannot be used.
    """
    with entered_as(engineers_access(bootstrap)):
        yield
