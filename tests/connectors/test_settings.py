"""Settings: environment over running servers over defaults, and errors that name the variable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import Field

from connectors.services.run_state import write_record
from connectors.services.supervisor import ProcessId
from connectors.settings import PREFIX, PartSettings, Settings, SettingsError, load_settings
from connectors.sinks.influx import Settings as InfluxSettings


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOSETWIN_STATE_DIR", str(tmp_path))
    return tmp_path


def record(directory: Path, keeper: str) -> None:
    write_record(directory, "kafka", {"keeper": keeper, "provider": "local", "settings": {"kafka": "127.0.0.1:4711"}})


def test_defaults_are_the_servers_usual_ports() -> None:
    settings = load_settings()
    assert settings.kafka == "127.0.0.1:9092"
    assert load_settings(InfluxSettings).url == "http://127.0.0.1:8086"
    assert (settings.partitions, settings.particles, settings.topic_prefix) == (4, 1000, "")


def test_a_server_running_in_this_clone_is_found(bare: Path) -> None:
    record(bare, str(ProcessId.of(os.getpid())))
    assert load_settings().kafka == "127.0.0.1:4711"


def test_the_record_of_a_server_that_is_gone_is_ignored(bare: Path) -> None:
    record(bare, f"{os.getpid()}-1")
    assert load_settings().kafka == "127.0.0.1:9092"


def test_the_environment_wins_over_running_servers_and_an_option_over_both(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(bare, str(ProcessId.of(os.getpid())))
    monkeypatch.setenv("DOSETWIN_KAFKA", "a:1, b:2")
    assert load_settings().kafka == "a:1,b:2"
    assert load_settings(kafka="c:3").kafka == "c:3"
    assert load_settings(kafka=None).kafka == "a:1,b:2"


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DOSETWIN_KAFKA", "somewhere", "expected 'host:port'"),
        ("DOSETWIN_KAFKA", "host:99999", "expected 'host:port'"),
        ("DOSETWIN_PARTITIONS", "four", "valid integer"),
        ("DOSETWIN_PARTITIONS", "0", "greater than or equal to 1"),
        ("DOSETWIN_PARTICLES", "7", "greater than or equal to 100"),
        ("DOSETWIN_TOPIC_PREFIX", "a b", "match pattern"),
        ("DOSETWIN_INFLUX_URL", "localhost:8086", "match pattern"),
    ],
)
def test_a_bad_value_is_refused_with_variable_and_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"{variable}={value!r}: .*{message}"):
        load_settings(InfluxSettings if "INFLUX" in variable else Settings)


def test_a_part_finds_its_own_server_running_in_this_clone(bare: Path) -> None:
    settings = {"influx_url": "http://127.0.0.1:4712", "influx_token": "t"}
    write_record(bare, "influx", {"keeper": str(ProcessId.of(os.getpid())), "provider": "local", "settings": settings})
    found = load_settings(InfluxSettings, bucket="mine")
    assert (found.url, found.token, found.bucket) == ("http://127.0.0.1:4712", "t", "mine")
    named = load_settings(InfluxSettings, url="http://127.0.0.1:4713")
    assert named.token == "", "what opens this clone's own is not shown to another"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"url": "http://influx:8086"},
            "DOSETWIN_INFLUX_URL=http://influx:8086: token and patients would go to influx in",
        ),
        ({"url": "http://influx:8086", "plaintext": "perhaps"}, "DOSETWIN_INFLUX_PLAINTEXT='perhaps': .*'allowed'"),
        (
            {"url": "http://127.0.0.1:8086", "ca": __file__},
            "DOSETWIN_INFLUX_CA=.*needs https:// in DOSETWIN_INFLUX_URL",
        ),
        ({"url": "https://influx:8086", "ca": __file__}, "DOSETWIN_INFLUX_CA=.*name the PEM file of the authority"),
        ({"url": "https://influx:8086", "ca": "/not/there"}, "DOSETWIN_INFLUX_CA='/not/there': .*name the PEM file"),
    ],
)
def test_influxdb_beyond_this_machine_is_entered_by_tls_unless_said_by_name(
    given: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(InfluxSettings, **given)


def test_influxdb_beyond_this_machine_may_be_entered_in_the_clear_by_name() -> None:
    assert load_settings(InfluxSettings, url="http://influx:8086", plaintext="allowed").url == "http://influx:8086"
    assert load_settings(InfluxSettings, url="https://influx:8086").plaintext == "refused"


class ArchiveSettings(PartSettings, env_prefix="DOSETWIN_ARCHIVE_"):
    folder: Path
    key: str = Field("", repr=False)


def test_a_setting_that_must_be_given_is_named_and_nothing_else_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_ARCHIVE_KEY", "s3cret")
    with pytest.raises(SettingsError, match=r"^DOSETWIN_ARCHIVE_FOLDER is not set, and it must be$"):
        load_settings(ArchiveSettings)
    assert load_settings(ArchiveSettings, folder="/x").key == "s3cret"


def test_the_token_shows_in_neither_repr_nor_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_INFLUX_TOKEN", "s3cret")
    assert load_settings(InfluxSettings).token == "s3cret"
    assert "s3cret" not in repr(load_settings(InfluxSettings))
    with pytest.raises(SettingsError) as error:
        load_settings(InfluxSettings, token=["s3cret"])
    assert "s3cret" not in str(error.value)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOSETWIN_PARTITIONS", "")
    assert Settings().partitions == 4
