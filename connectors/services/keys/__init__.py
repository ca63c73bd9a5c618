"""Locks of this clone's servers: an authority of its own, certificates, tokens, and who is told which.

In comes the folder of a server. Out go files that only its owner may read, and what a server and its operator are to be
given. What was once locked stays locked: the folder itself says so.
"""

from pathlib import Path

KEYS = "keys"


def keys_of(place: Path) -> Path:
    """The folder of a server's keys, which is there from its first locked start."""
    return place / KEYS
