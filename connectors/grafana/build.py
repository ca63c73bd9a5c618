"""Writes the committed dashboards: ``python -m connectors.grafana.build`` (``--check`` only compares)."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "dashboards"


def dashboards() -> dict[str, str]:
    """File name to content of every dashboard, always the same for the same code."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    from connectors.grafana.patient import patient_dashboard
    from connectors.grafana.ward import ward_dashboard

    files = {}
    for name, board in (("patient.json", patient_dashboard()), ("ward.json", ward_dashboard())):
        built = board.build()
        for number, panel in enumerate(built.panels or [], start=1):
            panel.id_val = number
        files[name] = json.dumps(built, cls=JSONEncoder, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    return files


def outdated() -> list[str]:
    """Names of committed dashboards that differ from what the code makes."""
    return [
        name
        for name, content in dashboards().items()
        if not (FOLDER / name).is_file() or (FOLDER / name).read_text(encoding="utf-8") != content
    ]


def main() -> int:
    """Write the dashboards, or with ``--check`` name those that are not current (exit code 1)."""
    parser = argparse.ArgumentParser(description="Generate the Grafana dashboards.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a file is not current")
    if parser.parse_args().check:
        for name in (stale := outdated()):
            print(f"{name} is not current: run python -m connectors.grafana.build", file=sys.stderr)
        return 1 if stale else 0
    for name, content in dashboards().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
        print(FOLDER / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
