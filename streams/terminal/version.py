"""Which version of dosetwin this is."""

from __future__ import annotations


def version() -> str:
    """As it is installed; ``unknown`` where it only lies in a folder."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("dosetwin")
    except PackageNotFoundError:
        return "unknown"
