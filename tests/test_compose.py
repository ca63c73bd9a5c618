"""``docker-compose.yml`` and ``Dockerfile``: valid, pinned, private, and naming only what exists."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from typing import Any

import pytest
import yaml
from typer.main import get_command

from connectors.facts.profile import PatientSettings
from connectors.kafka.access.entry import KafkaAccess
from connectors.listeners.fhir.hooks import FhirSettings
from connectors.services import influxdb, kafka
from connectors.settings import PREFIX, Settings
from connectors.sinks import sinks
from streams.cli import app
from tests.places import ROOT

SECRETS = {"DOSETWIN_INFLUX_TOKEN", "DOSETWIN_INFLUX_PASSWORD", "DOSETWIN_GRAFANA_PASSWORD"}

OF_SOURCES = {
    "DOSETWIN_PATIENT_KEY": ":-",
    "DOSETWIN_SOURCES": ":-./sources",
    "DOSETWIN_FHIR_CLIENT_ID": ":-",
}
"""Needed by ways in alone, which say so; Compose would ask for them wherever it reads the file."""

OF_THE_CONSOLE = {"DOSETWIN_CONSOLE_REPLAYED": ":-false", "DOSETWIN_CONSOLE": ":-./console"}

MOUNTED = {
    "DOSETWIN_KEYS_STORE": ("/patient-keys", "no-keys"),
    "DOSETWIN_KEYS_MASTER_FILE": ("/run/dosetwin/master.key", "/dev/null"),
    "DOSETWIN_CLINICAL": ("/releases", "no-releases"),
}
"""What is a folder or a file of the machine if it is set: where it is in the container, and what is there otherwise."""

OPTIONAL = OF_SOURCES | OF_THE_CONSOLE

DOORS, WAYS_IN = ["mllp", "http"], ["mllp", "http", "mqtt", "fhir"]

SUBSCRIBERS = ["webhook", "email", "mqtt-publish"]


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """The Compose specification's own JSON Schema, from the package that ``tests/compose`` pins."""
    place = ROOT / "tests" / "compose"
    path = place / "node_modules" / "dclint" / "schemas" / "compose.schema.json"
    if not path.is_file():
        subprocess.run(["npm", "ci", "--ignore-scripts", "--silent", "--prefix", str(place)], check=True)
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def services_of_ours(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose["services"].items() if "build" in service}


def test_it_follows_the_compose_schema(compose: dict[str, Any], schema: dict[str, Any]) -> None:
    import jsonschema  # which takes a second

    validator = jsonschema.Draft7Validator(schema)
    validator.validate(compose)
    wrong = {**compose, "services": {"kafka": {"imaeg": "x"}}}
    with pytest.raises(jsonschema.ValidationError, match="imaeg"):
        validator.validate(wrong)


def test_everything_that_the_main_job_needs_is_there(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {
        "kafka",
        "influxdb",
        "grafana",
        "worker",
        "sink",
        "operations",
        "audit",
        "console",
        *WAYS_IN,
        *SUBSCRIBERS,
        "mosquitto",
        "ward",
    }
    profiles = {name: service["profiles"] for name, service in compose["services"].items() if "profiles" in service}
    assert profiles == {name: [name] for name in (*WAYS_IN, *SUBSCRIBERS, "ward")} | {"mosquitto": ["mqtt"]}


def test_images_are_pinned_to_exact_versions_and_are_those_that_the_tests_run(compose: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in compose["services"].items()}
    for name, image in images.items():
        assert re.fullmatch(r"[a-z/-]+:\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?", image), f"{name}: {image}"
    assert images["kafka"].startswith(f"apache/kafka:{kafka.VERSION}@")
    assert images["influxdb"].startswith(f"influxdb:{influxdb.VERSION}@")


def test_every_port_is_published_on_this_machine_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert len(ports) == 4 + len([*DOORS, "mosquitto"])
    for port in ports:
        assert re.fullmatch(r"127\.0\.0\.1:\$\{DOSETWIN_\w+_PORT:-\d+\}:\d+", port), port


def test_secrets_come_from_the_environment_and_have_no_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    used = re.findall(r"\$\{(\w+)([^}]*)\}", text)
    assert {name for name, _ in used if not name.endswith("_PORT")} == SECRETS | OPTIONAL.keys() | MOUNTED.keys()
    for name, rest in used:
        if name in MOUNTED:
            inside, otherwise = MOUNTED[name]
            assert rest in (f":+{inside}", f":-{otherwise}")
            continue
        assert rest.startswith(":?") if name in SECRETS else rest.startswith(":-"), name
        assert rest == OPTIONAL.get(name, rest)
    for key, value in re.findall(r"^ +(\w*(?:PASSWORD|TOKEN)): (.*)$", text, re.MULTILINE):
        assert value.startswith("${"), key


@pytest.mark.slow
def test_every_command_is_one_that_dosetwin_accepts(compose: dict[str, Any]) -> None:
    for name, service in services_of_ours(compose).items():
        program, *words = (__file__ if word.startswith("/sources/") else word for word in service["command"])
        assert program == "dosetwin", name
        command: Any = get_command(app)
        context = command.make_context("dosetwin", words.copy(), resilient_parsing=False)
        while hasattr(command, "resolve_command"):
            _, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
            context = command.make_context(command.name, words.copy(), parent=context)


def test_a_command_that_dosetwin_does_not_have_would_be_noticed(compose: dict[str, Any]) -> None:
    broken = {"services": {"worker": {"build": ".", "command": ["dosetwin", "worker", "--no-such-option"]}}}
    with pytest.raises(Exception, match="no-such-option"):
        test_every_command_is_one_that_dosetwin_accepts(broken)
    assert compose["services"]["worker"]["command"][:2] == ["dosetwin", "worker"]


def test_every_variable_given_to_our_services_is_one_that_they_read(compose: dict[str, Any]) -> None:
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields}
    known |= {
        part.variable(field) for part in (PatientSettings, FhirSettings, KafkaAccess) for field in part.model_fields
    }
    known |= {
        "DOSETWIN_WORKER_INSTANCE",
        "DOSETWIN_READY",
        "DOSETWIN_CONSOLE_HOSTS",
        "DOSETWIN_CONSOLE_ACCOUNTS",
        "DOSETWIN_CONSOLE_BOARDS",
        "DOSETWIN_CONSOLE_TRAIL",
        *OF_THE_CONSOLE,
        *MOUNTED,
    }
    for sink in sinks().offers:
        prefix = sink.Settings.model_config["env_prefix"]
        known |= {f"{prefix}{field.upper()}" for field in sink.Settings.model_fields}
    for name, service in services_of_ours(compose).items():
        assert set(service["environment"]) <= known, name


def unset(service: dict[str, Any], **given: str) -> list[str]:
    """What is mounted where nothing but ``given`` is set, as Compose works it out."""
    pattern = r"\$\{(\w+):-([^}]*)\}"
    return [re.sub(pattern, lambda one: given.get(one[1], one[2]), mount) for mount in service.get("volumes", [])]


KEEPERS = {"worker", "sink", "operations", "console", *SUBSCRIBERS}


def test_keys_and_releases_reach_whoever_needs_them_and_nobody_else(compose: dict[str, Any]) -> None:
    given = {
        "DOSETWIN_KEYS_STORE": "/srv/keys",
        "DOSETWIN_KEYS_MASTER_FILE": "/etc/m.key",
        "DOSETWIN_CLINICAL": "./rel",
    }
    for name, service in services_of_ours(compose).items():
        mounts, told = unset(service, **given), service["environment"]
        assert ("/srv/keys:/patient-keys" in mounts) == (name in KEEPERS), name
        assert ("/etc/m.key:/run/dosetwin/master.key:ro" in mounts) == (name in KEEPERS), name
        assert ("./rel:/releases:ro" in mounts) == (name == "worker"), name
        for variable, (inside, _) in MOUNTED.items():
            there = any(f":{inside}" in mount for mount in mounts)
            assert told.get(variable) == (f"${{{variable}:+{inside}}}" if there else None), (name, variable)


def test_a_provider_of_identities_is_told_to_the_console_alone(compose: dict[str, Any]) -> None:
    for name, service in services_of_ours(compose).items():
        files = [one["path"] for one in service.get("env_file", [])]
        assert ("${DOSETWIN_CONSOLE:-./console}/oidc.env" in files) == (name == "console"), name
    assert "./console:/console:ro" in unset(compose["services"]["console"])


def test_folders_of_the_machine_can_be_made_the_containers_own() -> None:
    assert "useradd --system --uid 10001 dosetwin" in (ROOT / "Dockerfile").read_text()


def test_mounted_files_dependencies_and_volumes_exist(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for mount in unset(service):
            source = mount.split(":")[0]
            if source in ("./sources", "./console", "/dev/null"):
                assert mount.endswith(":ro"), mount
            elif source.startswith("."):
                assert any((ROOT / source).rglob("*.*")), f"{name}: {source} has no files"
                assert mount.endswith(":ro"), mount
            else:
                assert source in compose["volumes"], f"{name}: {source}"
        for other, condition in service.get("depends_on", {}).items():
            assert "healthcheck" in compose["services"][other], f"{name} waits for {other}"
            assert condition == {"condition": "service_healthy"}
    used = {mount.split(":")[0] for service in compose["services"].values() for mount in unset(service)}
    assert set(compose["volumes"]) <= used


def test_servers_and_what_can_be_asked_have_health_checks(compose: dict[str, Any]) -> None:
    checked = {name for name, service in compose["services"].items() if "healthcheck" in service}
    servers = {"kafka", "influxdb", "grafana", "worker", "sink", "operations", "console", "mosquitto"}
    assert checked == servers | {*WAYS_IN, *SUBSCRIBERS}
    worker = compose["services"]["worker"]
    assert f":{worker['command'][-1]}/readyz" in worker["healthcheck"]["test"][-1]


def test_a_way_in_is_reached_where_its_port_is_published_and_keeps_what_it_remembers(compose: dict[str, Any]) -> None:
    made = re.search(r"install -d -m 700 -o dosetwin (.*) \\", (ROOT / "Dockerfile").read_text())
    assert made is not None
    for name in WAYS_IN:
        service = compose["services"][name]
        options = dict(itertools.pairwise(service["command"]))
        assert [port.rpartition(":")[2] for port in service.get("ports", [])] == (
            [options["--port"]] if name in DOORS else []
        )
        assert f":{options['--metrics-port']}/readyz" in service["healthcheck"]["test"][-1]
        assert f"{name}-memory:{options['--memory']}" in service["volumes"]
        assert options["--memory"] in made[1].split()  # its volume is private to our user from the start


def test_who_speaks_in_the_clear_on_dockers_own_network_is_told_so_by_name(compose: dict[str, Any]) -> None:
    for name, service in services_of_ours(compose).items():
        told = service["environment"]
        assert told["DOSETWIN_KAFKA_PLAINTEXT"] == "allowed", name
        assert ("DOSETWIN_INFLUX_URL" in told) == (told.get("DOSETWIN_INFLUX_PLAINTEXT") == "allowed"), name


def test_the_broker_of_mqtt_keeps_what_comes_while_nobody_listens(compose: dict[str, Any]) -> None:
    said = dict(line.split() for line in compose["configs"]["mosquitto"]["content"].splitlines())
    service, options = (compose["services"][name] for name in ("mosquitto", "mqtt"))
    assert [each["source"] for each in service["configs"]] == ["mosquitto"]
    assert f"mosquitto:{said['persistence_location']}" in service["volumes"]
    assert (said["persistence"], int(said["max_queued_messages"]) > 1000) == ("true", True)
    assert f"mosquitto:{said['listener']}" in options["command"]


def test_the_broker_is_configured_like_the_one_that_the_tests_run(compose: dict[str, Any]) -> None:
    environment = compose["services"]["kafka"]["environment"]
    local = dict(line.split("=", 1) for line in kafka._PROPERTIES.splitlines())
    for name in ("auto.create.topics.enable", "num.partitions", "offsets.topic.num.partitions"):
        assert environment["KAFKA_" + name.replace(".", "_").upper()] == local[name], name


def test_our_containers_may_do_no_more_than_they_need(compose: dict[str, Any]) -> None:
    for name, service in services_of_ours(compose).items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert "USER dosetwin" in lines


def test_what_the_dockerfile_copies_exists_and_is_not_ignored() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), line
                assert any(source.startswith(rule[1:]) for rule in ignore if rule.startswith("!")), line


def test_the_image_installs_the_uv_and_the_packages_of_the_locks() -> None:
    locked = (ROOT / "requirements" / "dev.lock").read_text()
    runtime = (ROOT / "requirements" / "runtime.lock").read_text()
    version = re.search(r"^uv==(\S+)", locked, re.MULTILINE)
    assert version is not None
    assert f"uv=={version[1]} " in (ROOT / "Dockerfile").read_text()
    pins = set(re.findall(r"^[\w.-]+==\S+", runtime, re.MULTILINE))
    assert len(pins) > 40
    assert pins <= set(re.findall(r"^[\w.-]+==\S+", locked, re.MULTILINE))


def test_influxdb_is_bounded_as_a_locked_one_of_this_clone(compose: dict[str, Any]) -> None:
    given = compose["services"]["influxdb"]["environment"]
    for bound in influxdb.BOUNDS:
        name, _, value = bound.removeprefix("--").partition("=")
        assert given[f"INFLUXD_{name.upper().replace('-', '_')}"] == (value or "true"), bound
