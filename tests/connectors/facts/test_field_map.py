"""The map of a source's JSON: what cannot become an event is said when the profile is read, field by field."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.facts.profile import ProfileError, read_profile
from tests.connectors.facts.sources import KEY

HEAD = 'id = "wrists"\nprotocol = "fields"\nmode = "real"\n'
PULSE = """[[map]]
kind = "vital_sample"
time = { at = "/t", epoch = "ms" }
fields.channel = "heart_rate"
fields.value = { at = "/hr", unit = "/min" }
"""
RESULT = """
[[map]]
kind = "lab_result"
time = { at = "/t" }
fields.analyte = "neutrophils"
fields.value = { at = "/v", unit = "10*9/L" }
"""


def read(tmp_path: Path, text: str) -> str:
    """What is wrong with a profile; empty where nothing is."""
    path = tmp_path / "wrists.toml"
    path.write_text(text)
    try:
        read_profile(path, KEY)
    except ProfileError as error:
        return str(error)
    return ""


def test_a_map_that_makes_events_is_taken(tmp_path: Path) -> None:
    assert read(tmp_path, HEAD + PULSE) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD, "'map'"),
        (HEAD.replace("fields", "hl7") + PULSE, "'map'"),
        (HEAD + PULSE.replace("vital_sample", "regimen_planned"), "kind"),
        (HEAD + PULSE.replace('"/t"', '"t"'), "pattern"),
        (HEAD + PULSE.replace('"ms"', '"us"'), "epoch"),
        (HEAD + PULSE.replace("fields.channel", "fields.organ"), "no such field"),
        (HEAD + PULSE.replace("fields.channel", "fields.patient_id"), "no such field"),
        (HEAD + PULSE.replace('fields.channel = "heart_rate"\n', ""), "'map.fields.channel' is missing"),
        (HEAD + PULSE.replace('"/min"', '"beats"'), "map.fields.value"),
        (HEAD + PULSE.replace(', unit = "/min"', ""), "it is a quantity"),
        (HEAD + PULSE.replace('unit = "/min"', 'unit = "/min", unit_at = "/u"'), "it is a quantity"),
        (HEAD + PULSE.replace('{ at = "/hr", unit = "/min" }', '"72"'), "it is a quantity"),
        (HEAD + PULSE.replace('"heart_rate"', '{ at = "/c", unit = "/min" }'), "no quantity"),
        (HEAD + RESULT + 'fields.reported = "noon"\n', "'map.fields.reported': it is a time; write { at = POINTER }"),
        (HEAD + PULSE.replace('at = "/t",', 'at = "/t", zone = "UTC",'), "zone"),
        (HEAD + '[mqtt]\ntopic = "#"\n' + PULSE, "mqtt.topic"),
        (HEAD.replace("fields", "openmhealth") + '[mqtt]\ntopic = "a/{user}"\n', "{patient}"),
        (HEAD.replace("fields", "hl7") + '[mqtt]\ntopic = "a/{user}"\n[mqtt.users]\ngw = ["P-1"]\n', "mqtt.users"),
    ],
)
def test_what_is_wrong_is_named(text: str, says: str, tmp_path: Path) -> None:
    assert says in read(tmp_path, text)


def test_our_own_events_need_no_key_of_pseudonyms(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text('id = "gateway"\nprotocol = "dosetwin"\nmode = "real"\n[mqtt]\ntopic = "a/{user}"\n')
    assert read_profile(path, b"").topics is not None
