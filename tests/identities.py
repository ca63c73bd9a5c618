"""A certified provider of identities (oidc-provider), on this machine, for one console."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.places import ROOT

FOLDER = ROOT / "tests" / "oidc"
SECRET = "a secret of the ward"

PEOPLE: dict[str, dict[str, Any]] = {
    "nora": {"preferred_username": "nora-7", "groups": ["ward3-nurses"]},
    "vera": {"preferred_username": "vera-1", "groups": ["viewers"]},
    "udo": {"preferred_username": "udo-9", "groups": ["kitchen"]},
}

GROUPS = {
    "ward3-nurses": {"role": "clinician", "patients": "P-1,P-2"},
    "viewers": {"role": "viewer", "patients": "P-1"},
}


def fetched() -> None:
    """Have the provider here; a test is skipped where it cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node here: the provider of identities is a program of npm")
    if not (FOLDER / "node_modules" / "oidc-provider").is_dir():
        command = ["npm", "ci", "--ignore-scripts", "--silent", "--prefix", str(FOLDER)]
        if subprocess.run(command, check=False).returncode:
            pytest.skip("the provider of identities cannot be fetched from npm")


@contextmanager
def provider_for(console: str) -> Iterator[str]:
    """The address of one that knows a console by that address."""
    fetched()
    said = json.dumps({"people": PEOPLE, "console": console, "secret": SECRET})
    command = ["node", "people.mjs", said]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=FOLDER, text=True, **pipes) as server:  # type: ignore[call-overload]
        yield server.stdout.readline().strip()
        server.stdin.close()


def settings(address: str, console: str) -> dict[str, str]:
    """What a console must be told of it."""
    return {
        "DOSETWIN_OIDC_ISSUER": address,
        "DOSETWIN_OIDC_CONSOLE": console,
        "DOSETWIN_OIDC_CLIENT_ID": "dosetwin",
        "DOSETWIN_OIDC_CLIENT_SECRET": SECRET,
        "DOSETWIN_OIDC_SCOPES": "openid profile groups",
        "DOSETWIN_OIDC_GROUPS": json.dumps(GROUPS),
    }
