"""Which addresses of clusters are taken, and why others are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.batch.cluster.address import ClusterUnusable, security_of, settings_for


@pytest.mark.parametrize("address", ["localhost", "http://10.0.0.1:8786", "tcp://10.0.0.1", "inproc://1", "tls://:1"])
def test_what_is_no_address_of_a_scheduler_is_refused(address: str) -> None:
    with pytest.raises(ClusterUnusable, match=f"--cluster {address}: give its scheduler as tls://host:port"):
        settings_for(address)


def test_records_go_to_other_machines_by_tls_or_where_it_is_allowed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ClusterUnusable, match=r"in the clear.*DOSETWIN_CLUSTER_PLAINTEXT=allowed"):
        settings_for("tcp://cluster.example:8786")
    monkeypatch.setenv("DOSETWIN_CLUSTER_PLAINTEXT", "allowed")
    assert settings_for("tcp://cluster.example:8786").plaintext == "allowed"
    monkeypatch.setenv("DOSETWIN_CLUSTER_PLAINTEXT", "refused")
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert security_of(f"tcp://{host}:8786", settings_for(f"tcp://{host}:8786")) is None


def test_tls_needs_an_authority_and_our_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("CA", "CERTIFICATE"):
        with pytest.raises(ClusterUnusable, match=f"TLS needs DOSETWIN_CLUSTER_{variable}, a PEM file"):
            settings_for("tls://cluster.example:8786")
        monkeypatch.setenv(f"DOSETWIN_CLUSTER_{variable}", str(tmp_path / "missing.pem"))
        with pytest.raises(ClusterUnusable, match=rf"DOSETWIN_CLUSTER_{variable}=.*there is no such file"):
            settings_for("tls://cluster.example:8786")
        (tmp_path / f"{variable}.pem").touch()
        monkeypatch.setenv(f"DOSETWIN_CLUSTER_{variable}", str(tmp_path / f"{variable}.pem"))
    found = security_of("tls://cluster.example:8786", settings_for("tls://cluster.example:8786"))
    assert found is not None
    assert found.require_encryption
    assert found.tls_client_cert == str(tmp_path / "CERTIFICATE.pem")
