"""Where things are: the checkout, and the reference data beside it that some tests read and others do without."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout."""

REFERENCE = ROOT.parent / "shared" / "data"
"""Reference data that is not part of the project; tests that need it are skipped where it is missing."""
