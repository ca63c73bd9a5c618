"""A ward's folder: complete, private where it must be, taken by whoever reads it, and never written over."""

from __future__ import annotations

import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connectors.facts.profile import read_profile
from connectors.feeds.messages import key_of_patients
from connectors.settings import load_settings
from connectors.sinks.influx import Settings as InfluxSettings
from streams.cli import app
from streams.doctor.sources import check_sources
from streams.installation.folder import Ward, WardError, contents, write

WARD = Ward("east-2", "Europe/Berlin", ("fluorouracil_yamada2025",))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new ward's folder, and its settings as this process's own."""
    write(WARD, tmp_path / "east-2")
    for name, value in settings_of(tmp_path / "east-2").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "east-2"


def settings_of(folder: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", (folder / ".env").read_text(), re.MULTILINE))


def test_its_settings_are_taken(folder: Path) -> None:
    settings, influx = load_settings(), load_settings(InfluxSettings)
    assert (settings.kafka, settings.partitions) == ("127.0.0.1:9092", 12)
    assert influx.token == settings_of(folder)["DOSETWIN_INFLUX_TOKEN"]


def test_secrets_are_new_for_each_ward_and_for_its_owner_alone(folder: Path, tmp_path: Path) -> None:
    write(WARD, tmp_path / "other")
    secrets = [
        value
        for each in (folder, tmp_path / "other")
        for name, value in settings_of(each).items()
        if name.endswith(("KEY", "TOKEN", "PASSWORD"))
    ]
    assert len(set(secrets)) == 8
    assert all(len(secret) == 48 for secret in secrets)
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert all(secret not in text for secret in secrets for name, text in contents(WARD).items() if name != ".env")


def test_the_doctor_finds_its_source_well(folder: Path, tmp_path: Path) -> None:
    found = list(check_sources(folder / "sources", tmp_path / "memory", datetime.now(UTC)))
    assert "source east-2-hl7" in [one.subject for one in found]
    assert [one for one in found if not one.well] == []
    assert str(read_profile(folder / "sources" / "mllp.toml", key_of_patients()).zone) == "Europe/Berlin"


@pytest.mark.parametrize("example", [False, True])
def test_its_thresholds_are_taken_as_they_are_and_with_the_example(folder: Path, example: bool) -> None:
    path = folder / "rules.toml"
    if example:
        head, _, commented = path.read_text().partition("why it is assumed.\n#\n")
        path.write_text(head + "why.\n" + re.sub(r"^# ", "", commented, flags=re.MULTILINE))
    said = CliRunner().invoke(app, ["rules", "check", str(path)])
    assert said.exit_code == 0, said.output
    assert f"{int(example)} entries, version east-2 1" in said.output


def test_its_page_names_commands_and_files_that_there_are(folder: Path) -> None:
    page = (folder / "README.md").read_text()
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", page, re.DOTALL))
    for command in re.findall(r"^(?:docker .* )?dosetwin (\w+(?: (?:check|add))?)", blocks, re.MULTILINE):
        assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0, command
    named = re.findall(r"`([\w./-]+)`", page.partition("##")[0])
    assert all((folder / name).exists() for name in named)
    assert {path.name for path in folder.iterdir()} <= {name.strip("/") for name in named} | {"README.md"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "East 2"}, "ward 'East 2': lower-case letters"),
        ({"name": "../up"}, "ward '../up'"),
        ({"zone": "Berlin"}, "zone 'Berlin': no time zone; write one such as Europe/Berlin"),
        ({"zone": "/etc/passwd"}, "zone '/etc/passwd': no time zone"),
        ({"models": ("docetaxl_ozawa2007",)}, "did you mean 'docetaxel_ozawa2007'"),
        ({"workers": 0}, "0 workers for 12 partitions"),
        ({"workers": 13}, "13 workers for 12 partitions"),
        ({"partitions": 5000}, "3 workers for 5000 partitions"),
    ],
)
def test_what_cannot_be_is_named_with_its_mend(given: dict[str, object], said: str) -> None:
    with pytest.raises(WardError, match=re.escape(said)):
        Ward(**{"name": "east-2", **given})  # type: ignore[arg-type]


@pytest.mark.parametrize("there", ["file", "folder"])
def test_nothing_that_is_there_is_written_over(there: str, tmp_path: Path) -> None:
    place = tmp_path / "east-2"
    if there == "folder":
        place.mkdir()
    kept = place / "rules.toml" if there == "folder" else place
    kept.write_text("mine")
    with pytest.raises(FileExistsError, match="not empty: nothing was written; name another folder"):
        write(WARD, place)
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]
