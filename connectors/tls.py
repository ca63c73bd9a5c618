"""TLS of the ways in and out: who we are, and whom we listen to or connect to where an authority is named.

A listener shows its certificate to every sender. Where an authority is named, a sender must show one of that authority
itself, before anything that it says is read (IHE ATNA, secure node).
"""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from connectors.services.ports import LOCAL_HOSTS


class TlsError(ValueError):
    """A way in cannot be secured as asked; the message names the option, its value and the mend."""


class Tls(NamedTuple):
    """What a door needs for TLS, and the files with certificates of which it is made."""

    context: ssl.SSLContext
    files: tuple[Path, ...]


def server_tls(certificate: Path | None, key: Path | None, authority: Path | None) -> Tls | None:
    """What a listener needs for TLS; nothing where no certificate is given.

    Args:
        certificate: ours, PEM, with its chain.
        key: of the certificate, PEM; not needed where it stands in the same file.
        authority: of senders' certificates, PEM.

    Raises:
        TlsError: an authority or a key without a certificate, or files that cannot be used.
    """
    if certificate is None:
        for option, given in (("--authority", authority), ("--key", key)):
            if given is not None:
                raise TlsError(f"{option} {given}: needs --certificate too")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise TlsError(f"--certificate {certificate}: {error}; give the PEM files of certificate and --key") from None
    if authority is not None:
        try:
            context.load_verify_locations(cafile=authority)
        except OSError as error:
            raise TlsError(f"--authority {authority}: {error}; give the PEM file of the senders' authority") from None
        context.verify_mode = ssl.CERT_REQUIRED
    return Tls(context, tuple(path for path in (certificate, authority) if path is not None))


def certified_until(path: Path) -> datetime:
    """When the first of the certificates in a file that ends does so.

    Raises:
        OSError, ValueError: it cannot be read, or holds none.
    """
    from cryptography.x509 import load_pem_x509_certificates

    return min(one.not_valid_after_utc for one in load_pem_x509_certificates(path.read_bytes()))


def client_tls(wanted: bool, authority: Path | None, certificate: Path | None, key: Path | None) -> Tls | None:
    """What a connection to a server needs for TLS; nothing where it is not asked for.

    Args:
        wanted: with the authorities that the system trusts; an authority that is named is enough to ask for it.
        authority: of the server's certificate, PEM, in place of the system's.
        certificate, key: ours, PEM, for a server that wants one.

    Raises:
        TlsError: a certificate without TLS, or files that cannot be used.
    """
    if not wanted and authority is None:
        for option, given in (("--certificate", certificate), ("--key", key)):
            if given is not None:
                raise TlsError(f"{option} {given}: needs --tls or --authority too")
        return None
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise TlsError(f"--authority {authority}: {error}; give the PEM file of the server's authority") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:
            mend = "give the PEM files of certificate and --key"
            raise TlsError(f"--certificate {certificate}: {error}; {mend}") from None
    return Tls(context, tuple(path for path in (certificate, authority) if path is not None))


def certificate_refused(
    error: ssl.SSLCertVerificationError, authority: Path | None, address: str, setting: str
) -> tuple[str, str]:
    """What is wrong with a server's certificate, and the mend.

    Args:
        authority: whose certificates are taken; by default those that the system trusts.
        address, setting: names of the settings with the server's address and with ``authority``.
    """
    said = error.verify_message
    if "Hostname mismatch" in said or "IP address mismatch" in said:
        seen = f"its certificate is of another server ({said})"
        return seen, f"write {address} with the name that stands in the certificate"
    if "expired" in said:
        return "its certificate has ended", "renew the server's certificate"
    named = f"{setting}={authority}" if authority else "those that this system trusts"
    seen = f"its certificate is not of the authority named: {named} ({said})"
    return seen, f"name the PEM file of the server's own authority in {setting}"


def refuse_in_the_clear(host: str, tls: Tls | None, *, plain: bool) -> None:
    """Beyond this machine patients' facts come by TLS, or ``plain`` where the user says so.

    Raises:
        TlsError: ``host`` is reached from other machines, and there is no TLS.
    """
    if host not in LOCAL_HOSTS and tls is None and not plain:
        mend = "give --certificate and --key, or listen on 127.0.0.1 behind something that does; --plain allows it"
        raise TlsError(f"--host {host} would take patients' facts in the clear from other machines: {mend}")
