"""Settings: which servers to talk to and how large a twin is, from the environment or from this clone's own servers.

Every setting is an environment variable with the prefix ``DOSETWIN_`` (``DOSETWIN_KAFKA``, ``DOSETWIN_INFLUX_URL``, …).
What the environment leaves open is taken from the servers that ``dosetwin services up`` started in this clone, and
after that from the defaults below, which are the servers' own usual ports.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "DOSETWIN_"

TopicPrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")]


class SettingsError(ValueError):
    """A setting cannot be used; the message names the variable, its value and what would be accepted."""


class Settings(BaseSettings):
    """Everything the connectors and the worker need to know about their surroundings."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    kafka: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, 'host:port' separated by commas")
    influx_url: str = Field("http://127.0.0.1:8086", pattern=r"^https?://[^/\s]+/?$", description="InfluxDB 2 address")
    influx_token: str = Field("", repr=False, description="InfluxDB API token; never logged")
    influx_org: str = Field("dosetwin", min_length=1)
    influx_bucket: str = Field("dosetwin", min_length=1)
    topic_prefix: TopicPrefix = Field("", description="put before every topic name, to share a broker")
    partitions: int = Field(4, ge=1, le=1024, description="partitions of every topic")
    particles: int = Field(1000, ge=100, le=100_000, description="particles of each patient's belief")

    @field_validator("kafka")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        for address in value.split(","):
            host, _, port = address.strip().rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ValueError("expected 'host:port', or several separated by commas")
        return ",".join(address.strip() for address in value.split(","))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (no .env file is read)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _RunningServers(settings_cls)


class _RunningServers(PydanticBaseSettingsSource):
    """The servers running in this clone, as settings."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        from connectors.services.run_state import running_servers

        return running_servers()


def load_settings(**given: Any) -> Settings:
    """The settings as they stand now; ``given`` values (command-line options) win over the environment.

    Raises:
        SettingsError: naming the variable, its value and what is wrong with it.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(dict(detail)) for detail in error.errors(include_url=False))) from None


def _explain(detail: dict[str, Any]) -> str:
    name = str(detail["loc"][0]) if detail["loc"] else "settings"
    value = "(hidden)" if name == "influx_token" else repr(detail.get("input"))
    return f"{PREFIX}{name.upper()}={value}: {detail['msg']}"
