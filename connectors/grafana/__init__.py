"""Grafana dashboards as code.

In come the measurements that the InfluxDB sink writes. Out go provisioned dashboards of a patient and of the ward, as
JSON that a test holds against this code.
"""
