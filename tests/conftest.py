"""Real servers for the tests: started when the first test asks, stopped when the last process of tests has ended.

Kafka, InfluxDB and the FHIR server are there once for all processes of a run: each costs processor time also while
nobody asks it anything. The others are each process's own.

Servers named by ``DOSETWIN_KAFKA``, ``DOSETWIN_INFLUX_URL`` with ``DOSETWIN_INFLUX_TOKEN``, and ``DOSETWIN_TEST_FHIR``
are used instead. Nothing of the developer's own run state (``.dosetwin/``) is seen or touched.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from connectors.services import Influx, LocalServices, prepare
from tests import alertmanager, doors, fhir_server, mosquitto

SERVERS = {"kafka", "influx", "locked", "broker", "fhir", "alerts_there"}

END_SECONDS = 240.0
"""How long a test that failed has for its end, servers that stop with it included."""

# Properties are about behaviour, never about how fast this machine happens to be; and a failure must come again.
settings.register_profile(
    "project", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fast", settings.get_profile("project"), max_examples=15)
settings.load_profile("project")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--fast``: only quick tests that need no server and no browser (the fast lane)."""
    parser.addoption("--fast", action="store_true", help="leave out slow tests and those with servers or a browser")


def pytest_configure(config: pytest.Config) -> None:
    """The fast lane looks at fewer examples of each property; all are looked at by ``make test``."""
    settings.load_profile("fast" if config.option.fast else "project")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and listed stays to the end: to look for rubbish among it is a fifth of this work."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What waits for minutes is begun first, so that nobody waits for it in the end; leave out what ``--fast`` says.

    Then comes what needs locked servers, which are each process's own: so it is one process that needs them.
    """
    items.sort(key=lambda item: (item.get_closest_marker("waits") is None, "locked" not in _fixtures(item)))
    if not config.option.fast:
        return
    left_out = {item for item in items if {*SERVERS, "browser"} & _fixtures(item) or item.get_closest_marker("slow")}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    """No timeout is over the end of a test that failed: a task of its own that takes no cancelling would be waited for
    without end, and all tests with it."""
    if signal.getitimer(signal.ITIMER_REAL)[0] > 0.0:
        return (yield)
    before = signal.signal(signal.SIGALRM, _ends_late)
    signal.setitimer(signal.ITIMER_REAL, END_SECONDS)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def _ends_late(*_: object) -> None:
    pytest.fail("what this test left running does not end")


def _fixtures(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch or build missing servers before the first test: it can take minutes, shows progress, has no timeout."""
    if session.config.option.collectonly:
        return
    asked = {name for item in session.items for name in _fixtures(item)}
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    say = reporter.write_line if reporter else print
    prepare(kafka=bool({"kafka", "locked"} & asked), influx=bool({"influx", "locked"} & asked), say=say)
    if "broker" in asked:
        mosquitto.programs(say)
    if "alerts_there" in asked:
        with contextlib.suppress(RuntimeError):  # its tests are skipped where it cannot be had
            alertmanager.program(say)
    if "fhir" in asked and "DOSETWIN_TEST_FHIR" not in os.environ and not fhir_server.missing():
        fhir_server.program(say)


@pytest.fixture(scope="session", autouse=True)
def run_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The session's own run state, seen by commands that tests start too.

    Of the cores, which processes of tests share, a command takes one unless a test asks for more (``--jobs``): to start
    a process and load all that it needs costs more than most tests have to do there.
    """
    directory = tmp_path_factory.mktemp("run-state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOSETWIN_STATE_DIR", str(directory))
        patch.setenv("PYTHON_CPU_COUNT", "1")
        yield directory


@pytest.fixture
def whole_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Estimates of whatever patient are due at full hours: for a test that counts on them, not on how they spread."""
    monkeypatch.setattr("twin.filter.trunk.phase_of", lambda *_: 0)


@pytest.fixture(scope="session")
def of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run see."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def _servers(of_this_run: Path) -> Iterator[LocalServices]:
    with LocalServices(of_this_run / "servers", ephemeral=True, say=print) as servers:
        yield servers


@pytest.fixture(scope="session")
def kafka(_servers: LocalServices) -> str:
    """Bootstrap address ``host:port`` of a real Kafka: make topics of your own, under a unique prefix.

    Other processes of tests use it at the same time.
    """
    return _servers.start_kafka()


@pytest.fixture(scope="session")
def influx(_servers: LocalServices) -> Influx:
    """A real InfluxDB with the bucket ``dosetwin``: make your own bucket or use unique patient ids.

    Other processes of tests use it at the same time.
    """
    return _servers.start_influx()


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[doors.Doors]:
    """A real Kafka and InfluxDB that let nobody in without a key, with all roles and the topics."""
    with doors.locked(tmp_path_factory.mktemp("locked")) as one:
        yield one


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[mosquitto.Mosquitto]:
    """A real MQTT broker: use topics and client ids of your own."""
    with mosquitto.running(tmp_path_factory.mktemp("mosquitto")) as one:
        yield one


@pytest.fixture(scope="session")
def alerts_there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[alertmanager.Alertmanager]:
    """A real Alertmanager: use patients of your own."""
    try:
        alertmanager.program()
    except RuntimeError as error:
        pytest.skip(f"no Alertmanager here: {error}")
    with alertmanager.running(tmp_path_factory.mktemp("alertmanager")) as one:
        yield one


@pytest.fixture(scope="session")
def fhir(of_this_run: Path) -> str:
    """Base address of a real FHIR R4 server, shared by all of this test run: give your resources ids of their own."""
    if named := os.environ.get("DOSETWIN_TEST_FHIR"):
        return named
    if why := fhir_server.missing():
        pytest.skip(why)
    return fhir_server.base_of(of_this_run, print)
