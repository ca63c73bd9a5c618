"""An authority of this clone's own, and certificates of the broker, of its operator and of InfluxDB, P-256.

The authority is made once. Certificates are made anew at each start of the server, so that they never end while it runs
for less than their year.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from connectors.services.ports import LOOPBACK
from connectors.services.run_state import private_directory, write_private

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 397
"""Longest life that browsers, and so most tools, take a server's certificate for."""

BACKDATED = timedelta(minutes=5)
"""Clocks of one machine may be set a little back."""

INFLUXDB = "influxdb"
"""Name in InfluxDB's certificate, and of its file."""

BROKER, OPERATOR = "broker", "operator"
"""Names in the certificates, by which Kafka knows the two who may do everything."""


def authority(keys: Path) -> Path:
    """The authority's certificate under ``keys``, which is made with it where it is missing."""
    path, secret = private_directory(keys) / "ca.pem", keys / "ca.key.pem"
    if not (path.is_file() and secret.is_file()):
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("dosetwin's own authority")
        made = (
            _of_days(AUTHORITY_DAYS)
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        write_private(secret, _pem_of_key(key))
        write_private(path, _pem(made.sign(key, hashes.SHA256())))
    return path


def issue(keys: Path, name: str, *hosts: str) -> Path:
    """A file under ``keys`` with a new key and certificate of ``name``, for this machine's own address and ``hosts``.

    The authority of ``keys`` signs it; Kafka wants the key first.
    """
    ours = x509.load_pem_x509_certificate(authority(keys).read_bytes())
    signer = serialization.load_pem_private_key((keys / "ca.key.pem").read_bytes(), password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey), "as `authority` made it"
    key = ec.generate_private_key(ec.SECP256R1())
    here = [x509.IPAddress(ipaddress.ip_address(LOOPBACK)), x509.DNSName("localhost"), *map(x509.DNSName, hosts)]
    made = (
        _of_days(CERTIFICATE_DAYS)
        .subject_name(_name(name))
        .issuer_name(ours.subject)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(here), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    path = keys / f"{name}.pem"
    write_private(path, _pem_of_key(key) + _pem(made.sign(signer, hashes.SHA256())))
    return path


def operator_settings(keys: Path) -> dict[str, str]:
    """How the operator enters, as settings (``kafka_protocol`` for ``DOSETWIN_KAFKA_PROTOCOL``, …)."""
    return {
        "kafka_protocol": "SSL",
        "kafka_ca": str(keys / "ca.pem"),
        "kafka_certificate": str(keys / f"{OPERATOR}.pem"),
    }


def operator_options(settings: Mapping[str, str]) -> dict[str, Any]:
    """What a client is to be given to enter with `operator_settings`; nothing where there are none."""
    if "kafka_certificate" not in settings:
        return {}
    context = ssl.create_default_context(cafile=settings["kafka_ca"])
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(settings["kafka_certificate"])
    return {"security_protocol": settings["kafka_protocol"], "ssl_context": context}


def _of_days(days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    serial = x509.random_serial_number()
    return (
        x509.CertificateBuilder()
        .serial_number(serial)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _pem_of_key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
