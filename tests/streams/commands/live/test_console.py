"""``dosetwin console``: what it refuses, and the limits it takes from the library. Its page: test_console_browser."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from connectors.access.accounts import AccountsFile
from connectors.console.server import listen
from streams.cli import app
from streams.commands.live.console import is_reached_from_here_alone, library_notes
from twin.modelfile.library import library_ids, load_model


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """The command logs to the runner's own standard error, which is closed afterwards."""
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "ward.example"])
def test_another_machine_is_not_served_unless_asked_for(host: str) -> None:
    outcome = CliRunner().invoke(app, ["console", "--host", host, "--port", "0"])
    assert outcome.exit_code == 2
    assert f"--host {host} would show patients to other machines" in outcome.stderr
    assert "'dosetwin account add'" in outcome.stderr


def test_a_name_beyond_this_machine_needs_log_in_too() -> None:
    outcome = CliRunner().invoke(app, ["console", "--allow-host", "ward.example", "--port", "0"])
    assert outcome.exit_code == 2
    assert "--allow-host ward.example would show patients to other machines" in outcome.stderr


@pytest.fixture
def accounts(tmp_path: Path) -> list[str]:
    file = AccountsFile(tmp_path / "accounts.json")
    file.change(lambda all_: all_.with_account("viewer-1", "viewer", "*", "four words of a ward"))
    return ["--accounts", str(file.path)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--boards", "javascript:alert(1)"], "--boards javascript:alert(1): write where Grafana is"),
        (["--host", "0.0.0.0"], "name with --allow-host under which names"),
        (["--host", "0.0.0.0", "--allow-host", "ward.example"], "in the clear from other machines: give --certificate"),
        (["--key", __file__], "needs --certificate too"),
    ],
)
def test_with_log_in_it_still_wants_names_and_tls_beyond_this_machine(
    accounts: list[str], options: list[str], says: str
) -> None:
    outcome = CliRunner().invoke(app, ["console", *accounts, *options, "--port", "0"])
    assert (outcome.exit_code, says in outcome.stderr) == (2, True), outcome.stderr


@pytest.mark.parametrize(("text", "says"), [(None, "is not there"), ("{}", "names nobody: dosetwin account add")])
def test_a_file_of_accounts_that_lets_nobody_in_is_named(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "accounts.json"
    if text is not None:
        path.write_text(text)
        path.chmod(0o600)
    outcome = CliRunner().invoke(app, ["console", "--accounts", str(path), "--port", "0"])
    assert (outcome.exit_code, says in outcome.stderr) == (1, True), outcome.stderr


OIDC = {
    "DOSETWIN_OIDC_ISSUER": "http://127.0.0.1:9",
    "DOSETWIN_OIDC_CONSOLE": "https://ward.example",
    "DOSETWIN_OIDC_CLIENT_ID": "dosetwin",
    "DOSETWIN_OIDC_GROUPS": '{"nurses": {"role": "viewer", "patients": "*"}}',
}


@pytest.mark.parametrize(
    ("changes", "options", "says"),
    [
        ({"DOSETWIN_OIDC_ISSUER": ""}, [], "through a provider: DOSETWIN_OIDC_ISSUER is not set, and it must be"),
        ({"DOSETWIN_OIDC_GROUPS": "nurses"}, [], "DOSETWIN_OIDC_GROUPS='nurses': "),
        ({}, [], "DOSETWIN_OIDC_CONSOLE='https://ward.example': allow that name with --allow-host ward.example"),
        ({}, ["--host", "0.0.0.0"], "name with --allow-host under which names"),
        ({}, ["--allow-host", "ward.example", "--kafka", "nowhere"], "DOSETWIN_KAFKA='nowhere'"),
    ],
)
def test_a_provider_that_is_not_told_in_full_is_named(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], options: list[str], says: str
) -> None:
    for name, value in (OIDC | changes).items():
        monkeypatch.setenv(name, value)
    outcome = CliRunner().invoke(app, ["console", *options, "--port", "0"])
    assert (outcome.exit_code > 0, says in outcome.stderr) == (True, True), outcome.stderr


def test_a_provider_that_does_not_answer_is_told_at_the_start_and_keeps_no_console_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in OIDC.items():
        monkeypatch.setenv(name, value)
    with listen("127.0.0.1", 0) as taken:  # which ends it
        port = str(taken.getsockname()[1])
        outcome = CliRunner().invoke(app, ["console", "--allow-host", "ward.example", "--port", port])
    assert "nobody logs in by DOSETWIN_OIDC_ISSUER='http://127.0.0.1:9' now: /.well-known" in outcome.stderr
    assert "cannot be asked" in outcome.stderr
    assert f"cannot listen on 127.0.0.1:{port}" in outcome.stderr


@pytest.mark.parametrize("name", ["*", "", "http://ward.example", "ward.example:8500", "ward example", "-x"])
def test_a_name_that_is_no_hosts_is_refused(name: str) -> None:
    outcome = CliRunner().invoke(app, ["console", "--host", "0.0.0.0", f"--allow-host={name}", "--port", "0"])
    assert outcome.exit_code == 2
    assert "write a host's name or address without port" in outcome.stderr


def test_nobody_need_log_in_only_where_this_machine_alone_is_answered() -> None:
    assert is_reached_from_here_alone("127.0.0.1", ())
    assert is_reached_from_here_alone("::1", ("localhost",))
    assert not is_reached_from_here_alone("127.0.0.1", ("ward.example",))
    assert not is_reached_from_here_alone("0.0.0.0", ("localhost", "127.0.0.1"))


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        outcome = CliRunner().invoke(app, ["console", "--port", port])
    assert outcome.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}" in outcome.stderr
    assert "choose another --port, or 0 for any" in outcome.stderr


def test_a_wrong_setting_is_named() -> None:
    outcome = CliRunner().invoke(app, ["console", "--port", "0", "--kafka", "nowhere"])
    assert outcome.exit_code == 1
    assert "DOSETWIN_KAFKA='nowhere'" in outcome.stderr


def test_every_toxicity_of_the_library_has_its_line() -> None:
    notes = library_notes()
    assert set(notes) == set(library_ids())
    assert [(line.output, line.below, line.toxicity, line.side) for line in notes["docetaxel_ozawa2007"].floors] == [
        ("neutrophils", 0.5, "neutropenia_g4", "below")
    ]
    for model_id, note in notes.items():
        assert {line.output for line in note.floors} <= {output.name for output in load_model(model_id).outputs}


def test_the_population_is_log_normal_around_the_typical_patient() -> None:
    model = load_model("fluorouracil_yamada2025")
    clearance = next(parameter for parameter in model.parameters if parameter.name == "CL")
    assert clearance.iiv is not None
    low, _, median, _, high = library_notes()[model.id].population["CL"]
    assert median == pytest.approx(179)
    assert low * high == pytest.approx(median**2)
    assert math.log(high / median) == pytest.approx(1.6449 * math.sqrt(clearance.iiv))
