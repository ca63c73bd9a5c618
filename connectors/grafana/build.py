"""Writes the dashboards and alert rules: ``python -m connectors.grafana.build`` (``--check`` only compares).

Boards lead to a console on this machine. Where it is elsewhere, ``--console https://ward.example --into FOLDER`` writes
boards that lead there, to be mounted instead of ours.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "dashboards"
RULES = Path(__file__).parent / "provisioning" / "alerting" / "operations.json"


def dashboards() -> dict[str, str]:
    """File name to content of every dashboard, always the same for the same code."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    from connectors.grafana.filter_health import filter_dashboard
    from connectors.grafana.operations import operations_dashboard
    from connectors.grafana.patient import patient_dashboard
    from connectors.grafana.ward import ward_dashboard

    files = {}
    boards = {
        "filter.json": filter_dashboard(),
        "operations.json": operations_dashboard(),
        "patient.json": patient_dashboard(),
        "ward.json": ward_dashboard(),
    }
    for name, board in boards.items():
        built = board.build()
        for number, panel in enumerate(built.panels or [], start=1):
            panel.id_val = number
        files[name] = json.dumps(built, cls=JSONEncoder, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    return files


def leading_to(console: str) -> dict[str, str]:
    """`dashboards` whose links lead to the console at another address."""
    from connectors.grafana.panels import CONSOLE

    return {name: content.replace(f'"{CONSOLE}', f'"{console.rstrip("/")}') for name, content in dashboards().items()}


def files() -> dict[Path, str]:
    """Every file that is made, with its content."""
    from connectors.grafana.alerting import alert_rules

    rules = json.dumps(alert_rules(), sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    return {RULES: rules, **{FOLDER / name: content for name, content in dashboards().items()}}


def outdated() -> list[str]:
    """Names of committed files that differ from what the code makes."""
    return [
        path.name
        for path, content in files().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != content
    ]


def main() -> int:
    """Write the dashboards, or with ``--check`` name those that are not current (exit code 1)."""
    parser = argparse.ArgumentParser(description="Generate the Grafana dashboards.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a file is not current")
    parser.add_argument("--console", metavar="ADDRESS", help="where the boards of --into find the console")
    parser.add_argument("--into", metavar="FOLDER", type=Path, help="write boards for another console there")
    given = parser.parse_args()
    if (given.console is None) != (given.into is None):
        parser.error("--console and --into belong together: boards of ours lead to a console on this machine")
    if given.into is not None:
        given.into.mkdir(parents=True, exist_ok=True)
        for name, content in leading_to(given.console).items():
            (given.into / name).write_text(content, encoding="utf-8")
            print(given.into / name)
        return 0
    if given.check:
        for name in (stale := outdated()):
            print(f"{name} is not current: run python -m connectors.grafana.build", file=sys.stderr)
        return 1 if stale else 0
    for path, content in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
