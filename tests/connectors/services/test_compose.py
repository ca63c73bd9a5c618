"""With a container engine the same servers run by Compose."""

from __future__ import annotations

import os
import shutil
import textwrap
from pathlib import Path

import pytest

from connectors.services import compose, influxdb, local_services, servers
from connectors.services.servers import status


@pytest.mark.slow
def test_with_a_container_engine_the_same_servers_run_by_compose(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the ``docker`` program only: it notes how it is called and runs the real InfluxDB."""
    program = influxdb.binary(print)
    docker, calls = tmp_path / "bin" / "docker", tmp_path / "calls"
    docker.parent.mkdir()
    docker.write_text(
        textwrap.dedent(f"""\
        #!/bin/sh
        echo "$* port=$DOSETWIN_INFLUX_PORT" >> {calls}
        case "$*" in
        *" up "*) exec {program} run --bolt-path={tmp_path}/b --sqlite-path={tmp_path}/s --engine-path={tmp_path}/e \\
            --http-bind-address=127.0.0.1:$DOSETWIN_INFLUX_PORT --reporting-disabled ;;
        esac
        """)
    )
    docker.chmod(0o700)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("DOSETWIN_SERVICES")
    servers._provider_found.cache_clear()
    try:
        assert servers.provider() == "compose"
        with local_services(kafka=False, directory=directory, say=print) as own:
            assert influxdb.accepts(own.influx)
            assert status(directory)[1].provider == "compose"
            port = own.influx.url.rpartition(":")[2]
    finally:
        servers._provider_found.cache_clear()
    words = f"compose -p {compose.project(directory)} -f {compose.compose_file()}"
    assert calls.read_text().splitlines()[2:] == [
        f"{words} pull --quiet influxdb port=0",
        f"{words} up --no-deps --no-color influxdb port={port}",
        f"{words} rm --stop --force influxdb port={port}",
    ]


def test_a_container_engine_that_does_not_answer_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexit 1\n")
    docker.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert shutil.which("docker") == str(docker)
    assert not compose.available()
