"""How a client of ours enters Kafka: in the clear, by a certificate, or by a user's password over TLS 1.3.

The settings are of the whole process (``DOSETWIN_KAFKA_PROTOCOL`` and its like), for each process has one role, but for
what it does as another in a block of its own (`entered_as`). Where
the environment says nothing of it, this clone's own servers are entered as they say, and they alone.
"""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from connectors.services.ports import LOCAL_HOSTS, parted
from connectors.services.run_state import running_servers
from connectors.settings import PartSettings, SettingsError, load_settings

Protocol = Literal["PLAINTEXT", "SSL", "SASL_SSL"]

EVERYBODY = stat.S_IROTH | stat.S_IWOTH
"""What the file of a password or a key may not have; a group may read it, as secrets of containers are mounted so."""


class KafkaAccess(PartSettings, env_prefix="DOSETWIN_KAFKA_"):
    """How Kafka is entered, and as whom."""

    protocol: Protocol = Field("PLAINTEXT", description="SASL_SSL: TLS and a password; SSL: TLS, and a certificate")
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256"] = Field("SCRAM-SHA-512", description="how a password is shown")
    user: str = Field("", max_length=249, validate_default=True, description="who we are, for SASL_SSL")
    password_file: Path | None = Field(None, validate_default=True, description="file with the user's password alone")
    ca: Path | None = Field(None, description="authority of the broker's certificate, PEM; by default the system's")
    certificate: Path | None = Field(None, description="ours, PEM, for a broker that wants one")
    key: Path | None = Field(None, description="of our certificate, PEM; not needed where it stands in the same file")
    plaintext: Literal["refused", "allowed"] = Field("refused", description="to a broker on another machine")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings  # what this clone's servers say is for those who ask them (`access_to`)

    @field_validator("user")
    @classmethod
    def _somebody(cls, value: str, info: ValidationInfo) -> str:
        protocol = info.data.get("protocol")
        if protocol == "SASL_SSL" and not value:
            raise ValueError("DOSETWIN_KAFKA_PROTOCOL=SASL_SSL needs the name of a user")
        if protocol in ("PLAINTEXT", "SSL") and value:
            raise ValueError(f"a user is told by DOSETWIN_KAFKA_PROTOCOL=SASL_SSL only, and that is {protocol}")
        return value

    @field_validator("password_file")
    @classmethod
    def _with_a_password(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if info.data.get("protocol") == "SASL_SSL" and value is None:
            raise ValueError("DOSETWIN_KAFKA_PROTOCOL=SASL_SSL needs the file of the user's password")
        return value

    @field_validator("ca", "certificate", "key")
    @classmethod
    def _only_with_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("protocol") == "PLAINTEXT":
            raise ValueError("needs DOSETWIN_KAFKA_PROTOCOL=SASL_SSL or SSL: in the clear it would not be used")
        return value

    @property
    def who(self) -> str:
        """In words for people: who asks to be let in."""
        if self.protocol == "SASL_SSL":
            return f"user '{self.user}'"
        return f"the certificate {self.certificate}" if self.certificate else "somebody without a name"

    def named(self, field: str) -> str:
        """The variable by which a field of this entry is said, for messages."""
        return type(self).variable(field)

    def options(self) -> dict[str, Any]:
        """What kafka-python and aiokafka alike are to be given; nothing where Kafka is entered in the clear.

        Raises:
            SettingsError: a file cannot be used.
        """
        if self.protocol == "PLAINTEXT":
            return {}
        found: dict[str, Any] = {"security_protocol": self.protocol, "ssl_context": self._context()}
        if self.protocol == "SASL_SSL":
            found |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.user,
                "sasl_plain_password": self._password(),
            }
        return found

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:  # ssl.SSLError is one
            raise SettingsError(
                f"DOSETWIN_KAFKA_CA={self.ca}: {error}; name the PEM file of the broker's authority"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if self.certificate is not None:
            _closed(self.key or self.certificate, self.named("key" if self.key else "certificate"))
            try:
                context.load_cert_chain(self.certificate, self.key)
            except OSError as error:
                mend = "name the PEM files of the certificate and, in DOSETWIN_KAFKA_KEY, of its key"
                raise SettingsError(f"DOSETWIN_KAFKA_CERTIFICATE={self.certificate}: {error}; {mend}") from None
        return context

    def _password(self) -> str:
        path = self.password_file
        assert path is not None, "SASL_SSL has one"
        variable = self.named("password_file")
        _closed(path, variable)
        try:
            password = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            mend = "name a file that holds the password alone, and that its user can read"
            raise SettingsError(f"{variable}={path}: {error}; {mend}") from None
        if not password:
            raise SettingsError(f"{variable}={path}: is empty; write the user's password into it")
        return password


def _closed(path: Path, variable: str) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise SettingsError(f"{variable}={path}: {error.strerror}; name a file that is there") from None
    if mode & EVERYBODY:
        seen = f"everybody may read it (mode {stat.S_IMODE(mode):o})"
        raise SettingsError(f"{variable}={path}: {seen}; chmod 600 {path}")


_instead: ContextVar[KafkaAccess | None] = ContextVar("instead", default=None)


@contextmanager
def entered_as(access: KafkaAccess) -> Iterator[None]:
    """Clients that are opened in this block, in this thread or task, enter so, whoever the process is otherwise."""
    token = _instead.set(access)
    try:
        yield
    finally:
        _instead.reset(token)


def access_to(bootstrap: str) -> KafkaAccess:
    """How a broker at ``bootstrap`` (``host:port``, separated by commas) is entered by this process.

    Raises:
        SettingsError: a setting cannot be used, or what is said to the broker would be in the clear on a network.
    """
    if (instead := _instead.get()) is not None:
        return instead
    access = load_settings(KafkaAccess)
    if not access.model_fields_set - {"plaintext"}:
        running = running_servers()
        if running.get("kafka") == bootstrap:
            part = "kafka_"
            ours = {name.removeprefix(part): value for name, value in running.items() if name.startswith(part)}
            access = load_settings(KafkaAccess, **ours)
    if access.protocol == "PLAINTEXT" and access.plaintext == "refused":
        _refuse_in_the_clear(bootstrap)
    return access


def options_for(bootstrap: str) -> dict[str, Any]:
    """`KafkaAccess.options` for a broker; raises `SettingsError` as `access_to` does."""
    return access_to(bootstrap).options()


def _refuse_in_the_clear(bootstrap: str) -> None:
    hosts = (parted(address)[0] for address in bootstrap.split(","))
    beyond = next((host for host in hosts if host not in LOCAL_HOSTS), None)
    if beyond is not None:
        mend = (
            "set DOSETWIN_KAFKA_PROTOCOL=SASL_SSL with DOSETWIN_KAFKA_USER, _PASSWORD_FILE and _CA, or "
            "DOSETWIN_KAFKA_PLAINTEXT=allowed where nobody else is on that network"
        )
        raise SettingsError(f"DOSETWIN_KAFKA={bootstrap}: patients' facts would go to {beyond} in the clear: {mend}")
