"""Real Kafka and InfluxDB servers on this machine, started from one place."""
