"""A fault is named at its line and column, with the line and a caret; and independent faults all at once."""

from __future__ import annotations

import pytest

from tests.twin.observation.test_outcomes import TEXT as OUTCOMES
from twin.model.spec import ModelError
from twin.modelfile.library import library_ids, load_model
from twin.modelfile.lint import MOST_FAULTS, Fault, faults
from twin.modelfile.reader import parse_model
from twin.modelfile.template import template

TEXT = load_model("docetaxel_ozawa2007").text


def marked(fault: Fault) -> str:
    """What the caret stands under."""
    return fault.source[fault.column - 1 : fault.column - 1 + fault.width]


@pytest.mark.parametrize("name", library_ids())
def test_a_sound_file_has_no_fault(name: str) -> None:
    assert faults(load_model(name).text, "mine.toml") == ()


def test_a_fault_is_shown_as_a_compiler_shows_it() -> None:
    (fault,) = faults(TEXT.replace("iiv = 0.1478\nstated = { iiv = 0.399 }", "ivi = 0.1478"), "mine.toml")
    line = TEXT[: TEXT.index("iiv = 0.1478")].count("\n") + 1
    assert str(fault) == (
        f"mine.toml:{line}:1: parameters.CL.ivi: unknown key; did you mean 'iiv'?\n"
        f"{line:5d} | ivi = 0.1478\n"
        "      | ^^^"
    )


@pytest.mark.parametrize(
    ("good", "bad", "caret", "problem"),
    [
        ('title = "Doc', 'titel = "Doc', "titel", "unknown key; did you mean 'title'?"),
        ('drug = "docetaxel"\n', 'drg = "docetaxel"\n', "drg", "unknown key; did you mean 'drug'?"),
        ('time_unit = "h"', 'time_unit = "hours"', "time_unit", "'hours' is not known; write one of min, h, d"),
        ("citation = ", "cite = ", "[[sources]]", "is missing"),
        ("[inputs.dexamethasone]", "[input.dexamethasone]", "[input.dexamethasone]", "did you mean 'inputs'?"),
        ("reference = 0.94", "reference = 94", "reference", "outside low to high"),
        ("value = 35.7", "valu = 35.7", "valu", "unknown key; did you mean 'value'?"),
        ("value = 35.7", 'value = "35,7"', "value", "is '35,7'; write a number"),
        ("value = 35.7\n", "", "[parameters.CL]", "is missing; write a number"),
        ('unit = "L/h"', 'unit = "Litres"', "unit", "Litres"),
        ('"4 / MTT"', '"4 / MTTT"', "MTTT", "unknown name 'MTTT'; did you mean 'MTT'?"),
        ('"4 / MTT"', '"MTT / 4"', "expression", "is in h, not in 1/h"),
        ("ktr*(Prol - Tr1)", "ktr*(Prl - Tr1)", "Prl", "unknown name 'Prl'"),
        ("input(docetaxel) -", "input(docetaxl) -", "docetaxl", "unknown drug 'docetaxl'"),
        ("ktr*(Tr1 - Tr2)", "ktr*(Tr1 - Tr2", "derivative", "is not a formula"),
        ("(ANC0/Circ)**gamma", "(ANC0/Circ)^gamma", "derivative", "uses '^'; write a power as '**'"),
        ("log_additive = 0.291", "log_aditive = 0.291", "error", "gives no size"),
        ("proportional = 0.268", "proportional = -0.268", "proportional", "must be greater than 0"),
        ('output = "neutrophils"', 'output = "neutrophil"', "output", "write one of"),
        ("below = 0.5", "bellow = 0.5", "bellow", "unknown key; did you mean 'below'?"),
        ("cycles = 6", "cycles = 6.5", "cycles", "write a whole number"),
        ('route = "iv"', 'route = "vein"', "route", "write one of iv, oral"),
        ("estimate = 1\n", "estimat = 1\n", "estimat", "did you mean 'estimate'?"),
        ("first_step = 0.05", "first_step = 50", "first_step", "more than largest_step"),
        ('initial = "ANC0"\nderivative = "ktr*Tr3', 'initial = "0"\nderivative = "ktr*Tr3', "derivative", "no value"),
        ('"input(docetaxel) -', '"max(input(docetaxel), 0) -', "derivative", "an input must enter as"),
    ],
)  # fmt: skip
def test_a_typo_is_found_where_it_stands(good: str, bad: str, caret: str, problem: str) -> None:
    assert good in TEXT
    found = faults(TEXT.replace(good, bad, 1), "mine.toml")
    # A drug that is not declared is missed wherever it is named.
    assert len(found) == 1 or "inputs" in good
    assert problem in found[0].problem
    assert marked(found[0]) == caret
    assert found[0].file == "mine.toml"


def test_a_name_in_a_formula_of_several_lines_is_found_on_its_own() -> None:
    text = TEXT.replace('"ktr*(Prol - Tr1)"', '"""\nktr*(Prol\n   - Tr9)"""', 1)
    (fault,) = faults(text, "mine.toml")
    assert (marked(fault), fault.source, fault.column) == ("Tr9", '   - Tr9)"""', 6)


def test_a_category_is_found_in_its_list() -> None:
    (fault,) = faults(OUTCOMES.replace("1 - 1 / (1 + exp(-3 + harm", "1 - 1 / (1 + exp(-3 + harn", 1), "mine.toml")
    assert fault.key == "outputs.neuropathy.categories[2]"
    assert marked(fault) == "harn"


def test_what_is_no_toml_is_shown_at_its_place() -> None:
    (fault,) = faults(TEXT.replace("value = 35.7", "value = 35.7.1", 1), "mine.toml")
    assert fault.source == "value = 35.7.1"
    assert (fault.column, fault.problem) == (
        13,
        "not TOML: Expected newline or end of document after a statement; mend that line",
    )
    (end,) = faults('id = "', "mine.toml")
    assert end.line == 1
    (twice,) = faults(TEXT.replace("[parameters.V1]", "[parameters.CL]", 1), "mine.toml")
    assert twice.source == "[parameters.CL]"


def test_each_section_has_its_say() -> None:
    text = TEXT
    for good, bad in [
        ("reference = 0.94", "reference = 94"),
        ("iiv = 0.1478\nstated = { iiv = 0.399 }", "ivi = 0.1478"),
        ("value = 6.94", 'value = "6.94"'),
        ('"4 / MTT"', '"4 / MTTT"'),
        ("ktr*(Prol - Tr1)", "ktr*(Prl - Tr1)"),
        ("log_additive = 0.291", "log_additive = -1"),
        ("below = 0.5", "below = 0"),
        ("cycles = 6", "cycles = 1.5"),
        ("estimate = 1\n", ""),
        ("largest_step = 4", "largest_step = 0"),
    ]:
        assert good in text
        text = text.replace(good, bad, 1)
    found = faults(text, "mine.toml")
    assert [fault.key for fault in found] == [
        "covariates.AAG.reference", "parameters.CL.ivi", "parameters.V1.value", "derived.ktr.expression",
        "states.Tr1.derivative", "outputs.neutrophils.error.log_additive", "toxicities.neutropenia_g4.below",
        "regimens[0].cycles", "cadence.estimate", "numerics.largest_step",
    ]  # fmt: skip
    with pytest.raises(ModelError):
        parse_model(text, "mine.toml")


def test_every_formula_whose_units_disagree_is_named() -> None:
    text = TEXT.replace('"4 / MTT"', '"MTT / 4"').replace('expression = "Circ"', 'expression = "MIT"')
    assert [fault.key for fault in faults(text, "mine.toml")] == [
        "derived.ktr.expression",
        "outputs.neutrophils.expression",
    ]


def test_a_hopeless_file_ends_somewhere() -> None:
    text = "\n".join(f"[parameters.p{i}]\nvalue = true\nunit = 1" for i in range(50))
    assert 0 < len(faults(text, "mine.toml")) <= MOST_FAULTS
    assert faults("", "mine.toml")[0].line == 1


@pytest.mark.parametrize("name", ["a_new_one", "Model2"])
def test_the_template_is_sound_and_explained(name: str) -> None:
    text = template(name)
    assert faults(text, "new.toml") == ()
    model = parse_model(text, "new.toml")
    assert model.id == name
    assert text.count("#") > 40
    for kind in ("count", "event", "ordinal"):
        assert f'\n# kind = "{kind}": ' in text
    with pytest.raises(ValueError, match="'2 models' cannot be an id; begin with a letter"):
        template("2 models")


SHOWN = (
    "[[correlations]]", "[occasions]", "[derived.ke]", "[terms.C]", "[covariates.WT.missing]", "[targets.mydrug_auc]",
    "[sites]",
)  # fmt: skip


def test_what_the_template_only_shows_is_sound_too() -> None:
    blocks = template("shown").split("\n\n")
    for i, block in enumerate(blocks):
        for head in SHOWN:
            if f"# {head}" in block:
                before, _, after = block.partition(f"# {head}")
                blocks[i] = before + head + after.replace("\n# ", "\n")
    text = "\n\n".join(blocks).replace("# iov = 0.04", "iov = 0.04").replace("# carry", "carry")
    text = text.replace("# isv = 0.02", "isv = 0.02")
    text += '\n[covariates.SITE]\nunit = "1"\nreference = 0\nassumed = "nobody\'s"\n'
    assert faults(text, "shown.toml") == ()
    model = parse_model(text, "shown.toml")
    assert model.omega[0, 1] == pytest.approx(0.3 * (0.09 * 0.04) ** 0.5)
    assert model.omega[0, 0] == pytest.approx(0.09 + 0.02)
    assert model.occasions is not None
    assert model.sites is not None
    assert (len(model.derived), len(model.terms), len(model.targets)) == (1, 1, 1)
    assert (model.covariates[0].carry, model.covariates[0].widens) == ("backward", (("CL", 0.05),))
