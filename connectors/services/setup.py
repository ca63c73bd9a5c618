"""``python -m connectors.services.setup NAME…``: find the tools named, or install them where that is allowed.

``servers`` stands for whatever starting the servers on this machine still needs; ``built`` fetches and builds the
servers themselves where they are not in the cache, which takes minutes once.
"""

from __future__ import annotations

import sys

from connectors.services.launch import ServerFailed
from connectors.services.progress import CommandFailed, say_on_stderr
from connectors.services.servers import needed_tools, prepare
from connectors.services.tools import install


def main(names: list[str]) -> int:
    """Install what is missing; 1 if any tool is still missing, each named on stderr with the way to get it."""
    wanted: list[str] = []
    try:
        for name in names:
            if name == "built":
                prepare()
            else:
                wanted += needed_tools() if name == "servers" else [name]
    except (ServerFailed, CommandFailed) as error:
        say_on_stderr(str(error))
        return 1
    left = install(wanted, say_on_stderr)
    for text in left:
        say_on_stderr(text)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
