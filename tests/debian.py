"""Programs of Debian's packages for tests, as they are installed or unpacked in the cache of this user.

``apt-get`` fetches and checks them into a folder of the cache, with lists of its own, so that it needs neither root nor
lists that somebody renewed; nothing is installed, and no service of the machine is started.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from connectors.services.progress import Say, run


def installed(name: str) -> str | None:
    """Where a program is installed."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))


def fetch(folder: Path, what: str, packages: Sequence[str], say: Say) -> None:
    """Unpack packages, with what they need, below ``tree`` of ``folder``.

    Raises:
        RuntimeError: this is no Debian.
    """
    if shutil.which("apt-get") is None:
        raise RuntimeError(f"the tests need {what}, and this is no Debian: install {' and '.join(packages)}")
    lists, archives = folder / "lists", folder / "cache" / "archives"
    for place in (lists, archives):
        (place / "partial").mkdir(parents=True)
    own = (
        f"Dir::State::lists={lists}/",
        f"Dir::Cache={folder / 'cache'}/",
        "Debug::NoLocking=true",
        "Acquire::Retries=3",
    )
    apt = ("apt-get", "-q", "-y", *(word for option in own for word in ("-o", option)))
    log, title = folder / "fetch.log", f"fetching {what}"
    run((*apt, "update"), title=title, note="lists of packages, once", log=log, say=say)
    wanted = ("install", "--download-only", "--no-install-recommends", *packages)
    run((*apt, *wanted), title=title, log=log, say=say)
    for package in sorted(archives.glob("*.deb")):
        run(("dpkg-deb", "-x", str(package), str(folder / "tree")), title=title, log=log, say=lambda _: None)
    shutil.rmtree(lists)
    shutil.rmtree(folder / "cache")
