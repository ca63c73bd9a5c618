"""The library says what was published, and the loader refuses what is wrong, with file, key, problem and mend."""

from __future__ import annotations

import copy
import doctest
import functools
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from twin.model.budget import LARGEST_FILE
from twin.model.formula import evaluate
from twin.model.spec import Model, ModelError
from twin.model.structure import input_calls
from twin.model.typical import individual_value, typical_values
from twin.modelfile import library as models
from twin.modelfile import reader
from twin.modelfile.library import library_ids, load_model
from twin.modelfile.reader import content_of, meaning_hash, parse_model

DOCETAXEL, FLUOROURACIL, MERCAPTOPURINE = (
    load_model(name) for name in ("docetaxel_ozawa2007", "fluorouracil_yamada2025", "mercaptopurine_jost2020")
)
TEXT = DOCETAXEL.text


def test_examples_in_the_docstrings_run() -> None:
    assert doctest.testmod(models).failed == 0
    assert doctest.testmod(reader).failed == 0


# --- what the library says -------------------------------------------------------------------------------------------


def test_the_library_holds_its_models_by_id() -> None:
    assert {"docetaxel_ozawa2007", "fluorouracil_yamada2025", "mercaptopurine_jost2020"} <= set(library_ids())
    assert all(load_model(name).id == name for name in library_ids())


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (
            DOCETAXEL,
            {
                "CL": 35.7, "V1": 6.94, "Q2": 5.58, "V2": 7.39, "Q3": 12.5, "V3": 225, "MTT": 113, "Slope": 17.9,
                "gamma": 0.196, "MIT": 35.5, "IP0": 5.19,
            },
        ),
        (
            FLUOROURACIL,
            {
                "CL": 179, "Vc": 5.56, "Q": 14.8, "Vp": 28.5, "Circ0": 6.86, "MTT": 281, "Slope_mono": 1.17,
                "Slope_comb": 2.82, "gamma": 0.17,
            },
        ),
        (
            MERCAPTOPURINE,
            {
                "F": 0.22, "ka": 31.2, "k20": 12.72, "FM3": 0.019, "kme": 9.9216, "CL6tgn": 0.219, "Base": 2.435,
                "ktr": 0.1477, "slope": 0.2196, "gamma": 0.796, "kma": 2.3765,
            },
        ),
    ],
    ids=lambda value: value.id if isinstance(value, Model) else "",
)  # fmt: skip
def test_typical_values_are_the_published_ones(model: Model, values: dict[str, float]) -> None:
    assert {p.name: p.value for p in model.parameters} == values


def test_variances_of_eta_are_the_published_ones() -> None:
    def variances(model: Model) -> dict[str, float]:
        return dict(zip(model.eta_names, np.diag(model.omega).tolist(), strict=True))

    assert variances(DOCETAXEL) == {"CL": 0.1478, "V1": 0.0673, "MTT": 0.01225, "Slope": 0.3818, "IP0": 0.793}
    assert variances(FLUOROURACIL) == {"CL": 0.111842, "Vc": 1.1322, "Circ0": 0.02654}
    assert variances(MERCAPTOPURINE) == pytest.approx(
        {"Base": 0.248**2, "ktr": 0.113**2, "slope": 0.384**2, "gamma": 0.094**2}, rel=1e-12
    )


def test_log_normal_variances_agree_with_the_published_coefficients_of_variation() -> None:
    for model, name, cv in [(DOCETAXEL, "CL", 0.399), (DOCETAXEL, "Slope", 0.682), (FLUOROURACIL, "CL", 0.344)]:
        i = model.eta_names.index(name)
        assert model.omega[i, i] == pytest.approx(math.log(1 + cv**2), rel=2e-3)


def test_correlations_of_the_children_are_in_omega() -> None:
    omega, names = MERCAPTOPURINE.omega, MERCAPTOPURINE.eta_names
    correlation = omega / np.sqrt(np.outer(np.diag(omega), np.diag(omega)))
    assert correlation[names.index("slope"), names.index("gamma")] == pytest.approx(-0.26)
    assert correlation[names.index("ktr"), names.index("slope")] == pytest.approx(0.18)
    assert correlation[names.index("Base"), names.index("ktr")] == 0


@pytest.mark.parametrize("model", [DOCETAXEL, FLUOROURACIL, MERCAPTOPURINE], ids=lambda m: m.id)
def test_every_number_has_a_source_or_a_reason(model: Model) -> None:
    numbers = [
        *model.parameters, *model.covariates, *(o.error for o in model.outputs), *model.targets, *model.toxicities,
        *model.regimens, *model.inputs,
    ]  # fmt: skip
    assert all(item.source or item.assumed for item in numbers)
    assert all(source.citation for source in model.sources)


def test_residual_errors_are_standard_deviations() -> None:
    plasma, counts = (output.error for output in DOCETAXEL.outputs)
    assert (plasma.kind, plasma.proportional, plasma.df) == ("proportional", 0.268, None)
    assert (counts.kind, counts.additive, counts.df) == ("log_additive", 0.291, None)
    plasma, counts = (output.error for output in FLUOROURACIL.outputs)
    assert plasma.proportional == 0.583
    assert counts.proportional == pytest.approx(math.sqrt(0.08), rel=1e-3)
    (counts,) = (output.error for output in MERCAPTOPURINE.outputs)
    assert (counts.kind, counts.additive, counts.df) == ("log_additive", 0.29, 5)


def test_recorded_mercaptopurine_is_scaled_and_nothing_else_is() -> None:
    assert MERCAPTOPURINE.input_scale == {"mercaptopurine": 2.6}
    assert DOCETAXEL.input_scale == FLUOROURACIL.input_scale == {}


def test_drugs_begin_with_the_one_under_study() -> None:
    assert DOCETAXEL.drugs == ("docetaxel", "dexamethasone")


def test_covariate_effects_go_the_way_of_the_papers() -> None:
    assert typical_values(DOCETAXEL, {"AAG": 0.94})["Slope"] == pytest.approx(17.9)
    assert typical_values(DOCETAXEL, {"AAG": 1.88})["Slope"] == pytest.approx(17.9 * 2**-1.38)
    assert typical_values(FLUOROURACIL, {"BSA": 1.8})["CL"] == pytest.approx(179)
    assert typical_values(FLUOROURACIL, {"BSA": 2.0})["CL"] == pytest.approx(179 * (1 + 0.77 * 0.2))
    assert typical_values(FLUOROURACIL, {"CISPLATIN": 0})["Slope"] == 1.17
    assert typical_values(FLUOROURACIL, {"CISPLATIN": 1})["Slope"] == 2.82
    assert typical_values(MERCAPTOPURINE, {"BSA": 0.82})["CL6tgn"] == pytest.approx(0.219 * 0.82**1.16)


# --- what the equations do -------------------------------------------------------------------------------------------


def course(
    model: Model, duration: float, rate: Callable[[float], dict[str, float]], **start: float
) -> dict[str, float]:
    """States of the typical patient after ``duration``, by the model's own equations and a general-purpose solver."""
    constants = typical_values(model)
    silent = {call: 0.0 for state in model.states for call in input_calls(state.derivative)}
    names = [state.name for state in model.states]

    def derivative(t: float, y: np.ndarray) -> list[float]:
        env = constants | dict(zip(names, y.tolist(), strict=True)) | silent | rate(t) | {"t": t}
        return [float(evaluate(state.derivative, env)) for state in model.states]

    first = [start.get(state.name, float(evaluate(state.initial, constants))) for state in model.states]
    # Steps short enough not to jump over the infusion.
    solved = solve_ivp(derivative, (0, duration), first, method="LSODA", rtol=1e-8, atol=1e-10, max_step=duration / 200)
    return dict(zip(names, solved.y[:, -1].tolist(), strict=True))


@pytest.mark.parametrize("model", [DOCETAXEL, FLUOROURACIL, MERCAPTOPURINE], ids=lambda m: m.id)
def test_without_drug_everything_stays_at_its_baseline(model: Model) -> None:
    constants = typical_values(model)
    after = course(model, 500, lambda _: {})
    for state in model.states:
        assert after[state.name] == pytest.approx(float(evaluate(state.initial, constants)), rel=1e-6, abs=1e-9)


def test_docetaxel_exposure_is_dose_over_clearance_and_neutrophils_fall_and_recover() -> None:
    states = course(DOCETAXEL, 200, lambda t: {"input(docetaxel)": 96.0 if t < 1 else 0.0})
    assert states["AUC"] == pytest.approx(96 / 35.7, rel=0.02)
    assert states["Circ"] < 0.6 * 4.0
    late = course(DOCETAXEL, 700, lambda t: {"input(docetaxel)": 96.0 if t < 1 else 0.0})
    assert late["Circ"] == pytest.approx(4.0, rel=0.25)


def test_a_dexamethasone_dose_empties_its_pool_into_the_blood() -> None:
    states = course(DOCETAXEL, 35.5, lambda _: {}, In=5.19)
    assert states["In"] == pytest.approx(5.19 / math.e, rel=1e-4)
    assert states["Circ"] > 4.5


def test_the_infusion_of_the_published_check_reaches_its_exposure() -> None:
    dose = 2400 * 1.8
    states = course(FLUOROURACIL, 120, lambda t: {"input(fluorouracil)": dose / 46 if t < 46 else 0.0})
    assert states["AUC"] == pytest.approx(24.1, rel=0.01)
    (target,) = FLUOROURACIL.targets
    assert target.low < states["AUC"] < target.high


def test_daily_mercaptopurine_lowers_neutrophils() -> None:
    daily = 17.5 * MERCAPTOPURINE.input_scale["mercaptopurine"]
    # The feedback rings for years in these children; ten of them let it die away.
    states = course(MERCAPTOPURINE, 3650, lambda _: {"input(mercaptopurine)": daily})
    constants = typical_values(MERCAPTOPURINE)
    nucleotides = 0.019 * 9.9216 / 12.72 * 0.22 * daily / constants["CL6tgn"]
    assert states["E"] == pytest.approx(nucleotides, rel=1e-3)
    # At steady state (1 - slope E)(Base/N)^gamma = 1.
    assert states["N"] == pytest.approx(2.435 * (1 - 0.2196 * nucleotides) ** (1 / 0.796), rel=0.01)


# --- identity --------------------------------------------------------------------------------------------------------


def test_the_hash_is_of_what_the_file_says_not_of_how() -> None:
    same = parse_model("# a comment\n" + TEXT.replace("value = 225\n", "value = 225.0  # litres\n"), "other.toml")
    assert same.hash == DOCETAXEL.hash
    assert same == DOCETAXEL
    assert hash(same) == hash(DOCETAXEL)
    other = parse_model(TEXT.replace("value = 225\n", "value = 226\n"), "other.toml")
    assert other.hash != DOCETAXEL.hash
    assert other != DOCETAXEL
    assert len(DOCETAXEL.hash) == 16
    assert int(DOCETAXEL.hash, 16) >= 0


CONTENTS = {name: content_of(load_model(name).text, name) for name in library_ids()}
PROSE = ("title", "note", "source", "assumed", "unconfirmed")


def leaves(value: object, *path: str | int) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """What a file says, each with the keys that lead to it."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, *path, key)
    else:
        yield path, value


def changed(content: dict[str, Any], path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """The content with one leaf changed."""
    found = copy.deepcopy(content)
    *above, last = path
    functools.reduce(operator.getitem, above, found)[last] = value  # type: ignore[index, arg-type]
    return found


@given(st.data())
@settings(max_examples=40)
def test_prose_never_changes_the_hash_and_every_number_does(data: st.DataObject) -> None:
    content = CONTENTS[data.draw(st.sampled_from(sorted(CONTENTS)))]
    said = [(path, value) for path, value in leaves(content) if path[0] not in ("sources", "confirmed_by")]
    prose = [path for path, value in said if path[-1] in PROSE and isinstance(value, str)]
    reworded = changed(content, data.draw(st.sampled_from(prose)), data.draw(st.text()))
    assert meaning_hash(reworded) == meaning_hash(content)
    path, value = data.draw(st.sampled_from([leaf for leaf in said if isinstance(leaf[1], int | float)]))
    other = data.draw(st.floats(allow_nan=False).filter(lambda number: number != value))
    assert meaning_hash(changed(content, path, other)) != meaning_hash(content)


def test_formulas_units_and_names_are_in_the_hash_and_a_note_that_is_added_is_not() -> None:
    kept, bare = dict(CONTENTS["docetaxel_ozawa2007"]), copy.deepcopy(CONTENTS["docetaxel_ozawa2007"])
    del bare["note"], bare["sources"], bare["parameters"]["CL"]["note"]
    assert meaning_hash(bare) == meaning_hash(kept) == DOCETAXEL.hash
    for path in (("states", "A2", "derivative"), ("outputs", "neutrophils", "unit"), ("id",)):
        assert meaning_hash(changed(kept, path, "x")) != DOCETAXEL.hash
    # A parameter may be called as prose is: its table is not prose.
    assert meaning_hash(kept | {"parameters": {"note": {"value": 1}}}) != meaning_hash(kept | {"parameters": {}})


def test_omega_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        DOCETAXEL.omega[0, 0] = 1.0


def test_a_file_of_ones_own_is_loaded_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace('id = "docetaxel_ozawa2007"', 'id = "mine"'), encoding="utf-8")
    assert load_model(path).id == "mine"
    assert load_model(str(path)).id == "mine"
    (tmp_path / "marked.toml").write_text(path.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert load_model(tmp_path / "marked.toml").text == load_model(path).text, "as some editors begin a file"


def test_a_model_that_is_not_there_is_named_with_what_is(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"docetaxel_ozawa: no such model; did you mean 'docetaxel_ozawa2007'\?"):
        load_model("docetaxel_ozawa")
    with pytest.raises(ModelError, match=r"zebra: no such model; [0-9]+ have other names \('dosetwin models list'\); "):
        load_model("zebra")
    with pytest.raises(
        ModelError, match=r"missing\.toml: cannot be read \(No such file or directory\); check the path"
    ):
        load_model(tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes(b'title = "\xe9"')
    with pytest.raises(ModelError, match=r"latin\.toml: is not UTF-8 text; save it as UTF-8"):
        load_model(tmp_path / "latin.toml")
    (tmp_path / "huge.toml").write_bytes(b"#" * (LARGEST_FILE + 1))
    with pytest.raises(ModelError, match=r"huge\.toml: has more than 1000000 bytes"):
        load_model(tmp_path / "huge.toml")


@pytest.mark.parametrize("name", ["levels.csv", "LEVELS.CSV", "levels.csv.gz", "events.ndjson", "P-1.npz"])
def test_a_table_that_is_named_as_the_model_is_said_to_be_one(name: str, tmp_path: Path) -> None:
    for named in (name, tmp_path / name):
        with pytest.raises(ModelError, match=r"is a table of records or what was made of one, and no model"):
            load_model(named)


@pytest.mark.parametrize("name", ["run1.mod", "run1.ctl", "model.cpp", "model.R", "model.xml"])
def test_a_model_of_another_program_is_to_be_imported(name: str) -> None:
    with pytest.raises(ModelError, match=rf"{name}: is a model of another program; .*'dosetwin models import'"):
        load_model(name)


# --- what is refused -------------------------------------------------------------------------------------------------

CORRELATION = '[[correlations]]\nbetween = ["CL", "V1"]\n{}\nassumed = "a test"\n\n[cadence]'


def wrong(good: str, bad: str) -> ModelError:
    assert good in TEXT
    with pytest.raises(ModelError) as caught:
        parse_model(TEXT.replace(good, bad, 1), "mine.toml")
    assert caught.value.file == "mine.toml"
    return caught.value


@pytest.mark.parametrize(
    ("good", "bad", "key", "problem"),
    [
        ("value = 35.7", "value = 35.7.1", "", "not TOML: Expected newline or end of document"),
        ("[parameters.V1]", "[parameters.CL]", "", "not TOML: Cannot declare ('parameters', 'CL') twice (at line"),
        ("[parameters.V1]", "[parameters.A1]", "states.A1", "the name is taken by parameters.A1; choose another"),
        ("[states.In]", "[states.In-]", "states.In-", "'In-' cannot be a name; begin with a letter"),
        ("[states.In]", "[states.exp]", "states.exp", "'exp' is a word of the formula language"),
        ("[states.In]", "[states.lambda]", "states.lambda", "'lambda' cannot be a name"),
        ('drug = "docetaxel"\n', "", "drug", "is missing; write a text in quotes"),
        ('drug = "docetaxel"\n', 'drug = "doce-taxel"\n', "drug", "'doce-taxel' cannot be a name"),
        ('time_unit = "h"', 'time_unit = "s"', "time_unit", "'s' is not known; write one of min, h, d"),
        ('time_unit = "h"', "time_unit = 1", "time_unit", "is a number; write a text in quotes"),
        ('time_unit = "h"', 'time_unit = "h"\nwings = 3', "wings", "unknown key; known here:"),
        ("iiv = 0.1478", "iivv = 0.1478", "parameters.CL.iivv", "unknown key; did you mean 'iiv'?"),
        ("iiv = 0.1478", "iiv = -0.1478", "parameters.CL.iiv", "is -0.1478; it must be greater than 0"),
        ("value = 35.7", 'value = "35.7"', "parameters.CL.value", "is '35.7'; write a number"),
        ("value = 35.7", "value = true", "parameters.CL.value", "is true or false; write a number"),
        ("value = 35.7", "value = nan", "parameters.CL.value", "is nan; write a finite number"),
        ("value = 35.7", "", "parameters.CL.value", "is missing; write a number"),
        ("value = 35.7", "value = -35.7", "parameters.CL.value", "a parameter with iiv is log-normal and must be"),
        (
            'source = "Ozawa 2007; CV 39.9 %"\n', "", "parameters.CL.source",
            "is missing; say where the number was published, or say in 'assumed' why it was chosen",
        ),
        ('source = "Ozawa 2007; CV 39.9 %"\n', 'source = " "\n', "parameters.CL.source", "is an empty text"),
        ("ktr*(Prol - Tr1)", "ktr*(Prol - Tr9)", "states.Tr1.derivative", "unknown name 'Tr9'; did you mean 'Tr"),
        ("input(docetaxel)", "input(docetaxl)", "states.A1.derivative", "unknown drug 'docetaxl'; known: docetaxel"),
        ('expression = "A1/V1"', 'expression = "input(docetaxel)/V1"', "outputs.docetaxel_plasma.expression",
         "input() is allowed only in the derivative of a state"),
        ('"4 / MTT"', '"4 / Circ"', "derived.ktr.expression", "unknown name 'Circ'"),
        ('initial = "ANC0"', 'initial = "Circ"', "states.Prol.initial", "unknown name 'Circ'"),
        ("(ANC0/Circ)**gamma", "(ANC0/Circ)^gamma", "states.Prol.derivative", "uses '^'; write a power as '**'"),
        ('derivative = "A1/V1"', "derivative = []", "states.AUC.derivative", "is a list; write a formula in quotes"),
        ('aliases = ["ANC"]', 'aliases = ["docetaxel"]', "outputs.neutrophils.aliases", "'docetaxel' already names"),
        ('aliases = ["ANC"]', 'aliases = "ANC"', "outputs.neutrophils.aliases", "is not a list of texts"),
        ("log_additive = 0.291, ", "", "outputs.neutrophils.error",
         "gives no size; write proportional, additive, power, deviation or"),
        ("log_additive = 0.291", "log_additive = 0.291, proportional = 1", "outputs.neutrophils.error.log_additive",
         "cannot be combined with 'proportional', 'power' or 'box_cox'; keep one"),
        ("log_additive = 0.291", "log_additive = 0.291, df = 2", "outputs.neutrophils.error.df", "greater than 2"),
        ('output = "neutrophils"', 'output = "platelets"', "toxicities.neutropenia_g4.output", "is not known"),
        ("horizon = 504\nsource", "horizon = 0\nsource", "toxicities.neutropenia_g4.horizon", "must be greater than 0"),
        ("reference = 0.94", "reference = 94", "covariates.AAG.reference", "is 94, outside low to high"),
        ("cycles = 6", "cycles = 1.5", "regimens[0].cycles", "is 1.5; write a whole number"),
        ("duration = 1\n", "duration = 1000\n", "regimens[0].duration", "the dose ends at 1000, after 'interval' 504"),
        ("estimate = 1\n", "", "cadence.estimate", "is missing; write a number"),
        ("first_step = ", "first_step = 90", "numerics.first_step", "more than largest_step"),
        ("[cadence]", CORRELATION.format("correlation = 1.2"), "correlations", "Omega is not positive definite"),
        ("[cadence]", CORRELATION.format(""), "correlations[0].covariance", "write either 'covariance' or"),
        ("[cadence]", CORRELATION.replace("V1", "V2").format("correlation = 0.1"), "correlations[0].between",
         "must name two different parameters with iiv: CL, V1, MTT, Slope, IP0"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_key_and_reason(good: str, bad: str, key: str, problem: str) -> None:
    error = wrong(good, bad)
    assert error.key == key
    assert problem in error.problem


@pytest.mark.parametrize("section", ["[parameters.", "[states.", "[outputs.", "[[sources]]"])
def test_a_model_without_a_needed_section_is_refused(section: str) -> None:
    blocks = TEXT.split("\n\n")
    text = "\n\n".join(block for block in blocks if section not in block)
    with pytest.raises(ModelError):
        parse_model(text, "mine.toml")


def test_the_message_names_file_key_problem_and_mend() -> None:
    assert (
        str(wrong("iiv = 0.1478", "iivv = 0.1478")) == "mine.toml: parameters.CL.iivv: unknown key; did you mean 'iiv'?"
    )


def test_covariance_and_correlation_say_the_same() -> None:
    by_covariance = parse_model(TEXT.replace("[cadence]", CORRELATION.format("covariance = 0.04"), 1), "mine.toml")
    size = 0.04 / math.sqrt(0.1478 * 0.0673)
    by_correlation = parse_model(
        TEXT.replace("[cadence]", CORRELATION.format(f"correlation = {size!r}"), 1), "mine.toml"
    )
    assert by_covariance.omega[0, 1] == by_covariance.omega[1, 0] == 0.04
    np.testing.assert_allclose(by_covariance.omega, by_correlation.omega, rtol=1e-12)


def test_a_correlation_listed_twice_is_refused() -> None:
    once = CORRELATION.format("covariance = 0.04")
    text = TEXT.replace("[cadence]", once, 1).replace("[cadence]", once, 1)
    with pytest.raises(ModelError, match=r"correlations\[1\]\.between: CL and V1 are listed twice; keep one"):
        parse_model(text, "mine.toml")


# --- distributions of random effects ---------------------------------------------------------------------------------


def with_distribution(lines: str, value: str = "value = 35.7") -> str:
    return TEXT.replace("value = 35.7", f"{value}\n{lines}", 1)


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        (with_distribution('distribution = "norml"'), "distribution", "'norml' is not known; write one of log-normal"),
        (with_distribution('distribution = "logit"'), "value", "is 35.7; a logit parameter must lie between 0 and 1"),
        (with_distribution('distribution = "box-cox"'), "shape", "is missing; write a number"),
        (with_distribution('distribution = "box-cox"\nshape = 0'), "shape", "is 0, which is log-normal"),
        (with_distribution("shape = 0.5"), "shape", "belongs to a box-cox parameter, and this one is log-normal"),
        (with_distribution("", "value = 0"), "value", 'write distribution = "normal" where it may be 0 or negative'),
        (with_distribution('distribution = "box-cox"\nshape = 1', "value = -1"), "value", "with iiv is box-cox and"),
    ],
)
def test_a_wrong_distribution_is_refused(text: str, key: str, problem: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_model(text, "mine.toml")
    assert caught.value.key == f"parameters.CL.{key}"
    assert problem in caught.value.problem


def test_a_normal_parameter_may_be_nothing_or_negative() -> None:
    head = '[parameters.shift]\nvalue = {}\nunit = "1"\n'
    shift = head + 'distribution = "normal"\niiv = 0.1\nassumed = "a test"\n\n[derived.ktr]'
    for value in (0, -2):
        model = parse_model(TEXT.replace("[derived.ktr]", shift.format(value), 1), "mine.toml")
        assert typical_values(model)["shift"] == value
        assert "shift" in model.eta_names


@settings(max_examples=50)
@given(eta=st.floats(-2, 2), value=st.floats(0.01, 0.99), shape=st.sampled_from([-0.7, 0.3, 2.0]))
def test_individual_values_are_those_of_their_distribution(eta: float, value: float, shape: float) -> None:
    def of(distribution: str, shape: float | None = None) -> float:
        spec = replace(DOCETAXEL.parameters[0], value=value, distribution=distribution, shape=shape)  # type: ignore[arg-type]
        return individual_value(spec, eta)

    assert of("log-normal") == pytest.approx(value * math.exp(eta), rel=1e-12)
    assert of("normal") == value + eta
    logit = of("logit")
    assert 0 < logit < 1
    assert math.log(logit / (1 - logit)) - math.log(value / (1 - value)) == pytest.approx(eta, abs=1e-9)
    # log of the value is the Box-Cox transform of exp(eta).
    assert math.log(of("box-cox", shape) / value) == pytest.approx((math.exp(eta) ** shape - 1) / shape, rel=1e-9)
