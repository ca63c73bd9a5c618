"""Real Kafka and InfluxDB servers on this machine, started from one place: see `connectors.services.servers`."""

from connectors.services.influxdb import Influx
from connectors.services.servers import LocalServices, down, local_services, prepare, status, up

__all__ = ["Influx", "LocalServices", "down", "local_services", "prepare", "status", "up"]
