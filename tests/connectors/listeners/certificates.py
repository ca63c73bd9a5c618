"""Certificates for tests: of this machine, and of senders of two authorities."""

from __future__ import annotations

import ssl
from pathlib import Path

import trustme


def make_certificates(folder: Path) -> Path:
    """Into ``folder``: ``server.pem`` and ``server.key`` of this machine, and of senders of two authorities.

    ``sender-ward.pem`` is of ``ward.pem``, as this machine's certificate is; ``sender-other.pem`` is of ``other.pem``.
    """
    for name in ("ward", "other"):
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / f"{name}.pem")
        sender = authority.issue_cert(f"sender.{name}.example")
        sender.private_key_and_cert_chain_pem.write_to_path(folder / f"sender-{name}.pem")
        if name == "ward":
            ours = authority.issue_cert("127.0.0.1", "localhost")
            ours.cert_chain_pems[0].write_to_path(folder / "server.pem")
            ours.private_key_pem.write_to_path(folder / "server.key")
    return folder


def sender_tls(folder: Path, sender: str = "") -> ssl.SSLContext:
    """Of a sender that knows the authority ``ward.pem`` and shows the certificate of ``sender``, if any."""
    context = ssl.create_default_context(cafile=folder / "ward.pem")
    if sender:
        context.load_cert_chain(folder / f"sender-{sender}.pem")
    return context
