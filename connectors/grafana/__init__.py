"""Grafana: dashboards as code, and what a Grafana server needs to show them."""
