"""Grafana dashboards as code.

In come the measurements that the InfluxDB sink writes. Out go provisioned dashboards of a patient, of the ward, of
operations and of the filters, with alert rules, as JSON that a test holds against this code.
"""
