"""Settings: which servers to talk to and how large a twin is, from the environment or from this clone's own servers.

Every setting is an environment variable with the prefix ``DOSETWIN_`` (``DOSETWIN_KAFKA``, ``DOSETWIN_INFLUX_URL``, …).
What the environment leaves open is taken from the servers that ``dosetwin services up`` started in this clone, and
after that from the defaults, which are the servers' own usual ports. `Settings` is what everybody needs; a part that
talks to a system of its own, such as a sink, says in a `PartSettings` what it needs beyond.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, overload

from pydantic import Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "DOSETWIN_"

TopicPrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")]


class SettingsError(ValueError):
    """A setting cannot be used; the message names the variable, its value and what would be accepted."""


class PartSettings(BaseSettings):
    """What one part must be told; ``class Settings(PartSettings, env_prefix="DOSETWIN_INFLUX_")`` has ``url`` from
    ``DOSETWIN_INFLUX_URL``. A field with ``repr=False`` is a secret: it comes from the environment and is never shown.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable of a field."""
        return f"{cls.model_config.get('env_prefix', PREFIX)}{field}".upper()

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


class Settings(PartSettings):
    """What the connectors and the worker need to know about their surroundings."""

    kafka: str = Field("127.0.0.1:9092", description="Kafka bootstrap servers, 'host:port' separated by commas")
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


class _RunningServers(PydanticBaseSettingsSource):
    """The servers running in this clone, as settings."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        from connectors.services.run_state import running_servers

        part = str(self.config.get("env_prefix", PREFIX)).removeprefix(PREFIX).lower()
        found = {name.removeprefix(part): value for name, value in running_servers().items() if name.startswith(part)}
        elsewhere = "url" in self.current_state and self.current_state["url"] != found.get("url")
        return {} if elsewhere else found  # what opens our own server is not for another's ears


Part = TypeVar("Part", bound=PartSettings)


@overload
def load_settings(**given: Any) -> Settings: ...
@overload
def load_settings(part: type[Part], /, **given: Any) -> Part: ...


def load_settings(part: type[PartSettings] = Settings, /, **given: Any) -> PartSettings:
    """The settings of ``part`` as they stand now; ``given`` values (command-line options) win over the environment.

    Raises:
        SettingsError: naming the variable, its value and what is wrong with it.
    """
    try:
        return part(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise SettingsError("; ".join(_explain(part, dict(detail)) for detail in details)) from None


def _explain(part: type[PartSettings], detail: dict[str, Any]) -> str:
    name = str(detail["loc"][0]) if detail["loc"] else "settings"
    field = part.model_fields.get(name)
    if detail["type"] == "missing":
        return f"{part.variable(name)} is not set, and it must be"  # the input would be all settings, secrets too
    value = "(hidden)" if field is not None and not field.repr else repr(detail.get("input"))
    return f"{part.variable(name)}={value}: {detail['msg']}"
