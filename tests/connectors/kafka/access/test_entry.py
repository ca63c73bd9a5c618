"""How Kafka is entered: settings that name what is wrong, and nothing in the clear beyond this machine."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
import trustme

from connectors.kafka.access.entry import KafkaAccess, access_to, options_for
from connectors.services.run_state import write_record
from connectors.services.supervisor import ProcessId, environment
from connectors.settings import SettingsError, load_settings

HERE = "127.0.0.1:9092"


@pytest.fixture(autouse=True)
def unnamed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in KafkaAccess.model_fields:
        monkeypatch.delenv(KafkaAccess.variable(name), raising=False)
    monkeypatch.setenv("DOSETWIN_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "worker.password"
    path.write_text("of the worker\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def say(patch: pytest.MonkeyPatch, **settings: object) -> None:
    for name, value in settings.items():
        patch.setenv(f"DOSETWIN_KAFKA_{name}", str(value))


def test_on_this_machine_nothing_need_be_said() -> None:
    assert options_for(HERE) == options_for(f"localhost:9092,[::1]:9092,{HERE}") == {}


def test_a_user_enters_by_password_over_tls_1_3(monkeypatch: pytest.MonkeyPatch, password: Path, ca: Path) -> None:
    say(monkeypatch, PROTOCOL="SASL_SSL", USER="worker", PASSWORD_FILE=password, CA=ca)
    found = options_for("kafka.ward:9092")
    context = found.pop("ssl_context")
    assert found == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "worker",
        "sasl_plain_password": "of the worker",
    }
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert "of the worker" not in repr(access_to(HERE))


def test_beyond_this_machine_nothing_is_said_in_the_clear_unless_it_is_asked_for_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SettingsError) as refused:
        options_for(f"{HERE},kafka.ward:9092")
    assert str(refused.value) == (
        "DOSETWIN_KAFKA=127.0.0.1:9092,kafka.ward:9092: patients' facts would go to kafka.ward in the clear: set "
        "DOSETWIN_KAFKA_PROTOCOL=SASL_SSL with DOSETWIN_KAFKA_USER, _PASSWORD_FILE and _CA, or "
        "DOSETWIN_KAFKA_PLAINTEXT=allowed where nobody else is on that network"
    )
    say(monkeypatch, PLAINTEXT="allowed")
    assert options_for("kafka.ward:9092") == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"PROTOCOL": "TLS"}, r"DOSETWIN_KAFKA_PROTOCOL='TLS': .*'PLAINTEXT', 'SSL' or 'SASL_SSL'"),
        ({"MECHANISM": "PLAIN"}, r"DOSETWIN_KAFKA_MECHANISM='PLAIN': .*'SCRAM-SHA-512' or 'SCRAM-SHA-256'"),
        ({"PROTOCOL": "SASL_SSL"}, r"DOSETWIN_KAFKA_USER='': .*needs the name of a user"),
        ({"PROTOCOL": "SASL_SSL", "USER": "u"}, r"DOSETWIN_KAFKA_PASSWORD_FILE=None: .*needs the file"),
        ({"USER": "worker"}, r"DOSETWIN_KAFKA_USER='worker': .*DOSETWIN_KAFKA_PROTOCOL=SASL_SSL only"),
        ({"CA": "ca.pem"}, r"DOSETWIN_KAFKA_CA='ca.pem': .*needs DOSETWIN_KAFKA_PROTOCOL=SASL_SSL or SSL"),
        ({"PLAINTEXT": "yes"}, r"DOSETWIN_KAFKA_PLAINTEXT='yes': .*'refused' or 'allowed'"),
    ],
)
def test_a_wrong_setting_names_its_variable_its_value_and_what_is_wanted(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], message: str
) -> None:
    say(monkeypatch, **settings)
    with pytest.raises(SettingsError, match=message):
        options_for(HERE)


def test_a_password_that_cannot_be_used_names_its_file_and_the_mend(
    monkeypatch: pytest.MonkeyPatch, password: Path
) -> None:
    say(monkeypatch, PROTOCOL="SASL_SSL", USER="worker", PASSWORD_FILE=password)
    password.chmod(0o644)
    with pytest.raises(SettingsError, match=rf"everybody may read it \(mode 644\); chmod 600 {password}"):
        options_for(HERE)
    password.chmod(0o640)
    assert options_for(HERE)
    password.write_text(" \n")
    with pytest.raises(SettingsError, match="is empty; write the user's password into it"):
        options_for(HERE)
    password.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="name a file that holds the password alone"):
        options_for(HERE)
    password.unlink()
    with pytest.raises(SettingsError, match=r"No such file or directory; name a file that is there"):
        options_for(HERE)


def test_authorities_and_certificates_that_cannot_be_used_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ca: Path
) -> None:
    say(monkeypatch, PROTOCOL="SSL", CA=tmp_path / "none.pem")
    with pytest.raises(SettingsError, match=r"DOSETWIN_KAFKA_CA=\S+none.pem: .*authority"):
        options_for(HERE)
    say(monkeypatch, CA=ca, CERTIFICATE=ca)
    ca.chmod(0o600)
    with pytest.raises(SettingsError, match=r"DOSETWIN_KAFKA_CERTIFICATE=\S+ca.pem: .*DOSETWIN_KAFKA_KEY"):
        options_for(HERE)
    say(monkeypatch, KEY=tmp_path / "none.pem")
    with pytest.raises(SettingsError, match=r"DOSETWIN_KAFKA_KEY=\S+none.pem: No such file"):
        options_for(HERE)


def test_a_certificate_of_ours_is_shown_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ca: Path
) -> None:
    one = tmp_path / "one.pem"
    trustme.CA().issue_cert("operator").private_key_and_cert_chain_pem.write_to_path(str(one))
    one.chmod(0o600)
    say(monkeypatch, PROTOCOL="SSL", CA=ca, CERTIFICATE=one)
    assert options_for("kafka.ward:9092")["security_protocol"] == "SSL"
    assert access_to(HERE).who == f"the certificate {one}"


def test_this_clones_own_servers_are_entered_as_they_say_and_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, password: Path, ca: Path
) -> None:
    entered = {"kafka_protocol": "SSL", "kafka_ca": str(ca)}
    record = {"keeper": str(ProcessId.of(os.getpid())), "settings": {"kafka": "127.0.0.1:40000", **entered}}
    write_record(tmp_path / "state", "kafka", record)
    assert access_to("127.0.0.1:40000").protocol == "SSL"
    assert access_to(HERE).protocol == "PLAINTEXT"
    say(monkeypatch, PLAINTEXT="allowed")
    assert access_to("127.0.0.1:40000").protocol == "SSL"
    say(monkeypatch, PROTOCOL="SASL_SSL", USER="worker", PASSWORD_FILE=password)
    assert (access_to("127.0.0.1:40000").user, access_to("127.0.0.1:40000").ca) == ("worker", None)


def test_a_child_of_ours_sees_which_file_has_the_password_and_no_password() -> None:
    ours = {"DOSETWIN_KAFKA_PASSWORD_FILE": "/run/secrets/worker", "DOSETWIN_KAFKA_USER": "worker"}
    assert environment(ours | {"DOSETWIN_SMTP_PASSWORD": "x"}, ours=True) == ours
    assert environment(ours) == {}


def test_every_setting_says_what_it_is() -> None:
    assert all(field.description for field in KafkaAccess.model_fields.values())
    assert load_settings(KafkaAccess).who == "somebody without a name"
