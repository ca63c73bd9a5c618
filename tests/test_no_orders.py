"""Nothing is ever sent to a pump: what can be shown of that without looking at every wire.

What a twin says goes out as output events, whose channels are read by sinks and pages; none of them is a channel that
devices are told on, for there is no such channel. The one code that writes messages of a hospital's protocols
(`connectors.speaking`) says what a recorded or simulated ward says, to try the ways in; it writes no order to a device,
and cannot be reached from anything that knows what a twin believes.
"""

from __future__ import annotations

import ast
from pathlib import Path

import grimp
import pytest

from tests.places import ROOT
from twin.events import INPUT_EVENTS, OUTPUT_EVENTS, Advice, AdviceRequested

SPOKEN = "connectors.speaking"

ORDERING = ("RGV^", "RDE^", "OMP^", "PCD-03", "IHE_PCD_PIV")
"""What begins, or names, a message that tells a pump or a pharmacy what to do."""

TOLD_APART = {"connectors/protocols/hl7/reading.py", "connectors/protocols/hl7/devices/orders.py"}
"""Modules that read such messages, which others sent to pumps, as what is planned."""


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("twin", "connectors", "streams", "dosetwin")


def test_what_a_twin_says_and_what_is_said_to_it_share_no_channel() -> None:
    said, told = ({event.sent_on.name for event in events} for events in (OUTPUT_EVENTS, INPUT_EVENTS))
    assert not said & told
    assert all(name.startswith("twin.") for name in said)
    assert Advice.sent_on.name in said - told


def test_what_asks_for_advice_and_what_answers_name_no_device() -> None:
    for event in (AdviceRequested, Advice):
        assert not [name for name in event.model_fields if "device" in name or "pump" in name]


@pytest.mark.parametrize(
    "knowing",
    ["twin.dosing", "twin.patient", "streams.worker", "connectors.sinks", "connectors.console", "connectors.listeners"],
)
def test_what_knows_a_twin_cannot_speak_a_wards_protocols(imports: grimp.ImportGraph, knowing: str) -> None:
    assert not imports.chain_exists(importer=knowing, imported=SPOKEN, as_packages=True)


def test_what_speaks_a_wards_protocols_knows_of_no_twin(imports: grimp.ImportGraph) -> None:
    assert not imports.chain_exists(importer=SPOKEN, imported="twin.patient", as_packages=True)
    assert not imports.chain_exists(importer=SPOKEN, imported="twin.dosing", as_packages=True)


def ordering(path: Path) -> list[str]:
    """Texts in a module, docstrings apart, that an order to a device would be made with."""
    source = path.read_text()
    if not any(word[:3] in source for word in ORDERING):
        return []
    tree = ast.parse(source)
    docs = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    texts = [
        n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str) and n not in docs
    ]
    return [text for text in texts for word in ORDERING if word in text]


@pytest.mark.slow
def test_orders_to_devices_are_read_and_written_nowhere() -> None:
    modules = [
        path for package in ("twin", "connectors", "streams", "dosetwin") for path in (ROOT / package).rglob("*.py")
    ]
    found = {str(path.relative_to(ROOT)) for path in modules if ordering(path)}
    assert found == TOLD_APART


def test_an_order_to_a_device_would_be_noticed(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text('"""RGV^O15 in words"""\nmessage = "MSH|^~\\\\&|||||||RGV^O15^RGV_O15"\n')
    assert len(ordering(wrong)) == 1
