"""A kind of output is one file: nothing else knows which there are, and a fifth works everywhere once it is found."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from connectors.reports.facts import facts
from tests.places import ROOT
from tests.plugins import install
from tests.twin import toys
from tests.twin.bedside import dose, finding
from twin import PatientTwin
from twin.events import Prediction
from twin.kernel.kernel import compile_model
from twin.model.spec import Model, ModelError
from twin.modelfile.reader import parse_model
from twin.observation import kinds as room
from twin.observation.kinds import GROUP, USUAL, kind_named, kinds
from twin.solver.effects import Constant
from twin.study.design import design
from twin.study.diagnostics import diagnose
from twin.study.prediction import Predictor
from twin.study.simulation import simulate

HERE = Path(room.__file__).parent
NAMES = frozenset(kinds().names)
ERROR_MODULES = {
    "twin/model/spec.py",
    "twin/observation/residual.py",
    "twin/observation/residual_error.py",
    "twin/observation/information.py",
    # These write it down: in a model file, and in the languages of other programs.
    "twin/population/results/written.py",
    "connectors/models/exports/parts.py",
    "connectors/models/exports/nonmem.py",
    "connectors/models/exports/mrgsolve.py",
}
"""Where the law of a continuous residual may be asked for."""


# --- one place -------------------------------------------------------------------------------------------------------


def branches(source: str, names: frozenset[str]) -> list[str]:
    """Comparisons, matches and look-ups of a kind with the ``names`` of kinds in ``source``."""
    if "kind" not in source:
        return []
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        match node:
            case ast.Compare() | ast.Match() | ast.Call(func=ast.Attribute(value=ast.Dict())) | ast.Subscript():
                words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
                asked = node.subject if isinstance(node, ast.Match) else node
                if words & names and "kind" in ast.unparse(asked):
                    found.append(ast.unparse(node).partition("\n")[0])
    return found


def asks_of_errors(source: str) -> bool:
    """Whether ``source`` reads the ``kind`` of an error."""
    if ".kind" not in source:
        return False
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute) and node.attr == "kind")
    return any(ast.unparse(node.value).split(".")[-1] == "error" for node in nodes)


@pytest.mark.slow
@pytest.mark.parametrize("package", ["twin", "connectors", "streams"])
def test_no_module_but_its_own_branches_on_a_kind(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        name, source = str(path.relative_to(ROOT)), path.read_text()
        if path.parent != HERE:
            assert branches(source, NAMES) == [], name
        if name not in ERROR_MODULES:
            assert not asks_of_errors(source), name


@pytest.mark.parametrize(
    "source",
    [
        "if output.kind == 'event': pass",
        "found = kind in ('count', 'ordinal')",
        "match output.kind:\n    case 'count': pass",
        "highest = {'ordinal': 5, 'event': 1}.get(output.kind)",
        "highest = {'ordinal': 5, 'event': 1}[output.kind]",
    ],
)
def test_a_branch_on_a_kind_would_be_noticed(source: str) -> None:
    assert len(branches(source, NAMES)) == 1
    assert branches("if function == 'count': pass", NAMES) == []
    assert asks_of_errors("x = output.error.kind == 'none'")
    assert not asks_of_errors("x = output.kind")


def test_every_file_of_the_room_is_a_kind_that_says_what_it_is() -> None:
    files = {path.stem for path in HERE.glob("*.py")} - {"__init__"}
    assert files == NAMES
    assert USUAL in NAMES
    assert kinds().broken == ()
    assert all(plugin.name == plugin.offer.name and plugin.summary for plugin in kinds().plugins)


def test_a_kind_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="'grades' is no kind of output; there are continuous, count, event, ordinal"):
        kind_named("grades")


def forget() -> None:
    kinds.cache_clear()
    kind_named.cache_clear()


def test_a_module_of_a_package_that_is_no_kind_is_named_and_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "guest", {"guest_odd.py": "KIND = 1"}, {GROUP: {"odd": "guest_odd"}}, "1.0")
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    try:
        (broken,) = kinds().broken
        assert str(broken).startswith("output kind odd of guest 1.0: KIND is of type int")
        assert frozenset(kinds().names) == NAMES
    finally:
        sys.modules.pop("guest_odd", None)
        monkeypatch.undo()
        forget()


# --- a fifth kind ----------------------------------------------------------------------------------------------------

RESPONSE = f"""
[parameters.harm]
value = 0.6
unit = "L/mg"
{toys.SOURCE}

[outputs.marrow]
kind = "proportion"
aliases = ["cellularity"]
expression = "0.8*exp(-harm*A/V)"
precision = "30"

[[regimens]]
drug = "toxin"
amount = 60
amount_unit = "mg"
duration = 0
interval = 168
cycles = 3
route = "iv"
{toys.SOURCE}

[cadence]"""
TEXT = toys.BOLUS.replace("[cadence]", RESPONSE, 1).replace("iiv = 0.09\n", "", 1)


@pytest.fixture
def fifth(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """A model with an output of a kind whose file stands in the room beside the others."""
    monkeypatch.setattr(room, "__path__", [*room.__path__, str(Path(__file__).parent / "fifth")])
    forget()
    yield parse_model(TEXT, "fifth.toml")
    del sys.modules["twin.observation.kinds.proportion"], room.proportion  # type: ignore[attr-defined]
    forget()


def mean(hours: float, eta: float = 0.0) -> float:
    return float(0.8 * np.exp(-0.6 * 3 * np.exp(-0.25 * np.exp(eta) * hours)))


def law(hours: float, eta: float = 0.0) -> stats.rv_continuous:
    return stats.beta(30 * mean(hours, eta), 30 * (1 - mean(hours, eta)))


def test_without_its_file_a_fifth_kind_is_unknown() -> None:
    with pytest.raises(ModelError, match="'proportion' is not known; write one of continuous, count, event, ordinal"):
        parse_model(TEXT, "fifth.toml")


def test_a_fifth_kind_is_read_checked_and_described(fifth: Model) -> None:
    (outputs,) = (section for section in facts(fifth) if section.title == "Outputs")
    assert outputs.rows[1][:4] == ("marrow, cellularity", "0.8 * exp(-harm * A / V)", "1", "beta")
    with pytest.raises(ModelError, match=r"outputs.marrow.precision: .30 \* V. is in L, not in 1"):
        parse_model(TEXT.replace('precision = "30"', 'precision = "30*V"'), "fifth.toml")


@pytest.mark.slow
def test_a_value_of_a_fifth_kind_is_admitted_expected_and_weighed(fifth: Model) -> None:
    twin = PatientTwin("P-1", fifth, 1000)
    refused = twin.observe([finding(4, "cellularity", 1.5), finding(5, "cellularity", 0.0)]).rejected
    assert [one.detail for one in refused] == [
        "field 'value': 1.5 is no part of marrow; send one below 1",
        "field 'value': a result of 0 1 cannot be weighed; send 'below_lloq' with 'lloq'",
    ]
    told = twin.observe([dose(0, 60.0), finding(4, "cellularity", 0.2)])
    assert not told.rejected
    seen = next(output for output in told.outputs if isinstance(output, Prediction))
    assert seen.population_median == pytest.approx(mean(4), rel=1e-6)
    eta = np.linspace(-2.0, 2.0, 801)
    density = np.array([law(4, x).pdf(0.2) for x in eta]) * stats.norm.pdf(eta, 0, 0.4)
    known = float(eta @ density / density.sum())
    belief = twin.belief
    assert float(belief.weight @ belief.eta[:, 0]) == pytest.approx(known, abs=0.04)
    mode = twin.mode()
    assert mode is not None
    assert mode.eta[0] == pytest.approx(eta[density.argmax()], abs=5e-3)


@pytest.mark.slow
def test_values_of_a_fifth_kind_are_simulated_and_diagnosed(fifth: Model) -> None:
    kernel = compile_model(fifth)
    plan = design(kernel)
    scores, levels = [], []
    for number in range(20):
        predictor = Predictor(kernel, f"P-{number}")
        timeline = simulate(predictor, np.zeros(1), plan)
        diagnosis = diagnose(predictor, timeline, Constant(np.zeros((1, 1))), 100)
        for i, observation in enumerate(diagnosis.observations):
            if observation.output == 1:
                scores.append(diagnosis.npde[i])
                at = diagnosis.individual[i]
                levels.append(stats.beta(30 * at, 30 * (1 - at)).cdf(observation.value))
    assert len(levels) > 60
    assert stats.kstest(levels, "uniform").pvalue > 0.01
    assert np.isfinite(scores).all()
