"""Real Kafka and InfluxDB servers on this machine, started from one place.

In come pinned sources and jars, a folder for their files, and the wish for a server. Out go addresses of servers that
answer on localhost only, are shared by all who asked, and stop with the last of them. The names below are imported when
they are first used: the supervisor of a running server lives in this room too, and should not carry the rest of it in
memory.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from connectors.services.influxdb import Influx
    from connectors.services.servers import LocalServices, down, local_services, prepare, status, up

__all__ = ["Influx", "LocalServices", "down", "local_services", "prepare", "status", "up"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("connectors.services.influxdb" if name == "Influx" else f"{__name__}.servers"), name)
