"""What became of each test in the newest run, by the report that pytest writes (``--junitxml``)."""

from __future__ import annotations

import ast
import functools
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

ORDER = ("failed", "skipped", "passed")
"""Of a test with several examples the first of these that any has is its result."""


class ReportError(ValueError):
    """A report cannot be read; the message says how to make one."""


@dataclass(frozen=True)
class Run:
    """One run: when it began, and by test id (``tests/.../test_x.py::test_y``) what became of it."""

    began: datetime
    results: dict[str, str]

    def of(self, test: str) -> str:
        """passed, failed or skipped; ``""`` where it was not run."""
        return self.results.get(test, "")


def read(report: Path) -> Run:
    """The run of a report.

    Raises:
        ReportError: it is missing, or none of pytest.
    """
    how = "'make test' writes one, and so does 'pytest --junitxml'"
    try:
        root = ET.parse(report).getroot()
    except OSError as error:
        raise ReportError(f"{report}: {error.strerror}; {how}") from None
    except ET.ParseError as error:
        raise ReportError(f"{report}: {error}; {how}") from None
    suite = root if root.tag == "testsuite" else root.find("testsuite")
    if suite is None or "timestamp" not in suite.attrib:
        raise ReportError(f"{report}: no report of pytest; {how}")
    results: dict[str, str] = {}
    for case in suite.iter("testcase"):
        name = case.attrib["name"].partition("[")[0]
        test = f"{case.attrib['classname'].replace('.', '/')}.py::{name}"
        found = _result(case)
        results[test] = min(found, results.get(test, found), key=ORDER.index)
    return Run(datetime.fromisoformat(suite.attrib["timestamp"]), results)


def _result(case: ET.Element) -> str:
    tags = {child.tag for child in case}
    return "failed" if tags & {"failure", "error"} else "skipped" if "skipped" in tags else "passed"


def exists(root: Path, test: str) -> bool:
    """Whether the tree at ``root`` has that test."""
    file, _, name = test.partition("::")
    path = root / file
    return path.is_file() and name.startswith("test_") and name in _functions(path)


@functools.cache
def _functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
