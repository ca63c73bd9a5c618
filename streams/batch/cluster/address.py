"""Where a cluster is, and how it is spoken to: by TLS, or within this machine.

A cluster runs whatever it is sent by whoever reaches it, and what it answers is unpickled here, which may run anything
too. So beyond this machine both sides show certificates of one authority, which ought to certify nothing else: Dask
looks at no names in them. In the clear it goes only where the user says that nobody else is on that network.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from connectors.services.ports import LOCAL_HOSTS, parted
from connectors.settings import PartSettings, SettingsError, load_settings

if TYPE_CHECKING:
    from distributed import Security


class ClusterUnusable(ValueError):
    """A cluster cannot be worked with as it was named; the message names the address and the mend."""


class ClusterSettings(PartSettings, env_prefix="DOSETWIN_CLUSTER_"):
    """How a cluster is entered, and which machines may work in it."""

    ca: Path | None = Field(None, description="PEM file of the authority that certifies the cluster, and nothing else")
    certificate: Path | None = Field(None, description="our certificate of that authority, PEM")
    key: Path | None = Field(None, description="of the certificate, PEM; not needed where it stands in the same file")
    plaintext: Literal["refused", "allowed"] = Field("refused", description="to a cluster on other machines")
    processors: Literal["alike", "any"] = Field(
        "alike", description="'any' lets workers of other processors take part, whose last digits may be others"
    )

    @field_validator("ca", "certificate", "key")
    @classmethod
    def _there(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("there is no such file")
        return value


def settings_for(address: str) -> ClusterSettings:
    """How the scheduler at ``tls://host:port`` or ``tcp://host:port`` is entered.

    Raises:
        ClusterUnusable: it is no such address, is in the clear on another machine, or misses certificates.
    """
    scheme, _, place = address.partition("://")
    try:
        host, _ = parted(place)
    except ValueError:
        host = ""
    if scheme not in ("tls", "tcp") or not host:
        raise ClusterUnusable(f"--cluster {address}: give its scheduler as tls://host:port, or tcp:// on this machine")
    try:
        settings = load_settings(ClusterSettings)
    except SettingsError as error:
        raise ClusterUnusable(str(error)) from None
    if scheme == "tls":
        if settings.ca is None or settings.certificate is None:
            missing = "CA" if settings.ca is None else "CERTIFICATE"
            raise ClusterUnusable(
                f"--cluster {address}: TLS needs DOSETWIN_CLUSTER_{missing}, a PEM file; both sides show certificates"
            )
    elif host not in LOCAL_HOSTS and settings.plaintext == "refused":
        raise ClusterUnusable(
            f"--cluster {address} would send patients' records in the clear, and run what anybody there answers: use "
            "tls:// with DOSETWIN_CLUSTER_CA, _CERTIFICATE and _KEY, or DOSETWIN_CLUSTER_PLAINTEXT=allowed where "
            "nobody else is on that network"
        )
    return settings


def security_of(address: str, settings: ClusterSettings) -> Security | None:
    """What Dask needs for TLS; nothing for an address in the clear."""
    from distributed import Security

    if not address.startswith("tls://"):
        return None
    return Security(
        require_encryption=True,
        tls_ca_file=str(settings.ca),
        tls_client_cert=str(settings.certificate),
        tls_client_key=None if settings.key is None else str(settings.key),
    )
