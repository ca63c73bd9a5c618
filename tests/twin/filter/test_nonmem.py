"""Individual estimates are those of NONMEM 7.4 (FOCE with interaction, population values fixed) for simulated patients.

The reference (Le Louedec et al. 2021, CPT Pharmacometrics Syst Pharmacol 10:1208) gives models as formulas; they are
written here as model files, and the records as NM-TRAN data.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from connectors.feeds.nmtran.reader import read_nmtran
from tests import places
from twin.filter.posthoc import Estimated, post_hoc
from twin.kernel.kernel import compile_model
from twin.model.spec import Model
from twin.modelfile.reader import parse_model
from twin.solver.step_control import step_sizes_for
from twin.study.records import record_of
from twin.timeline.timeline import build

REFERENCE = places.REFERENCE / "nonmem_map.json"
MODELS = ("002", "005", "101", "204", "301", "404")
UNITS = {"CL": "L/h", "VC": "L", "VP": "L", "Q": "L/h", "KA": "1/h", "VMAX": "mg/h", "KM": "mg/L", "D1": "h"}
COVARIATES = {"BW": "kg", "SEX": "1"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not REFERENCE.exists(), reason=f"no {REFERENCE.name}: estimates by NONMEM"),
]


@cache
def reference(number: str) -> dict[str, Any]:
    (found,) = (one for one in json.loads(REFERENCE.read_text())["models"] if one["id"] == number)
    return found  # type: ignore[no-any-return]


@cache
def written(number: str) -> Model:
    """The model of a reference as a model file."""
    given = reference(number)
    stated = given["model"]
    theta, effects = stated["theta"], stated["eta_names"]
    effect_of = {
        name: formula.removeprefix(f"TV{name}*exp(ETA{i})") for i, (name, formula) in enumerate(stated["params"], 1)
    }
    lines = [f'id = "nonmem_{number}"', f'title = "{given["title"]}"', 'drug = "drug"', 'time_unit = "h"']
    lines += ["[[sources]]", 'citation = "Le Louedec 2021"']
    for name in [*effects, *(name for name in theta if not name.startswith("TV"))]:
        lines += [f"[parameters.{name}]", f"value = {theta.get('TV' + name, theta.get(name))}"]
        lines += [f'unit = "{UNITS[name]}"', 'source = "run"']
        if name in effects:
            variance = given["omega"][effects.index(name)][effects.index(name)]
            lines += [f"iiv = {variance}", f'expression = "{name}{effect_of[name]}"']
    for name in stated["covariates"]:
        lines += [f"[covariates.{name}]", f'unit = "{COVARIATES[name]}"', "reference = 1", 'source = "run"']
        lines.append('carry = "backward"')
    for name, derivative in stated["ode"].items():
        lasting = f", duration={stated['duration'][name]}" if name in stated["duration"] else ""
        enters = {"depot": f"input(drug, oral{lasting}) + ", "central": "input(drug) + "}.get(name, "")
        lines += [f"[states.{name}]", 'unit = "mg"', f'derivative = "{enters}{derivative}"']
    (shown,) = stated["outputs"]
    size = "proportional" if shown["error"]["type"] == "proportional" else "additive"
    variance = shown["error"]["var_prop"] + shown["error"]["var_add"]
    lines += ["[outputs.plasma]", 'unit = "mg/L"', f'expression = "{shown["expr"]}"']
    lines += [f'error = {{ {size} = {np.sqrt(variance)}, source = "run" }}']
    lines += ["[cadence]", "estimate = 24", "forecast = 24", "horizon = 24"]
    return parse_model("\n".join(lines), f"nonmem_{number}.toml")


@cache
def estimates(number: str) -> list[tuple[dict[str, Any], Estimated]]:
    """Every patient's reference, and the estimate from a cold start."""
    model = written(number)
    kernel = compile_model(model)
    found = []
    for subject in reference(number)["subjects"]:
        reading = read_nmtran(records(reference(number), subject), model)
        assert not reading.bad_lines
        history, refused = record_of(reading.events, model)
        assert not refused
        found.append((subject, post_hoc(kernel, step_sizes_for(kernel), build(history, kernel))))
    return found


def records(given: dict[str, Any], subject: dict[str, Any]) -> list[str]:
    """A patient's record as NM-TRAN data, in order of time; at one instant a level was drawn before a dose."""
    covariates = given["model"]["covariates"]
    lines = [",".join(["ID,TIME,EVID,AMT,RATE,DV,CMT", *covariates])]
    unsaid = ",." * len(covariates)
    for dose in given["regimens"][subject["regimen"]]:
        state = list(given["model"]["ode"]).index(dose["cmt"]) + 1
        rate = -2 if isinstance(dose.get("dur"), str) else dose.get("rate", 0)
        lines.append(f"1,{dose['t']},1,{dose['amt']},{rate},.,{state}{unsaid}")
    lines += [f"1,{time},0,.,.,{value},2{unsaid}" for time, _, value in subject["obs"]]
    for name, steps in subject.get("cov", {}).items():
        for until, value in steps:
            said = "".join(f",{value if other == name else '.'}" for other in covariates)
            lines.append(f"1,{until},2,.,.,.,.{said}")
    header, *rows = lines
    return [header, *sorted(rows, key=lambda row: (float(row.split(",")[1]), row.split(",")[2] == "1"))]


def covariance(subject: dict[str, Any]) -> NDArray[np.float64]:
    size = len(subject["ref"]["eta"])
    lower = np.zeros((size, size))
    lower[np.tril_indices(size)] = subject["ref"]["etc"]
    return np.asarray(lower + np.tril(lower, -1).T)


@pytest.mark.parametrize("number", MODELS)
def test_every_random_effect_is_nonmems(number: str) -> None:
    for subject, found in estimates(number):
        # NONMEM's own search stops at about three digits; individual parameters then agree to a hundredth of a percent.
        np.testing.assert_allclose(found.eta, subject["ref"]["eta"], rtol=0.01, atol=2e-4)
        assert found.converged


@pytest.mark.parametrize("number", MODELS)
def test_the_covariance_is_nonmems(number: str) -> None:
    for subject, found in estimates(number):
        known = covariance(subject)
        error = np.sqrt(np.diag(known))
        np.testing.assert_allclose(found.errors, error, rtol=0.001)
        np.testing.assert_allclose(
            found.covariance / np.outer(error, error), known / np.outer(error, error), atol=0.001
        )


@pytest.mark.parametrize("number", MODELS)
def test_the_objective_function_is_nonmems(number: str) -> None:
    for subject, found in estimates(number):
        assert found.ofv == pytest.approx(subject["ref"]["obj"], abs=1e-3)


def test_all_subjects_of_the_reference_were_compared() -> None:
    assert {number: len(estimates(number)) for number in MODELS} == dict.fromkeys(MODELS, 20)
