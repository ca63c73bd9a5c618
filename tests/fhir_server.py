"""A real FHIR R4 server for the tests: HAPI's JPA server, in memory, shared by all processes of one test run.

Its recipe is part of the reference data beside the checkout; tests that need it are skipped where that is missing. Its
jars (300 MB) are fetched once, into the cache of server binaries.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from connectors.services.cache import cached
from connectors.services.ports import answers, free_ports
from connectors.services.progress import Say, run
from connectors.services.supervisor import ProcessId, add_claim, environment, locked, python_module
from tests.places import ROOT

RECIPE = ROOT.parent / "shared" / "tools" / "fhir-server"
KEY = "hapi-fhir-8.8.0"

START_SECONDS = 300.0
"""Longest wait for its start: half a minute of processor, on machines that have others to do."""

_JAVA = ("java", "-Xmx900m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def missing() -> str:
    """What it cannot be had without here; empty where nothing is missing."""
    if not (RECIPE / "pom.xml").is_file():
        return f"no recipe of a FHIR server at {RECIPE}"
    return next((f"no {tool}" for tool in ("java", "javac", "mvn") if shutil.which(tool) is None), "")


def program(say: Say) -> Path:
    """The folder of its jars and classes, made on first use."""

    def make(folder: Path) -> None:
        source = folder / "recipe"
        shutil.copytree(RECIPE, source)
        copy = ("dependency:copy-dependencies", f"-DoutputDirectory={folder / 'jars'}")
        note = "268 jars, 306 MB, once"
        fetch = ("mvn", "-B", "-ntp", "-q", "-f", str(source / "pom.xml"), *copy)
        run(fetch, title="fetching HAPI FHIR", note=note, log=folder / "fetch.log", say=say)
        compiled = (
            "javac",
            "-cp",
            f"{folder / 'jars'}/*",
            "-d",
            str(folder / "classes"),
            str(source / "src/Fhir.java"),
        )
        run(compiled, title="compiling its main class", log=folder / "fetch.log", say=say)

    return cached(KEY, make, say)


def base_of(folder: Path, say: Say) -> str:
    """The base address of the server of this test run, whose files are in ``folder``; started where it is not yet.

    It ends with the last process that asked for it, however that ends.
    """
    library = program(say)
    address, claims = folder / "fhir-address", folder / "fhir-claims"
    with locked(folder / "fhir.lock"):
        add_claim(claims, str(ProcessId.of(os.getpid())))
        if not (address.is_file() and answers(address.read_text().split("/")[2])):
            (port,) = free_ports(1)
            command = (*_JAVA, "-cp", f"{library / 'classes'}:{library / 'jars'}/*", "Fhir", str(port))
            with (folder / "fhir.log").open("ab") as log:
                keeper = subprocess.Popen(
                    python_module("connectors.services.supervisor", "--claims", claims, "--", *command),
                    env=environment(os.environ), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
            _wait(folder / "fhir.log", keeper)
            keeper.returncode = 0  # It may outlive this process, which need not warn of a child that it leaves behind.
            address.write_text(f"http://127.0.0.1:{port}/fhir")
    return address.read_text()


def _wait(log: Path, keeper: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while "ready after" not in log.read_text(errors="replace"):
        assert keeper.poll() is None, log.read_text(errors="replace")[-2000:]
        assert time.monotonic() < until, "the FHIR server does not start"
        time.sleep(0.1)
