"""What codes stand for: closed tables, systems by any of their names, and names that contradict."""

from __future__ import annotations

import pytest

from connectors.facts.codes import Codes, Coding, Quantified, coding_of, known_quantities, system_of
from connectors.facts.fact import NotAFact
from tests.places import ROOT
from twin import load_model
from twin.events import VITAL_RANGES
from twin.record.admission import OTHER_ANALYTES
from twin.units import convert, quantity_of

CODES = Codes()


def loinc(code: str, name: str = "", system: str = "LN") -> Coding:
    return Coding(code, system, name)


@pytest.mark.parametrize("spelling", ["LN", "ln", " LOINC ", "http://loinc.org", "urn:oid:2.16.840.1.113883.6.1"])
def test_a_code_counts_beside_any_name_of_its_system(spelling: str) -> None:
    found = CODES.quantity([loinc("751-8", system=spelling)])
    assert found is not None
    assert (found.name, found.kind) == ("neutrophils", "lab_result")


@pytest.mark.parametrize("system", ["", "L", "99LAB", "XYZ"])
def test_a_code_of_no_known_system_is_none(system: str) -> None:
    with pytest.raises(NotAFact, match="unknown_code"):
        CODES.quantity([loinc("751-8", "Neutrophils", system)])
    assert Codes({f"{system}|751-8": "neutrophils"} if system else {"99|1": "alt"}) is not None


def test_a_source_may_measure_what_the_tables_do_not_have() -> None:
    own = Codes({"99LAB|DOCE": "docetaxel_plasma"}, own=[Quantified("docetaxel_plasma", "drug_level", "mg/L")])
    assert own.quantity([Coding("DOCE", "99LAB")]) == own.of("docetaxel_plasma")
    with pytest.raises(ValueError, match="no such quantity"):
        Codes({"99LAB|DOCE": "docetaxel_plasma"})


def test_a_sender_finds_the_code_by_which_a_listener_knows_it() -> None:
    for name, quantified in known_quantities().items():
        if (coding := coding_of(name)) is not None:
            assert CODES.quantity([coding]) == quantified
    assert coding_of("docetaxel_plasma") is None
    assert coding_of("heart_rate") == Coding("147842", "MDC", "MDC_ECG_HEART_RATE")


@pytest.mark.parametrize("code", ["770-8", "26511-6", "23761-0", "625-4", "30341-2"])
def test_what_no_twin_reads_is_nothing(code: str) -> None:
    assert CODES.quantity([loinc(code)]) is None


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("8867-4", "Bacteria identified"),
        ("751-8", "Neutrophils/100 leukocytes"),
        ("751-8", "Platelets"),
        ("2160-0", "Creatinine in urine"),
        ("2160-0", "Protein/Creatinine ratio"),
        ("777-3", "Platelet morphology"),
        ("11125-2", "PLATELETS"),
        ("11156-7", "Leukocytes"),
    ],
)
def test_a_name_of_something_else_contradicts_the_code(code: str, name: str) -> None:
    with pytest.raises(NotAFact, match="code_conflict"):
        CODES.quantity([loinc(code, name)])


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("751-8", "Neutrophils [#/volume] in Blood by Automated count"),
        ("6690-2", "Leukocytes [#/volume] in Blood"),
        ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
        ("2708-6", "Oxygen saturation in Arterial blood [Mass fraction]"),
        ("8867-4", "Heart rate"),
        ("2160-0", "Creatinine [Mass/volume] in Serum or Plasma"),
        ("751-8", "What this ward calls it"),
    ],
)
def test_a_name_that_says_the_same_or_nothing_is_no_contradiction(code: str, name: str) -> None:
    assert CODES.quantity([loinc(code, name)]) is not None


def test_every_coding_is_looked_through_and_two_quantities_contradict() -> None:
    local = Coding("NEUT", "99LAB", "Neutrophils")
    found = CODES.quantity([local, loinc("751-8")])
    assert found is not None
    assert found.name == "neutrophils"
    assert CODES.quantity([loinc("59408-5"), Coding("150456", "urn:iso:std:iso:11073:10101", "MDC_PULS_OXIM_SAT_O2")])
    with pytest.raises(NotAFact, match="code_conflict"):
        CODES.quantity([loinc("751-8"), loinc("777-3")])


def test_terms_of_devices_are_known_by_their_names() -> None:
    found = CODES.quantity([Coding("0", "MDC", "MDC_ECG_HEART_RATE")])
    assert found is not None
    assert found.name == "heart_rate"
    assert CODES.quantity([Coding("147842", "MDC", "")]) == found
    assert CODES.quantity([Coding("147842", "MDC", "MDC_SOMETHING_ELSE")]) is None


def test_a_profile_adds_codes_and_says_which_quantities_there_are() -> None:
    codes = Codes({"99LAB|NEUT": "neutrophils"}, {"99PUMP|2222": "docetaxel", "|Taxotere": "docetaxel"})
    found = codes.quantity([Coding("NEUT", "99LAB", "")])
    assert found is not None
    assert found.name == "neutrophils"
    assert codes.drug([Coding("2222", "99PUMP")]) == "docetaxel"
    assert codes.drug([Coding("", "", " TAXOTERE ")]) == "docetaxel"
    for wrong in ({"99LAB|NEUT": "neutros"}, {"NEUT": "neutrophils"}, {"99LAB|": "neutrophils"}):
        with pytest.raises(ValueError, match="codes"):
            Codes(wrong)


def test_a_drug_is_known_by_its_code_or_its_whole_name() -> None:
    assert CODES.drug([Coding("L01CD02", "http://www.whocc.no/atc")]) == "docetaxel"
    assert CODES.drug([Coding("", "", "Docetaxel")]) == "docetaxel"
    assert CODES.drug([Coding("2555555", "rxnorm", "Doxorubicin 2 MG/ML Injection")]) is None
    assert CODES.drug([]) is None
    with pytest.raises(NotAFact, match="code_conflict"):
        CODES.drug([Coding("L01CD02", "atc"), Coding("", "", "paclitaxel")])


def test_a_product_that_speaks_of_a_known_drug_is_not_passed_over() -> None:
    for coding in (Coding("", "", "Docetaxel in glucose"), Coding("1093279", "rxnorm", "docetaxel 20 MG/ML Injection")):
        with pytest.raises(NotAFact, match="unknown_drug"):
            CODES.drug([coding])
    listed = Codes(None, {"rxnorm|1093279": "docetaxel"})
    assert listed.drug([Coding("1093279", "rxnorm", "docetaxel 20 MG/ML Injection")]) == "docetaxel"


@pytest.mark.parametrize("code", ["76388-713-25", "76388-0713-25", "76388071325"])
def test_a_package_is_known_by_any_spelling_of_its_number(code: str) -> None:
    assert CODES.drug([Coding(code, "http://hl7.org/fhir/sid/ndc")]) == "busulfan"


@pytest.mark.parametrize(
    ("coding", "reason"),
    [
        (Coding("8867-4", "http://loinc.org", "Mean heart rate 24 hour"), "code_conflict"),
        (Coding("147842", "MDC", "MDC_PULS_OXIM_SAT_O2"), "code_conflict"),
        (Coding("2345-7", "LN", "Glucose in urine"), "code_conflict"),
    ],
)
def test_a_statistic_and_a_number_of_another_term_are_no_reading(coding: Coding, reason: str) -> None:
    with pytest.raises(NotAFact, match=reason):
        CODES.quantity([coding])


@pytest.mark.parametrize(
    ("code", "name", "unit", "value"),
    [("2039-6", "CEA", "ng/mL", 5.0), ("10334-1", "CA125", "U/mL", 37.0), ("24108-3", "CA19-9", "kU/L", 37.0),
     ("68123-9", "CTC", "10/(75.mL)", 2 / 3), ("2857-1", "PSA", "ng/mL", 4.0), ("1988-5", "crp", "mg/dL", 50.0)],
)  # fmt: skip
def test_markers_of_tumours_are_known_by_their_codes(code: str, name: str, unit: str, value: float) -> None:
    found = CODES.quantity([Coding(code, "LN")])
    assert found is not None
    assert found.name == name
    given = {"CTC": 5.0, "crp": 5.0}.get(name, value)
    assert convert(given, unit, found.unit) == pytest.approx(value)


def test_what_the_codes_have_no_amount_of_is_known_by_a_profile() -> None:
    local = Codes({"LAB|TF": "ctDNA_fraction"})
    found = local.quantity([Coding("TF", "LAB", "Tumor fraction in plasma")])
    assert found is not None
    assert (found.name, found.unit) == ("ctDNA_fraction", "%")


def test_the_tables_are_of_units_that_are_read_and_ranges_that_are_some() -> None:
    for quantified in known_quantities().values():
        quantity_of(quantified.unit)
        assert quantified.low is not None
        assert quantified.high is not None
        assert quantified.low < quantified.high
        assert all(word == word.lower() for word in quantified.words)
        assert CODES.of(quantified.name) == quantified
    assert convert(1.0, "mg/dL", "umol/L", known_quantities()["creatinine"].molar_mass) == pytest.approx(88.4, rel=1e-3)
    with pytest.raises(KeyError):
        CODES.of("humours")


def test_every_laboratory_value_of_the_tables_is_one_that_twins_know() -> None:
    for quantified in known_quantities().values():
        if quantified.kind == "lab_result":
            assert quantified.name in OTHER_ANALYTES
        elif quantified.kind == "vital_sample":
            assert quantified.name in VITAL_RANGES


def test_every_drug_of_the_library_has_a_label() -> None:
    models = [load_model(path.stem) for path in (ROOT / "twin" / "library").glob("*.toml")]
    drugs = {drug for model in models for drug in model.drugs}
    no_drugs = {"chemotherapy", "hormonotherapy", "placebo", "surgery"}
    labels = {"nabpaclitaxel": "nab-paclitaxel", "folinate": "leucovorin"}
    assert (
        sorted(drug for drug in drugs - no_drugs if CODES.drug([Coding("", "", labels.get(drug, drug))]) != drug) == []
    )


def test_an_unknown_system_is_called_as_it_is() -> None:
    assert system_of(" 99LAB ") == "99LAB"
