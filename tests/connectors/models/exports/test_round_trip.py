"""Library models written for another program and carried back are the same model: equations, start, doses, outputs."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

import numpy as np
import pytest

from connectors.models.carrying import carry
from connectors.models.exports import mrgsolve, nonmem
from connectors.models.exports.parts import ExportError, plain_states
from tests.twin import toys
from tests.twin.population.joint import pairs
from tests.twin.population.mixture.clinics import eliminated_in_clinics
from tests.twin.population.mixture.mixtures import eliminated
from tests.twin.population.sites.clinics import bolus
from twin.model.formula import evaluate, is_input
from twin.model.spec import Model
from twin.model.typical import typical_values
from twin.modelfile.library import load_model
from twin.modelfile.reader import parse_model
from twin.population.theta import Theta

Write = Callable[[Model], tuple[str, list[str]]]
CARRIED = (
    "carboplatin_zandvliet2008", "imatinib_widmer2006", "melphalan_nath2007", "mercaptopurine_jost2020",
    "methotrexate_taylor2020", "nabpaclitaxel_chen2014", "paclitaxel_friberg2002_leukocytes", "tamoxifen_terheine2014",
)  # fmt: skip
"""Models that other languages can say: closed and stepped, with covariates, a lag, blocks of effects, a scale."""

LANGUAGES: dict[str, tuple[Write, str]] = {"nonmem": (nonmem.write, "x.mod"), "mrgsolve": (mrgsolve.write, "x.cpp")}


def rates(model: Model, draws: np.ndarray, given: float) -> np.ndarray:
    """Starts, then changes of all states and continuous outputs at some draws of states, with so much entering."""
    constants = typical_values(model, {c.name: c.reference for c in model.covariates})
    rows = [[float(evaluate(state.initial, constants)) for state in model.states]]
    shown = [o for o in model.outputs if o.kind == "continuous" and o.error.kind not in ("box_cox", "none")]
    formulas = [*(state.derivative for state in model.states), *(o.expression for o in shown)]
    for at, draw in enumerate(draws):
        env = {**constants, **dict(zip([s.name for s in model.states], draw, strict=True)), "t": 3.0 + at, "clock": 8.0}
        entered = given * next(iter(model.input_scale.values()), 1.0)
        calls = {ast.unparse(n): entered for f in formulas for n in ast.walk(f) if is_input(n)}
        rows.append([float(evaluate(formula, {**env, **calls})) for formula in formulas])
    return np.concatenate(rows)


def there_and_back(model: Model, language: str, into: str | None) -> Model:
    write, file = LANGUAGES[language]
    text, _ = write(model)
    read = [
        c
        for c in model.covariates
        if re.search(rf"\b{c.name}\b", text.split("$PK" if language == "nonmem" else "$MAIN")[1], re.I)
    ]
    given = {c.name.upper() if language == "nonmem" else c.name: c.reference for c in read}
    into = None if language == "nonmem" else into
    return carry(text, file, language=language, time_unit=model.time_unit, given=given, dose_into=into).model


@pytest.mark.parametrize("language", LANGUAGES)
def test_models_of_the_library_come_back_the_same(language: str) -> None:
    generator = np.random.default_rng(7)
    for name in CARRIED:
        model = load_model(name)
        doses = plain_states(model)[2]
        back = there_and_back(model, language, model.states[doses[0].state - 1].name if doses else None)
        draws = generator.uniform(0.5, 20.0, (3, len(model.states)))
        given = 1.0 if doses else 0.0
        np.testing.assert_allclose(
            rates(back, draws, given), rates(model, draws, given), rtol=1e-9, atol=1e-12, err_msg=name
        )
        np.testing.assert_allclose(sorted(np.diag(back.omega)), sorted(np.diag(model.omega)), rtol=1e-9, err_msg=name)


def known_of(model: Model, renamed: dict[str, str]) -> tuple[set[str], set[str]]:
    """What of a model's numbers a fit leaves, and what it estimates, in other names."""
    free = set(Theta.of(model).names)
    every = (set(Theta.whole(model).names) - free, free)
    changed = [{".".join(renamed.get(word, word) for word in each.split(".")) for each in found} for found in every]
    return changed[0], changed[1]


@pytest.mark.parametrize(
    "fixed",
    [
        ("KA",), ("KA", "omega.KA"), ("omega.CL.V1",), ("error.PLASMA.additive",), ("error.PLASMA.proportional", "CL"),
        ("iov.CL",), ("error.PLASMA.additive", "error.PLASMA.proportional", "error.EFFECT.additive"),
        ("error.EFFECT.additive", "omega.V1", "V1"),
    ],
)  # fmt: skip
def test_what_a_fit_leaves_as_it_is_is_fixed_there_and_comes_back_so(fixed: tuple[str, ...]) -> None:
    text = toys.made(
        {"KA": "0.9 1/h 0.16", "CL": "6 L/h 0.09", "V1": "30 L 0.04"},
        {"DEPOT": "mg: input(toxin, oral) - KA*DEPOT", "AMOUNT": "mg: KA*DEPOT - CL/V1*AMOUNT"},
        {"PLASMA": "mg/L: AMOUNT/V1", "EFFECT": "mg/L: 3 - AMOUNT/V1"},
    ).text
    text = text.replace("{ proportional = 0.2", "{ additive = 0.1, proportional = 0.2", 1)
    text = text.replace("{ proportional = 0.2", "{ additive = 0.3", 1).replace("iiv = 0.09", "iiv = 0.09\niov = 0.01")
    further = f"[occasions]\ndrug = 'toxin'\nevery = 24\n{toys.SOURCE}\n"
    further += f'[[correlations]]\nbetween = ["CL", "V1"]\ncovariance = 0.02\n{toys.SOURCE}\n'
    further += f"[fit]\nfixed = [{', '.join(repr(each) for each in fixed)}]\n"
    model = parse_model(text.replace("[cadence]", f"{further}\n[cadence]"), "made.toml")
    back = there_and_back(model, "nonmem", None)
    renamed = {"V1_P": "V1", "dv_dvid1": "PLASMA", "dv_dvid2": "EFFECT"}
    assert known_of(back, renamed) == known_of(model, {})
    assert set(fixed) <= known_of(model, {})[0]


@pytest.mark.parametrize(("combination", "width"), [("variance", "SQRT({}**2 + ({})**2)"), ("sd", "{} + {}")])
def test_a_deviation_by_a_formula_is_written_out(combination: str, width: str) -> None:
    error = f'additive = 0.1, combination = "{combination}", deviation = {{ coefficient = 0.3, formula = "max(f, 1)" }}'
    text = toys.made({"k": "0.3 1/h 0.1"}, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg: A"}).text
    model = parse_model(text.replace("proportional = 0.2", error), "made.toml")
    stream, _ = nonmem.write(model)
    assert "  PW1_1 = 1.0\n  IF (PRED1.GT.1.0) PW1_1 = PRED1\n  PRED1G = PW1_1\n" in stream
    assert f"    W = {width.format('THETA(2)', 'THETA(3)*PRED1G')}\n" in stream
    specification, _ = mrgsolve.write(model)
    growing = "0.3*pred_plasma_g"
    size = f"sqrt(0.1*0.1 + pow({growing}, 2.0))" if combination == "variance" else f"(0.1 + {growing})"
    assert f"capture plasma_dv = pred_plasma + {size}*EPS_plasma;" in specification


def test_the_shape_of_an_effect_is_estimated_there_unless_it_is_fixed() -> None:
    text = toys.made({"k": "0.3 1/h 0.1"}, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg: A"}).text
    skewed = text.replace("iiv = 0.1\n", 'iiv = 0.1\ndistribution = "box-cox"\nshape = -0.5\n')
    stream, _ = nonmem.write(parse_model(skewed, "made.toml"))
    assert "THETA(1)*EXP((EXP(ETA(1))**THETA(2) - 1)/THETA(2))\n" in stream
    assert "$THETA -0.5 ; k, shape of its effect\n" in stream
    kept = parse_model(skewed.replace("[cadence]", '[fit]\nfixed = ["shape.k"]\n[cadence]'), "m.toml")
    assert "$THETA -0.5 FIX ; k, shape of its effect\n" in nonmem.write(kept)[0]


def test_an_exponent_is_estimated_there_unless_it_is_fixed() -> None:
    text = toys.made({"k": "0.3 1/h 0.1"}, {"A": "mg: input(toxin) - k*A"}, {"plasma": "mg: A"}).text
    error = "additive = 0.1, power = { coefficient = 0.3, exponent = 0.7 }"
    model = parse_model(text.replace("proportional = 0.2", error), "made.toml")
    stream, _ = nonmem.write(model)
    assert "    W = SQRT(THETA(2)**2 + (THETA(3)*PRED1**THETA(4))**2)\n" in stream
    assert "$THETA 0.7 ; plasma, exponent\n" in stream
    back = there_and_back(model, "nonmem", None)
    assert back.outputs[0].error.exponent == pytest.approx(0.7)
    kept = parse_model(model.text.replace("[cadence]", '[fit]\nfixed = ["error.plasma.exponent"]\n[cadence]'), "m.toml")
    assert "$THETA 0.7 FIX ; plasma, exponent\n" in nonmem.write(kept)[0]
    held = [name for name in there_and_back(kept, "nonmem", None).fixed if name.startswith("error.")]
    assert [name.split(".")[-1] for name in held] == ["exponent"]


def test_classes_of_patients_come_back_with_their_shares() -> None:
    model = eliminated()
    back = there_and_back(model, "nonmem", None)
    assert (model.mixture, back.mixture) != (None, None)
    assert back.mixture is not None
    assert back.mixture.shares == pytest.approx((0.4, 0.6))
    for value in (1.0, 2.0):
        clearances = [typical_values(one, {one.mixture.covariate: value})["CL"] for one in (model, back) if one.mixture]
        assert clearances[0] == pytest.approx(clearances[1])
    kept = parse_model(model.text.replace("[cadence]", '[fit]\nfixed = ["share.slow"]\n\n[cadence]'), "classes.toml")
    assert "$THETA 0.4 FIX ; share of slow\n" in nonmem.write(kept)[0]
    assert "share.class_1" in there_and_back(kept, "nonmem", None).fixed
    assert "share.class_1" not in back.fixed
    _, lost = mrgsolve.write(model)
    assert lost == ["shares of classes: SORT has to be given with each patient, which says the class"]


def test_effects_of_sites_stand_above_those_of_patients() -> None:
    model = bolus()
    stream, lost = nonmem.write(model)
    assert "  CL = THETA(1)*EXP(ETA(1) + ETA(3))\n" in stream
    assert "$OMEGA 0.16 ; CL\n$OMEGA 0.09 ; V\n$OMEGA BLOCK(2)\n  0.09 ; CL, sites\n  0.02 0.04 ; V, sites\n" in stream
    assert "\n$LEVEL SITE=(3[1],4[2])\n" in stream
    assert lost == ["sites: patients of one SITE have to follow one another in the data ($LEVEL)"]
    back = there_and_back(model, "nonmem", None)
    assert back.sites is not None
    assert (back.sites.covariate, len(back.isv_names)) == ("SITE", 2)
    assert next(each.reference for each in back.covariates if each.name == "SITE") == 0.0
    np.testing.assert_allclose(back.omega_isv, model.omega_isv, rtol=1e-12)
    np.testing.assert_allclose(back.omega_iiv, model.omega_iiv, rtol=1e-12)
    specification, lost = mrgsolve.write(model)
    assert "@labels ETA_CL ETA_V\n0.25\n0.02 0.13\n" in specification
    assert lost == ["who is of one site: effects of CL, V are those of patients alone"]


def test_effects_of_sites_of_patients_whose_class_nobody_sees_are_carried_together() -> None:
    model = eliminated_in_clinics()
    back = there_and_back(model, "nonmem", None)
    assert back.mixture is not None
    assert back.mixture.shares == pytest.approx((0.4, 0.6))
    assert back.sites is not None
    assert back.sites.covariate == "SITE"
    np.testing.assert_allclose(back.omega_isv, model.omega_isv, rtol=1e-12)
    np.testing.assert_allclose(back.omega_iiv, model.omega_iiv, rtol=1e-12)
    assert len(mrgsolve.write(model)[1]) == 2


def test_what_another_program_cannot_say_is_refused_by_name() -> None:
    with pytest.raises(ExportError, match=r"pulse\(\)"):
        nonmem.write(load_model("docetaxel_ozawa2007"))


def test_correlations_of_residuals_come_back_from_a_block_of_sigma_and_mrgsolve_names_them() -> None:
    text, lost = nonmem.write(pairs.model())
    assert "$SIGMA BLOCK(2) FIX" in text
    assert re.search(r"\$INPUT .*\bL2\b", text)
    assert any("have to have one L2" in each for each in lost)
    found = there_and_back(pairs.model(), "nonmem", None)
    assert found.outputs[1].error.beside == pytest.approx((pairs.CORRELATION,))
    assert any("correlations of residuals" in each for each in mrgsolve.write(pairs.model())[1])
