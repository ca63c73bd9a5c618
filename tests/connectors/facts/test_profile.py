"""A source's profile: one file, read once, with every fault named by its field."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.facts.codes import Coding
from connectors.facts.fact import Subject
from connectors.facts.profile import PatientSettings, ProfileError, read_profile
from tests.connectors.facts.sources import KEY

HEAD = 'id = "lab-east"\nprotocol = "hl7"\nmode = "real"\n'


def profile_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "lab.toml"
    path.write_text(text)
    return path


def test_a_profile_says_who_speaks_and_what_its_words_mean(tmp_path: Path) -> None:
    (tmp_path / "patients.csv").write_text("authority,id,patient_id\nEAST,17,P-1\n")
    known = read_profile(
        profile_file(
            tmp_path,
            HEAD
            + """
zone = "Europe/Berlin"
charset = "8859/1"
date_only = "noon"
values_without_result = true
device_from = "sys_id"
device_repetition = 2
end_without_return = true
taken = 0.9
[patients]
authorities = ["EAST"]
types = ["MR"]
table = "patients.csv"
placeholders = ["BED 7"]
[units]
"K/uL" = "10*3/uL"
[codes]
"99LAB|NEUT" = "neutrophils"
"99LAB|DOCE" = "docetaxel_plasma"
[quantities.docetaxel_plasma]
kind = "drug_level"
unit = "mg/L"
molar_mass = 807.9
[drugs]
"|Taxotere" = "docetaxel"
[names]
weight = "WT"
""",
        ),
        b"",
    )
    assert (known.source, known.protocol, known.charset, known.test) == ("lab-east", "hl7", "8859/1", False)
    assert known.zone is not None
    assert (known.days, known.values_without_result, known.end_without_return) == (True, True, True)
    assert (known.device_from, known.device_repetition, known.taken) == ("sys_id", 2, 0.9)
    assert known.means == {"K/uL": "10*3/uL"}
    assay = known.codes.quantity([Coding("DOCE", "99LAB")])
    assert assay is not None
    assert (assay.kind, assay.unit, assay.molar_mass) == ("drug_level", "mg/L", 807.9)
    assert (known.named("weight"), known.named("height")) == ("WT", "height")
    assert known.pseudonyms.pseudonym(Subject("17", "EAST")) == "P-1"
    assert known.pseudonyms.placeholders == {"BED 7"}


def test_what_is_not_said_is_strict(tmp_path: Path) -> None:
    known = read_profile(profile_file(tmp_path, HEAD.replace("real", "test")), KEY)
    assert (known.zone, known.days, known.values_without_result, known.means) == (None, False, False, {})
    assert known.test
    assert known.pseudonyms.test
    assert known.pseudonyms.types == ("MR", "PI", "PT", "")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "id"),
        ("not toml at all [", "lab.toml"),
        (HEAD + "colour = 1\n", "colour"),
        (HEAD.replace("hl7", "fax"), "protocol"),
        (HEAD.replace("real", "demo"), "mode"),
        (HEAD + 'zone = "Mars/Olympus"\n', "zone"),
        (HEAD + '[quantities.level]\nkind = "vital_sample"\nunit = "mg/L"\n', "quantities.level.kind"),
        (HEAD + '[quantities.level]\nkind = "drug_level"\nunit = "furlong/x"\n', "'quantities' 'level'"),
        (HEAD + 'zone = "../etc/passwd"\n', "zone"),
        (HEAD + 'date_only = "midnight"\n', "date_only"),
        (HEAD + '[codes]\n"99LAB|NEUT" = "neutros"\n', "codes"),
        (HEAD + '[codes]\nNEUT = "neutrophils"\n', "codes"),
        (HEAD + '[units]\n"K/uL" = "thousands"\n', "units"),
        (HEAD + '[names]\nwait = "WT"\n', "names"),
        (HEAD + '[drugs]\n"|x" = ""\n', "drugs"),
        (HEAD + '[patients]\ntable = "gone.csv"\n', "gone.csv"),
        (HEAD + "[patients]\nauthorities = 3\n", "patients.authorities"),
    ],
)
def test_a_fault_is_named_by_its_field(tmp_path: Path, text: str, names: str) -> None:
    with pytest.raises(ProfileError) as caught:
        read_profile(profile_file(tmp_path, text), KEY)
    assert names in str(caught.value)
    assert "lab.toml" in str(caught.value)


@pytest.mark.parametrize(
    "table",
    [
        "id,patient_id\n17,P-1\n",
        "authority,id,patient_id\nEAST,17,P-1\nEAST,17,P-2\n",
        "authority,id,patient_id\nEAST,17,\n",
        "authority,id,patient_id\nEAST,,P-1\n",
        "authority,id,patient_id\nEAST\n",
        "",
    ],
)
def test_a_table_of_patients_has_each_id_once_with_its_patient(tmp_path: Path, table: str) -> None:
    (tmp_path / "patients.csv").write_text(table)
    with pytest.raises(ProfileError, match=r"patients\.csv"):
        read_profile(profile_file(tmp_path, HEAD + '[patients]\ntable = "patients.csv"\n'), KEY)


@pytest.mark.parametrize("key", [b"", b"short"])
def test_pseudonyms_need_a_secret_or_a_table(tmp_path: Path, key: bytes) -> None:
    with pytest.raises(ProfileError, match=PatientSettings.variable("key")):
        read_profile(profile_file(tmp_path, HEAD), key)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"none\.toml"):
        read_profile(tmp_path / "none.toml", KEY)


def test_the_secret_is_not_shown() -> None:
    assert "hidden" not in repr(PatientSettings(key="hidden"))  # type: ignore[arg-type]


def test_a_fhir_server_has_its_address_kinds_and_authorities_of_devices(tmp_path: Path) -> None:
    said = HEAD.replace("hl7", "fhir") + 'server = "https://ehr.example/fhir"\nresources = ["Observation"]\n'
    known = read_profile(profile_file(tmp_path, said + '[devices]\nauthorities = ["urn:eui"]\n'), KEY)
    assert (known.server, known.servers) == ("https://ehr.example/fhir", ("https://ehr.example/fhir",))
    assert (known.resources, known.devices) == (("Observation",), ("urn:eui",))
    assert read_profile(profile_file(tmp_path, HEAD), KEY).server == ""
    for wrong in ("ehr.example", "https://ehr.example/fhir/", "https://user@ehr.example", "https://ehr.example/fhir?x"):
        with pytest.raises(ProfileError, match="server"):
            read_profile(profile_file(tmp_path, f'{HEAD}server = "{wrong}"\n'), KEY)
